"""What runs recorded, and the version of the model that a run trained."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from power_nowcast.errors import RegistryError
from power_nowcast.mlflow_client.connection import connect, is_new, place, translated
from power_nowcast.mlflow_client.registry import Version, as_version
from power_nowcast.mlflow_client.runs import DIGEST, EXPERIMENT
from power_nowcast.regions import Region


@dataclass(frozen=True)
class Recorded:
    """A run: when it began (UTC), its tags, its params, and the last value of each metric."""

    id: str
    began: datetime
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]

    def json(self, name: str) -> Any:
        """The content of the JSON artifact `name`, None if the run has no such artifact."""
        client = connect()
        folder = str(Path(name).parent) if Path(name).parent != Path() else None
        with translated(), TemporaryDirectory() as work:
            if name not in {one.path for one in client.list_artifacts(self.id, folder)}:
                return None
            return json.loads(Path(client.download_artifacts(self.id, name, work)).read_text())

    def fetch(self, name: str, folder: Path) -> Path | None:
        """The artifact `name`, a file or a folder, copied into the existing `folder`; None if the run has none."""
        client = connect()
        above = str(Path(name).parent) if Path(name).parent != Path() else None
        with translated():
            if name not in {one.path for one in client.list_artifacts(self.id, above)}:
                return None
            return Path(client.download_artifacts(self.id, name, str(folder)))


def recorded(run_id: str) -> Recorded:
    """A run by its id.

    Raises:
        RegistryError: there is no such run. RegistryUnavailableError: MLflow does not answer.
    """
    if is_new():
        raise _no_run(run_id)
    client = connect()
    try:
        with translated():
            found = client.get_run(run_id)
    except RegistryError as error:
        if error.fields.get("code") in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise _no_run(run_id) from error
        raise
    return _as_recorded(found)


def trainings(region: Region) -> list[Recorded]:
    """The region's finished runs that trained a model, newest first.

    Raises:
        RegistryUnavailableError: MLflow does not answer.
    """
    return [run for run in _finished(region) if DIGEST in run.tags]


def newest(region: Region, command: str) -> Recorded | None:
    """The region's newest finished run of a command, None if there is none.

    Raises:
        RegistryUnavailableError: MLflow does not answer.
    """
    return next((run for run in _finished(region) if run.tags.get("command") == command), None)


def _finished(region: Region) -> list[Recorded]:
    """The finished runs of the region's experiment, newest first."""
    if is_new():
        return []
    client, found, token = connect(), list[Any](), None
    with translated():
        experiment = client.get_experiment_by_name(f"{EXPERIMENT}/{region.name}")
        while experiment is not None:
            page = client.search_runs(
                [experiment.experiment_id],
                "attributes.status = 'FINISHED'",
                order_by=["attributes.start_time DESC"],
                page_token=token,
            )
            found += page
            token = page.token
            if not token:
                break
    return [_as_recorded(one) for one in found]


def _as_recorded(found: Any) -> Recorded:
    data, began = found.data, datetime.fromtimestamp(found.info.start_time / 1000, UTC)
    return Recorded(found.info.run_id, began, dict(data.tags), dict(data.params), dict(data.metrics))


def version_trained_by(run: Recorded) -> Version:
    """The registered version of the model that a run trained.

    Raises:
        RegistryError: there is none: the run trained no model, or its version was deleted.
    """
    digest = run.tags.get(DIGEST)
    client = connect()
    with translated():
        found = client.search_model_versions(f"tags.digest = '{digest}'" if digest else f"run_id = '{run.id}'")
    if not found:
        raise RegistryError(
            f"The run {run.id} has no registered model: it is a run of `{run.tags.get('command', 'another program')}`.",
            remedy="Name a run of `nowcast train`: MLflow's page shows it with each version.",
            run=run.id,
        )
    return as_version(found[0])


def _no_run(run_id: str) -> RegistryError:
    return RegistryError(
        f"There is no run {run_id!r} in {place()}.",
        remedy="MLflow's page shows the run of each version; MLFLOW_TRACKING_URI says where to look.",
        run=run_id,
    )
