"""The main job as a whole: every step in order, and nothing of it again where its result is there."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from power_nowcast import mlflow_client, pipeline
from power_nowcast.contracts import Table
from power_nowcast.errors import NowcastError, PromotionRefusedError
from power_nowcast.evaluate.terminal import Fan
from power_nowcast.features.panel import window
from power_nowcast.live.nowcaster import Nowcaster, calibration_in_force
from power_nowcast.mlflow_client import Version
from power_nowcast.models.bundle import Bundle
from power_nowcast.models.kinds import model_class
from power_nowcast.pipeline import Evaluation, Job, Plan
from power_nowcast.recipe import recipe
from power_nowcast.store.ingest import write_all

FAN_HOURS = 4


@dataclass(frozen=True)
class Outcome:
    """What the main job left: the version in production and, where it was made this time, its evaluation."""

    production: Version
    evaluation: Evaluation | None
    refused: str = ""


def run(job: Job, plan: Plan, models: dict[str, dict[str, Any]]) -> Outcome:
    """Ingest, build features, train, evaluate and promote; `models` holds the options of each kind to
    train; one whose packages are not installed is left out.
    """
    report = write_all(
        job.store, job.region, place=job.data, progress=lambda batch, _: job.progress(f"ingest: {batch.origin}")
    )
    job.progress(f"ingest: {report}")
    models = _trainable(job, models)
    wanted = _recipe(job, plan, models)
    production = mlflow_client.by_alias(job.region, mlflow_client.PRODUCTION)
    if production is not None and _done(job) == wanted:
        job.progress("Nothing to do: the data, the code and the configuration are those of the last run.")
        return Outcome(production, None)
    pipeline.make_features(job, plan)
    for kind, options in models.items():
        pipeline.train(job, kind, **options)
    candidate = pipeline.best(job)
    evaluation = pipeline.evaluate(job, candidate)
    refused = ""
    try:
        production = pipeline.promote(
            job, candidate.version, person=job.settings.owner, reason="main job: best model on validation data"
        ).production
    except PromotionRefusedError as error:
        if production is None:
            raise
        refused = error.message
    _state(job).write_text(json.dumps({"recipe": wanted, "finished_at": datetime.now(UTC).isoformat()}))
    return Outcome(production, evaluation, refused)


def fan(job: Job, bundle: Bundle, series: str | None = None) -> Fan | None:
    """The nowcast of the newest moment, for the terminal; None where the data do not carry one."""
    last = job.store.last(Table.POWER, job.region.name)
    if last is None:
        return None
    panel = window(job.store, job.region, last)
    name = series or job.region.series[0]
    try:
        answer = Nowcaster(bundle, calibration_in_force(job.store, bundle, last)).nowcast(panel, panel.end)
    except NowcastError:
        return None
    slots = FAN_HOURS * 60 // panel.step_minutes
    row = answer.series.index(name)
    return Fan(
        region=job.region,
        series=name,
        times=panel.times[-slots:],
        actual=panel.power.values[-slots:, panel.series.index(name)],
        issue_time=answer.issue_time,
        steps_minutes=answer.steps_minutes,
        values=answer.values[row],
        quantiles=answer.quantiles,
    )


def _trainable(job: Job, models: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those whose packages are installed; the others are named."""
    lacking = {kind: missing for kind in models if (missing := model_class(kind).missing())}
    for kind, missing in lacking.items():
        job.progress(
            f"train: {kind} is left out: {', '.join(missing)} not installed. "
            "It comes with: pip install 'power-nowcast[neural]'."
        )
    return {kind: options for kind, options in models.items() if kind not in lacking}


def _recipe(job: Job, plan: Plan, models: dict[str, dict[str, Any]]) -> str:
    return recipe(job.manifests(), job.region, [asdict(plan), models])


def _state(job: Job) -> Path:
    job.artifacts.mkdir(parents=True, exist_ok=True)
    return job.artifacts / "main_job.json"


def _done(job: Job) -> str | None:
    try:
        return str(json.loads(_state(job).read_text())["recipe"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
