"""The main job, step by step: ingest, features, train, evaluate, promote. Reads as the line that the data follow."""

import hashlib
import json
import shutil
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from power_nowcast import mlflow_client
from power_nowcast.contracts import Manifest, Panel, Progress, Table, Times
from power_nowcast.errors import MissingDataError, ModelError
from power_nowcast.evaluate import backtest as backtests
from power_nowcast.evaluate import operator_forecast
from power_nowcast.evaluate.explanation import explanation
from power_nowcast.evaluate.promotion import Decision, decide
from power_nowcast.evaluate.report import Provenance, write_evaluation
from power_nowcast.evaluate.scorecard import Scorecard, scorecard
from power_nowcast.features.panel import WINDOW, history
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.mlflow_client import Version
from power_nowcast.models.base import Examples
from power_nowcast.models.bundle import Bundle
from power_nowcast.models.calibration import Calibration
from power_nowcast.models.dataset import Split, from_frame, to_frame
from power_nowcast.models.kinds import BASELINES, create, model_class
from power_nowcast.models.training import VALID_LOSS, Origin, examples, train_bundle
from power_nowcast.regions import Region
from power_nowcast.settings import Settings
from power_nowcast.store import Store

EVERY_MINUTES = 15
"""Spacing of issue times in the feature tables and in backtests."""


@dataclass(frozen=True)
class Plan:
    """What the main job is asked for: `None` leaves a model's own default."""

    spec: FeatureSpec
    every_minutes: int = EVERY_MINUTES
    days: int | None = None
    valid_days: int = 30
    test_days: int = 30


@dataclass(frozen=True)
class Job:
    """Where the steps work: region, tables, folders, and who is told; `data` is where the sources' files are."""

    region: Region
    store: Store
    settings: Settings
    progress: Progress = lambda _: None
    executor: Callable[[], Executor | None] = lambda: None
    data: Path | None = None

    @property
    def artifacts(self) -> Path:
        return self.settings.artifacts / self.region.name

    @property
    def reports(self) -> Path:
        return self.settings.reports / self.region.name

    def table(self, part: str) -> str:
        return f"{self.region.name}-{part}"

    @property
    def features_file(self) -> Path:
        return self.artifacts / "features.json"

    def panel(self, *, days: int | None = None) -> Panel:
        """All that the store knows of the region, or of its last days.

        Raises:
            MissingDataError: there is none.
        """
        first, last = self.store.span(Table.POWER, self.region.name)
        if first is None or last is None:
            raise MissingDataError(
                f"The store holds no power of {self.region.name}.",
                remedy="Ingest it first: nowcast ingest.",
                region=self.region.name,
            )
        if days is not None:
            first = max(first, last - timedelta(days=days))
        return history(self.store, self.region, first, last)

    def manifests(self) -> list[Manifest]:
        """What the region's tables hold."""
        return [self.store.manifest(table, self.region.name) for table in Table]


def make_features(job: Job, plan: Plan) -> dict[str, Any]:
    """Build train, valid and test, keep them as versioned tables, and return (and log) their manifest."""
    with mlflow_client.run(job.region, "features") as run:
        panel = job.panel(days=plan.days)
        split = Split.of(panel, plan.spec, valid_days=plan.valid_days, test_days=plan.test_days)
        job.progress(f"features: {job.region.title}, issue times every {plan.every_minutes} minutes")
        known = examples(panel, job.region, split.issue_times(plan.every_minutes), plan.spec)
        inputs = job.manifests()
        job.store.keep(job.region.name, inputs, now=datetime.now(UTC))
        manifest: dict[str, Any] = {
            "region": job.region.name,
            "spec": plan.spec.to_json(),
            "every_minutes": plan.every_minutes,
            "split": {name: f"{time}Z" for name, time in asdict(split).items()},
            "inputs": [asdict(one) for one in inputs],
            "tables": {},
        }
        for part, chosen in split.parts(known, max(plan.spec.knots)).items():
            frame = to_frame(chosen, plan.spec.knots)
            version = job.store.write_features(job.table(part), frame)
            manifest["tables"][part] = _table_manifest(frame, version)
            job.progress(f"features: {part} {len(frame):,} rows, {len(frame.columns)} columns")
        job.features_file.parent.mkdir(parents=True, exist_ok=True)
        job.features_file.write_text(json.dumps(manifest, indent=1))
        run.params({"spec": plan.spec.to_json(), "every_minutes": plan.every_minutes, **manifest["split"]})
        run.manifests(inputs)
        run.json("features.json", manifest)
    return manifest


def _table_manifest(frame: pl.DataFrame, version: int) -> dict[str, Any]:
    first, last = frame.select(first=pl.col("issue_time").min(), last=pl.col("issue_time").max()).row(0)
    numbers = frame.select(pl.selectors.numeric())
    low, high = numbers.fill_nan(None).min().row(0), numbers.fill_nan(None).max().row(0)
    return {
        "version": version,
        "rows": len(frame),
        "first": first.isoformat(),
        "last": last.isoformat(),
        "sha256": hashlib.sha256(frame.hash_rows(seed=1).to_numpy().tobytes()).hexdigest(),
        "columns": {name: str(kind) for name, kind in frame.schema.items()},
        "ranges": {name: [a, b] for name, a, b in zip(numbers.columns, low, high, strict=True)},
    }


def read_manifest(job: Job) -> dict[str, Any]:
    """The manifest that `make_features` left.

    Raises:
        MissingDataError: there is none.
    """
    try:
        manifest: dict[str, Any] = json.loads(job.features_file.read_text())
    except OSError as error:
        raise MissingDataError(
            f"There are no features of {job.region.name}.",
            remedy="Make them first: nowcast features.",
            region=job.region.name,
        ) from error
    return manifest


def read_examples(job: Job, manifest: dict[str, Any], *parts: str) -> list[Examples]:
    """The feature tables of these parts, in the versions that the manifest names."""
    knots = FeatureSpec.from_json(manifest["spec"]).knots
    return [
        from_frame(
            job.store.read_features(job.table(part), version=manifest["tables"][part]["version"]),
            job.region.series,
            knots,
        )
        for part in parts
    ]


def train(job: Job, kind: str, **options: Any) -> tuple[Bundle, Version]:
    """Train one kind of model on the feature tables, keep it in `artifacts`, and register it."""
    manifest = read_manifest(job)
    spec = FeatureSpec.from_json(manifest["spec"])
    learn, held_out = read_examples(job, manifest, "train", "valid")
    model = create(kind, job.region.series, spec.knots, **options)
    model.checkpoints = job.artifacts / "checkpoints" / model.kind
    digest = hashlib.sha256("".join(one["sha256"] for one in manifest["inputs"]).encode()).hexdigest()
    origin = Origin(mlflow_client.git_sha(), digest)
    with mlflow_client.run(job.region, f"train {model.kind}") as run:
        run.params(
            model.params | {"spec": spec.to_json(), "every_minutes": manifest["every_minutes"], **manifest["split"]}
        )
        run.manifests([Manifest(**one) for one in manifest["inputs"]])
        run.json("features.json", manifest)
        job.progress(f"train: {model.kind}")
        bundle, report = train_bundle(
            job.region, spec, model, learn, held_out, origin=origin, executor=job.executor(), progress=job.progress
        )
        run.metrics(report.metrics)
        run.curves(report.curves)
        if share := bundle.model.importance():
            run.json("importance.json", share)
        folder = job.artifacts / model.kind
        bundle.save(folder)
        version = mlflow_client.register(
            bundle,
            folder,
            run_id=run.id,
            metrics=report.metrics,
            tags={"kind": model.kind},
            progress=lambda text: job.progress(f"train: {model.kind}: {text}"),
        )
    shutil.rmtree(model.checkpoints, ignore_errors=True)
    job.progress(f"train: {model.kind} registered as {version.name} version {version.version}")
    return bundle, version


def trained(job: Job) -> dict[str, Bundle]:
    """The bundles in `artifacts`, by kind.

    Raises:
        ModelError: there is none.
    """
    folders = sorted(path.parent for path in job.artifacts.glob("*/model.json"))
    if not folders:
        raise ModelError(f"No model of {job.region.name} is trained yet.", remedy="Train one: nowcast train.")
    return {folder.name: Bundle.load(folder) for folder in folders}


def baselines(job: Job, manifest: dict[str, Any]) -> dict[str, Bundle]:
    """What models are compared with, fitted on the same tables."""
    spec = FeatureSpec.from_json(manifest["spec"])
    learn, held_out = read_examples(job, manifest, "train", "valid")
    return {
        kind.replace("_", " "): train_bundle(
            job.region, spec, model_class(kind)(job.region.series, spec.knots), learn, held_out
        )[0]
        for kind in BASELINES
    }


@dataclass(frozen=True)
class Evaluation:
    """A model on the test period: the scorecard, the backtest behind it, and where the report is."""

    card: Scorecard
    backtest: backtests.Backtest
    report: Path


def evaluate(job: Job, version: Version) -> Evaluation:
    """Backtest a version on the test period beside the baselines; write report, plots and predictions."""
    manifest = read_manifest(job)
    bundle, _ = _registered(job, version.version)
    kind = version.kind
    job.progress(f"evaluate: {kind}, version {version.version}")
    result = _backtest(job, bundle, manifest)
    card = scorecard(result)
    folder = job.reports / kind
    explained = explanation(bundle, read_examples(job, manifest, "test")[0])
    provenance = Provenance(
        identity={
            "Model": f"{version.name} version {version.version} ({kind})",
            "Digest": bundle.digest[:16],
            "Trained": f"{bundle.info.train_start} to {bundle.info.train_end}",
            "Calibration": bundle.calibration.id,
            "Git": bundle.info.git_sha,
        },
        manifests=[Manifest(**one) for one in manifest["inputs"]],
    )
    report = write_evaluation(folder, result, card, now=datetime.now(UTC), explanation=explained, provenance=provenance)
    with mlflow_client.run(job.region, f"evaluate {kind}", run_id=version.run_id) as run:
        run.metrics(card.metrics())
        run.folder(folder, "evaluation")
    return Evaluation(card, result, report)


def _backtest(job: Job, bundle: Bundle, manifest: dict[str, Any]) -> backtests.Backtest:
    first, last = (np.datetime64(manifest["split"][name].removesuffix("Z"), "m") for name in ("test_start", "test_end"))
    issues = np.arange(first, last, np.timedelta64(manifest["every_minutes"], "m"))
    panel = history(job.store, job.region, first.item().replace(tzinfo=UTC) - WINDOW, last.item().replace(tzinfo=UTC))
    others: dict[str, backtests.Forecaster] = dict(baselines(job, manifest))
    if np.isfinite(panel.forecast.values).any():
        others[operator_forecast.NAME] = operator_forecast.OperatorForecast(job.region)
    return backtests.run(bundle, others, panel, job.region, issues)


def best(job: Job) -> Version:
    """The trained model with the smallest loss on validation data, which becomes the candidate."""
    digests = {bundle.digest for bundle in trained(job).values()}
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


@dataclass(frozen=True)
class Promotion:
    """What `promote` did: the decision, and the version that is in production now."""

    decision: Decision
    production: Version


def promote(job: Job, version: str, *, person: str, reason: str) -> Promotion:
    """Compare a version (number or alias) with production on time that neither was trained on; promote it if it may.

    Raises:
        PromotionRefusedError: the figures are against it; the error carries the reasons.
        MissingDataError: there is no data after both models' training.
    """
    region = job.region
    challenger, chosen = _registered(job, version)
    current = mlflow_client.by_alias(region, mlflow_client.PRODUCTION)
    if current is not None and current.digest == challenger.digest:
        return Promotion(Decision(True, ("It is in production already.",)), current)
    incumbent = _registered(job, current.version)[0] if current is not None else None
    manifest = read_manifest(job)
    models = {"challenger": challenger} | ({"incumbent": incumbent} if incumbent else {})
    first = max(np.datetime64(one.info.train_end.removesuffix("Z"), "m") for one in models.values())
    issues, panel = _held_out(job, first, manifest["every_minutes"])
    job.progress(f"promote: version {chosen.version} on {len(issues):,} issue times from {first} UTC")
    replays = {name: one.replay(panel, issues) for name, one in models.items()}
    nowcasts = replays["challenger"][0]
    decision = decide(
        region,
        challenger=nowcasts,
        incumbent=replays["incumbent"][0] if incumbent else None,
        baselines={name: one.replay(panel, issues)[0] for name, one in baselines(job, manifest).items()},
        actual=backtests.truth(panel, region, nowcasts.issue_times, nowcasts.steps_minutes),
        at_issue=backtests.truth(panel, region, nowcasts.issue_times, (0,), nights=True)[..., 0],
    )
    mlflow_client.set_alias(region, chosen.version, mlflow_client.STAGING)
    production = mlflow_client.promote(region, chosen.version, decision=decision, person=person, reason=reason)
    keep_calibration(job, challenger, replays["challenger"][1])
    return Promotion(decision, production)


def rollback(job: Job, *, person: str, reason: str) -> Version:
    """Put the version before back into production, its calibration rebuilt by replay up to the newest data."""
    version = mlflow_client.rollback(job.region, person=person, reason=reason)
    bundle, _ = _registered(job, version.version)
    issues, panel = _held_out(job, np.datetime64(bundle.info.train_end.removesuffix("Z"), "m"), EVERY_MINUTES)
    keep_calibration(job, bundle, bundle.replay(panel, issues)[1])
    return version


def keep_calibration(job: Job, bundle: Bundle, calibration: Calibration) -> None:
    """Append the state that online calibration has reached to the version's records."""
    as_of = calibration.as_of.item().replace(tzinfo=UTC)
    state = json.dumps(calibration.to_json())
    job.store.write_calibration(job.region.name, bundle.digest, calibration.id, as_of, state, now=datetime.now(UTC))


def _registered(job: Job, version: str) -> tuple[Bundle, Version]:
    folder, found = mlflow_client.download(job.region, version, job.artifacts / "versions")
    return Bundle.load(folder, found.digest), found


def _held_out(job: Job, first: np.datetime64, every_minutes: int) -> tuple[Times, Panel]:
    """Issue times from `first` to the newest data, and the panel that they need."""
    last = job.store.last(Table.POWER, job.region.name)
    end = np.datetime64(last.replace(tzinfo=None), "m") if last else first
    issues = np.arange(first, end, np.timedelta64(every_minutes, "m"))
    if last is None or not len(issues):
        raise MissingDataError(
            f"There is no data of {job.region.name} after {first} UTC, when training ended.",
            remedy="Ingest newer data, or hold a test period back: nowcast features --test-days.",
            region=job.region.name,
        )
    return issues, history(job.store, job.region, first.item().replace(tzinfo=UTC) - WINDOW, last)
