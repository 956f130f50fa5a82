"""Runs: what a command did, logged explicitly, with the person and the commit of the code."""

import json
import math
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
import polars as pl
import polars.selectors as cs

import power_nowcast
from power_nowcast.contracts import Manifest
from power_nowcast.errors import RegistryError
from power_nowcast.mlflow_client.connection import (
    address,
    artifact_location,
    connect,
    is_new,
    no_mlflow,
    owner,
    translated,
)
from power_nowcast.regions import Region

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "power-nowcast"
CURVE_POINTS = 100
MOST_METRICS = 30
"""A run has at most so many metrics, so that people can read its page and compare runs."""
BATCH = 500
PARAM_LENGTH = 6000
PARENT = "mlflow.parentRunId"
DIGEST = "model_digest"
"""Tag with the digest of the model that a run trained. A version has it, perhaps one that an earlier run registered."""
RUN_AGAIN = "run_again"
"""Tag with the command line that makes a run again; MLflow's page shows it as the run's source, too."""
NOTE = "mlflow.note.content"
KIND = "mlflow.experimentKind"
ABOUT = """{title}: ingests, trained models, evaluations and promotions.

- `train`: a model. `test/` are its figures on the test part, which no training saw, of the region's first series: MAE,
  RMSE and pinball loss in MW, MAPE in percent, `coverage_80` the share of outcomes inside the 80 % band, `skill` the
  share of persistence's MAE that the model saves.
- Names without a horizon are of all series and horizons. `valid_loss`, by which the best model is chosen, and
  `test/loss` are the pinball loss in units of persistence's MAE, on validation data and on the test part.
- `promote`, `rollback`: the decision, its figures, and who took it. `ingest`: what was read, stored and rejected.
- Tables and reports are among the artifacts. The tag `run_again` is the command line that makes a run again.
"""
"""Description of an experiment."""


class Run:
    """An open run: every method logs at once."""

    def __init__(self, client: "MlflowClient", run_id: str) -> None:
        self._client = client
        self.id = run_id

    def params(self, values: Mapping[str, Any]) -> None:
        """Log the configuration; nested mappings as `outer.inner`."""
        from mlflow.entities import Param  # noqa: PLC0415

        flat = [Param(key, value) for key, value in as_params(values).items()]
        with translated():
            for chunk in range(0, len(flat), 100):
                self._client.log_batch(self.id, params=flat[chunk : chunk + 100])

    def metrics(self, values: Mapping[str, float | None], step: int | None = None, *, part: str | None = None) -> None:
        """Log figures by name; those that are None or not finite are left out.

        MLflow's page lists every metric of a run: keep them at `MOST_METRICS`, and log more figures as a `table`. The
        page shows metrics in groups by `part`, the part of the data that they were measured on.
        """
        prefix = f"{part}/" if part else ""
        self._log_metrics([(f"{prefix}{name}", float(v), step or 0) for name, v in values.items() if v is not None])

    def table(self, name: str, table: pl.DataFrame) -> None:
        """Log a table as the CSV artifact `name`, which MLflow's page shows, with six significant digits.

        Columns without any value are left out.
        """
        used = table.select(column for column in table if table.is_empty() or column.null_count() < len(table))
        with translated():
            self._client.log_text(self.id, used.with_columns(cs.float().round_sig_figs(6)).write_csv(), name)

    def curves(self, curves: Mapping[str, Sequence[float]]) -> None:
        """Log learning curves, one metric a name by step, thinned to at most 100 points with the first and last."""
        points = []
        for name, values in curves.items():
            spread = np.linspace(0, len(values) - 1, min(CURVE_POINTS, len(values)))
            points += [(name, float(values[i]), i) for i in np.unique(spread.round().astype(int)).tolist()]
        self._log_metrics(points)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag  # noqa: PLC0415

        with translated():
            self._client.log_batch(self.id, tags=[RunTag(key, str(value)) for key, value in values.items()])

    def note(self, text: str) -> None:
        """Set the run's description, Markdown that MLflow's page shows."""
        self.tags({NOTE: text})

    def link(self, name: str) -> str:
        """The address of an artifact, for links and pictures in a `note`."""
        return f"get-artifact?{urlencode({'path': name, 'run_uuid': self.id})}"

    def json(self, name: str, value: Any) -> None:
        """Log `value` as the JSON artifact `name`, such as "features/manifest.json"."""
        with translated():
            self._client.log_text(self.id, json.dumps(value, indent=1, default=str), name)

    def file(self, path: Path, folder: str | None = None) -> None:
        """Log a file into the artifact folder."""
        with translated():
            self._client.log_artifact(self.id, str(path), folder)

    def folder(self, path: Path, name: str) -> None:
        """Log a folder's files under `name`."""
        with translated():
            self._client.log_artifacts(self.id, str(path), name)

    def figure(self, figure: Any, name: str) -> None:
        """Log a matplotlib figure as the image `name`."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / Path(name).name
            figure.savefig(path)
            self.file(path, str(Path(name).parent) if Path(name).parent != Path() else None)

    def manifests(self, manifests: Sequence[Manifest]) -> None:
        """Log what tables held: as JSON, and as the run's data sets with their digests."""
        from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415

        self.json("manifests.json", [asdict(manifest) for manifest in manifests])
        inputs = [
            DatasetInput(
                Dataset(
                    name=manifest.table,
                    digest=manifest.sha256[:32],  # the field holds no more; the JSON has all of it
                    source_type="delta",
                    source=json.dumps({"table": manifest.table, "version": manifest.version}),
                    profile=json.dumps({"rows": manifest.rows, "first": manifest.first, "last": manifest.last}),
                ),
                tags=[InputTag("mlflow.data.context", "input")],
            )
            for manifest in manifests
        ]
        with translated():
            self._client.log_inputs(self.id, datasets=inputs)

    def _log_metrics(self, points: Sequence[tuple[str, float, int]]) -> None:
        from mlflow.entities import Metric  # noqa: PLC0415

        now = int(time.time() * 1000)
        found = [Metric(sanitised(name), value, now, step) for name, value, step in points if math.isfinite(value)]
        with translated():
            for chunk in range(0, len(found), BATCH):
                self._client.log_batch(self.id, metrics=found[chunk : chunk + BATCH])


@contextmanager
def run(
    region: Region,
    command: str,
    *,
    tags: Mapping[str, str] | None = None,
    run_id: str | None = None,
    parent: str | None = None,
) -> Iterator[Run]:
    """A run in the region's experiment, below the run `parent` if one is named; with `run_id` that run is opened again.

    It ends FINISHED, FAILED after an error, KILLED after Ctrl-C.

    Raises:
        RegistryUnavailableError: MLflow does not answer.
    """
    client = connect()
    with translated():
        if run_id is None:
            own = standard_tags(region, command) | dict(tags or {}) | ({PARENT: parent} if parent else {})
            own |= {"mlflow.user": own["owner"]} | _source(own)
            run_id = client.create_run(experiment(client, region), tags=own, run_name=command).info.run_id
            if not run_id:
                raise no_mlflow(None, "it makes a run without an id")
        else:
            client.update_run(run_id, status="RUNNING")
            for key, value in (tags or {}).items():
                client.set_tag(run_id, key, value)
    status = "FAILED"
    try:
        yield Run(client, run_id)
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        try:
            with translated():
                client.set_terminated(run_id, status=status)
        except RegistryError:
            if status == "FINISHED":  # otherwise the error that is on its way out says more
                raise


def _source(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that MLflow's page shows as the source of a run: its command line and its commit."""
    if RUN_AGAIN not in tags:
        return {}
    return {
        "mlflow.source.name": tags[RUN_AGAIN],
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": tags["git_sha"],
    }


def has_run(run_id: str) -> bool:
    """Whether MLflow still knows a run.

    Raises:
        RegistryUnavailableError: it does not answer.
    """
    if is_new():
        return False
    client = connect()
    try:
        with translated():
            return str(client.get_run(run_id).info.lifecycle_stage) == "active"
    except RegistryError as error:
        if error.fields.get("code") == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise


def experiment(client: "MlflowClient", region: Region, tracking_uri: str | None = None) -> str:
    """Id of the region's experiment, which is created if it is missing."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    name = f"{EXPERIMENT}/{region.name}"
    found = client.get_experiment_by_name(name)
    if found is None:
        location = artifact_location(address(tracking_uri), region.name)
        try:
            # Without its kind, MLflow's page opens an experiment among those of language models.
            tags = {KIND: "custom_model_development", NOTE: ABOUT.format(title=region.title)}
            return str(client.create_experiment(name, artifact_location=location, tags=tags))
        except MlflowException as error:
            found = client.get_experiment_by_name(name)  # another process was faster
            if found is None:
                raise error from None
    if found.name != name:  # MLflow's client takes an empty answer for an experiment without a name
        raise no_mlflow(None, f"asked for the experiment {name}, it answers with {found.name!r}")
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def standard_tags(region: Region, command: str) -> dict[str, str]:
    """Tags of every run; `dataset` names the sources, a step that knows the window says more."""
    return {
        "owner": owner(),
        "dataset": f"{region.name}/{region.power.source}",
        "horizon": ",".join(map(str, region.steps_minutes)),
        "region": region.name,
        "git_sha": git_sha(),
        "command": command,
        "package_version": power_nowcast.__version__,
    }


@cache
def git_sha() -> str:
    """Commit of the code that runs, with "-dirty" where files differ from it; "unknown" outside a repository."""
    source = Path(power_nowcast.__file__).parent
    # Code in an environment inside some other repository is not of that repository's commit.
    if _git(source, "ls-files", "--error-unmatch", "__init__.py") is None:
        return "unknown"
    head, changed = _git(source, "rev-parse", "HEAD"), _git(source, "status", "--porcelain", "--untracked-files=no")
    return "unknown" if head is None else head + ("-dirty" if changed else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def as_params(values: Mapping[str, Any]) -> dict[str, str]:
    """The params of a run that log a configuration: text by name, with nested mappings as `outer.inner`."""
    return {sanitised(key): str(value)[:PARAM_LENGTH] for key, value in _flat(values)}


def sanitised(name: str) -> str:
    """A name that MLflow accepts for metrics and params: as a path it has no part that is empty or leads elsewhere."""
    parts = re.sub(r"[^\w./: -]", "_", name)[:250].split("/")
    return "/".join(part for part in parts if part.strip(". ")).strip("/ .")


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
