"""Train a model on the feature tables and register it; read the trained models."""

import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from power_nowcast import mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.files import verify
from power_nowcast.bundle.train import VALID_LOSS, Origin, train_bundle
from power_nowcast.contracts import Manifest
from power_nowcast.errors import ConfigurationError, ModelError
from power_nowcast.evaluate.scorecard import figures
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs import commands, surroundings
from power_nowcast.jobs.features import pinned, read_examples, read_manifest
from power_nowcast.jobs.held_out import PART, scores
from power_nowcast.jobs.job import Job
from power_nowcast.jobs.surroundings import Surroundings
from power_nowcast.mlflow_client import Version
from power_nowcast.models.base import FitReport, Model
from power_nowcast.models.kinds import ALIASES, BASELINES, create, model_class
from power_nowcast.models.search_spaces import check_options, with_defaults
from power_nowcast.regions import Region
from power_nowcast.report.words import shown_horizons

CURVE_ROWS = 10
"""Points of each curve in the table: a model has up to a hundred curves, and MLflow's page shows 500 rows."""


def train(job: Job, kind: str, **options: Any) -> tuple[Bundle, Version]:
    """Train one kind of model on the feature tables, write it to `artifacts`, and register it.

    Options that are not given, or None, are those of `models.search_spaces.DEFAULTS`.
    """
    model_class(kind)  # raises for an unknown kind, before anything is read
    manifest = read_manifest(job)
    spec = FeatureSpec.from_json(manifest["spec"])
    learn, held_out = read_examples(job, manifest, "train", "valid")
    model = untrained(job.region, manifest, kind, options)
    model.checkpoints = job.artifacts / "checkpoints" / model.kind
    origin = Origin(mlflow_client.git_sha(), data_digest(manifest))
    given = {name: value for name, value in options.items() if value is not None}
    again = commands.train(job, model.kind, given, manifest)
    with mlflow_client.run(job.region, f"train {model.kind}", tags={mlflow_client.RUN_AGAIN: again}) as run:
        if given:
            run.json(commands.PARAMS, {"kind": model.kind, "params": given})
        run.params(settings_of(model, manifest))
        run.json(surroundings.NAME, asdict(Surroundings.here()))
        run.manifests([Manifest(**one) for one in manifest["inputs"]])
        run.json("features.json", manifest)
        job.progress(f"train: {model.kind}")
        begun = time.monotonic()
        bundle, report = train_bundle(
            job.region, spec, model, learn, held_out, origin=origin, executor=job.executor(), progress=job.progress
        )
        folder = job.artifacts / model.kind
        bundle.save(folder)
        run.tags({mlflow_client.DIGEST: bundle.digest})
        seconds = time.monotonic() - begun
        job.progress(f"train: {model.kind}: scored on the test part")
        table = scores(pinned(job.store, manifest), bundle, manifest)
        metrics = metrics_of(report, bundle, table)
        _log_scores(run, bundle, table, manifest)
        run.metrics(metrics | {"seconds": seconds})
        _log_training(run, report, bundle.model, shown_horizons(job.region.steps_minutes)[-1])
        version = mlflow_client.register(
            bundle,
            folder,
            run_id=run.id,
            metrics=metrics,
            tags={"kind": model.kind},
            progress=lambda text: job.progress(f"train: {model.kind}: {text}"),
        )
    shutil.rmtree(model.checkpoints, ignore_errors=True)
    job.progress(f"train: {model.kind} registered as {version.name} version {version.version}")
    return bundle, version


def untrained(region: Region, manifest: Mapping[str, Any], kind: str, options: Mapping[str, Any]) -> Model:
    """The model that a training with these options begins with."""
    knots = FeatureSpec.from_json(manifest["spec"]).knots
    return create(kind, region.series, knots, **with_defaults(kind, options))


def settings_of(model: Model, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a training beside its data: the params of its run."""
    told = {"spec": FeatureSpec.from_json(manifest["spec"]).to_json(), "every_minutes": manifest["every_minutes"]}
    return {**model.params, **told, **manifest["split"]}


def data_digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 over the digests of the tables that a manifest of features names."""
    return hashlib.sha256("".join(one["sha256"] for one in manifest["inputs"]).encode()).hexdigest()


def metrics_of(report: FitReport, bundle: Bundle, table: pl.DataFrame | None) -> dict[str, float]:
    """The figures of a training by their names as metrics; `table` has those on the test part, None without any."""
    found = {} if table is None else figures(table, shown_horizons(bundle.region.steps_minutes))
    return {VALID_LOSS: report.metrics[VALID_LOSS]} | {f"{PART}/{name}": value for name, value in found.items()}


def _log_scores(
    run: mlflow_client.Run, bundle: Bundle, table: pl.DataFrame | None, manifest: Mapping[str, Any]
) -> None:
    """Log the figures on the test part as a table, and say what they are of."""
    if table is None:
        return
    split, name = manifest["split"], f"{PART}/by_series.csv"
    tested = _days(split["test_start"], split["test_end"])
    run.note(
        f"**{bundle.model.kind}**, trained on {_days(bundle.info.train_start, bundle.info.train_end)}. "
        f"Figures `{PART}/` are of {bundle.model.series[0]} on {tested}, which no training saw. "
        f"The table `{name}` has every series."
    )
    run.table(name, table)


def _days(first: str, last: str) -> str:
    """A period of ISO times, in words by its UTC days."""
    begin, end = (datetime.fromisoformat(time) for time in (first, last))
    return f"{begin:%d %b %Y} to {end:%d %b %Y}"


def _log_training(run: mlflow_client.Run, report: FitReport, model: Model, horizon: int) -> None:
    """Log one learning curve as metrics, and the rest of the report as tables."""
    run.curves(main_curves(report.curves, model.series[0], horizon))
    details = [{"name": name, "value": float(value)} for name, value in report.metrics.items()]
    run.table("training/details.csv", pl.DataFrame(details))
    if report.curves:
        run.table("training/curves.csv", pl.concat([thinned(name, losses) for name, losses in report.curves.items()]))
    if share := model.importance():
        run.table("importance.csv", pl.DataFrame({"feature": list(share), "share": list(share.values())}))


def main_curves(curves: Mapping[str, Sequence[float]], series: str, horizon: int) -> dict[str, list[float]]:
    """The loss on train and valid by round or epoch that stands for a model: `learning/train` and `learning/valid`.

    It is the curve of this series at this horizon, or the first one of a model that learns all of them jointly.
    """
    own = [name for name in curves if f"{series}/{horizon}min/" in name] or list(curves)
    found: dict[str, list[float]] = {}
    for name in own:
        part = name.rsplit("/", 1)[-1]
        if part in ("train", "valid"):
            found.setdefault(f"learning/{part}", list(curves[name]))
    return found


def thinned(name: str, losses: Sequence[float]) -> pl.DataFrame:
    """About `CURVE_ROWS` points of a learning curve with the first and the last one: columns curve, round, loss."""
    rounds = np.unique(np.linspace(1, len(losses), min(CURVE_ROWS, len(losses))).round().astype(int))
    values = [float(losses[n - 1]) for n in rounds]
    return pl.DataFrame(
        {"curve": [name] * len(rounds), "round": rounds, "loss": values},
        schema={"curve": pl.String, "round": pl.Int64, "loss": pl.Float64},
    )


def trained(job: Job) -> dict[str, str]:
    """The digests of the bundles in `artifacts`, by kind. Their files are verified, not opened.

    Raises:
        ModelError: there is none.
    """
    folders = sorted(path.parent for path in job.artifacts.glob("*/model.json"))
    if not folders:
        raise ModelError(
            f"{job.artifacts.absolute()} has no trained model of {job.region.name}.",
            remedy="Train one: nowcast train; or name a registered one: nowcast evaluate --version N.",
            region=job.region.name,
        )
    return {folder.name: str(verify(folder)[0]["digest"]) for folder in folders}


def baselines(job: Job, manifest: dict[str, Any]) -> dict[str, Bundle]:
    """The baselines for comparison, fitted on the same tables."""
    spec = FeatureSpec.from_json(manifest["spec"])
    learn, held_out = read_examples(job, manifest, "train", "valid")
    return {
        kind.replace("_", " "): train_bundle(
            job.region, spec, model_class(kind)(job.region.series, spec.knots), learn, held_out, is_served=False
        )[0]
        for kind in BASELINES
    }


def best(job: Job) -> Version:
    """The trained model with the smallest loss on validation data. It becomes the candidate."""
    digests = set(trained(job).values())
    known = [one for one in mlflow_client.versions(job.region) if one.digest in digests and VALID_LOSS in one.metrics]
    if not known:
        raise ModelError(
            f"No trained model of {job.region.name} is registered.",
            remedy="Train one: nowcast train.",
            region=job.region.name,
        )
    chosen = min(known, key=lambda one: one.metrics[VALID_LOSS])
    mlflow_client.set_alias(job.region, chosen.version, mlflow_client.CANDIDATE)
    return chosen


def registered(job: Job, version: str) -> tuple[Bundle, Version]:
    """The bundle of a version or alias, and its entry in the registry.

    Raises:
        RegistryError: there is none.
    """
    folder, found = mlflow_client.download(job.region, version, job.artifacts / "versions")
    return Bundle.load(folder, found.digest), found


def read_params(file: Path, kind: str) -> dict[str, Any]:
    """The options in a file that `tune` wrote, or in a similar file: {"kind": "lightgbm", "params": {...}}.

    Raises:
        ConfigurationError: the file has another format, or options of another kind.
    """
    try:
        found = json.loads(file.read_text())
        own, params = str(found["kind"]), dict(found["params"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{file} is not a file of parameters: {type(error).__name__}.",
            remedy='Name one that nowcast tune wrote, or write {"kind": "lightgbm", "params": {"num_leaves": 31}}.',
            path=str(file),
        ) from error
    if own != ALIASES.get(kind, kind):
        raise ConfigurationError(
            f"{file} holds parameters of {own}, not of {kind}.", remedy=f"Train with --model {own}.", path=str(file)
        )
    check_options(own, create(own, (), ()).configuration, params)
    return params
