"""Put a version into production if the promotion rule allows it; or go back to the version before."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import polars as pl

from power_nowcast import mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.calibration_state import pack
from power_nowcast.contracts import Panel, Table, Times
from power_nowcast.errors import MissingDataError
from power_nowcast.evaluate import backtest as backtests
from power_nowcast.evaluate.promotion import LIMITS, RULE, Decision, decide
from power_nowcast.features.panel import WINDOW, history
from power_nowcast.jobs.features import read_manifest
from power_nowcast.jobs.job import EVERY_MINUTES, Job
from power_nowcast.jobs.train import baselines, registered
from power_nowcast.mlflow_client import Version
from power_nowcast.store.events import NO_REASON, tell_promotion


@dataclass(frozen=True)
class Promotion:
    """The result of `promote`: the decision, and the version that is in production now."""

    decision: Decision
    production: Version


def promote(job: Job, version: str, *, person: str, reason: str) -> Promotion:
    """Compare a version (number or alias) with production, out of sample for both; promote it if the rule allows it.

    Raises:
        PromotionRefusedError: the rule refuses it; the error has the reasons.
        MissingDataError: there is no data after the training of both models.
    """
    region = job.region
    challenger, chosen = registered(job, version)
    current = mlflow_client.by_alias(region, mlflow_client.PRODUCTION)
    if current is not None and current.digest == challenger.digest:
        return Promotion(Decision(True, ("It is in production already.",)), current)
    incumbent = registered(job, current.version)[0] if current is not None else None
    manifest = read_manifest(job)
    models = {"challenger": challenger} | ({"incumbent": incumbent} if incumbent else {})
    first = max(np.datetime64(one.info.train_end.removesuffix("Z"), "m") for one in models.values())
    issues, panel = _held_out(job, first, manifest["every_minutes"])
    job.progress(f"promote: version {chosen.version} on {len(issues):,} issue times from {first} UTC")
    job.progress(f"promote: {RULE}")
    replays = {name: one.replay(panel, issues) for name, one in models.items()}
    nowcasts = replays["challenger"][0]
    decision = decide(
        challenger=nowcasts,
        incumbent=replays["incumbent"][0] if incumbent else None,
        baselines={name: one.replay(panel, issues)[0] for name, one in baselines(job, manifest).items()},
        actual=backtests.truth(panel, region, nowcasts.issue_times, nowcasts.steps_minutes),
        at_issue=backtests.truth(panel, region, nowcasts.issue_times, (0,), nights=True)[..., 0],
    )
    with mlflow_client.run(region, "promote", tags=_tags(chosen, current, person, reason)) as run:
        _log_decision(run, decision, chosen, current, nowcasts.series)
    mlflow_client.set_alias(region, chosen.version, mlflow_client.STAGING)
    if decision.promoted:  # before the alias moves: a service that takes the version goes on from this state
        keep_calibration(job, challenger, replays["challenger"][1])
    production = mlflow_client.promote(region, chosen.version, decision=decision, person=person, reason=reason)
    tell_promotion(job.store, region.name, production.version, "is in production", person=person, reason=reason)
    return Promotion(decision, production)


def rollback(job: Job, *, person: str, reason: str) -> Version:
    """Put the previous version back into production, and rebuild its calibration by replay up to the newest data.

    Services hear of it before the replay: they hold the version in memory and have followed its calibration.
    """
    before = mlflow_client.by_alias(job.region, mlflow_client.PRODUCTION)
    version = mlflow_client.rollback(job.region, person=person, reason=reason)
    name, what = job.region.name, "is in production again"
    tell_promotion(job.store, name, version.version, what, person=person, reason=reason)
    with mlflow_client.run(job.region, "rollback", tags=_tags(version, before, person, reason)) as run:
        run.note(f"**Rolled back to version {version.version}** by {person}: {reason or NO_REASON}.")
    bundle, _ = registered(job, version.version)
    issues, panel = _held_out(job, np.datetime64(bundle.info.train_end.removesuffix("Z"), "m"), EVERY_MINUTES)
    keep_calibration(job, bundle, bundle.replay(panel, issues)[1])
    return version


def _tags(to: Version, current: Version | None, person: str, reason: str) -> dict[str, str]:
    """Tags of the run of a promotion or rollback to a version."""
    return {
        "to_version": to.version,
        "from_version": "none" if current is None else current.version,
        "person": person,
        "reason": reason or NO_REASON,
        "model_digest": to.digest,
    }


def _log_decision(
    run: mlflow_client.Run, decision: Decision, chosen: Version, current: Version | None, series: tuple[str, ...]
) -> None:
    """Log the rule, the figures and the decision."""
    run.params({"rule": LIMITS, "challenger": chosen.uri, "incumbent": "none" if current is None else current.uri})
    run.tags({"decision": "promoted" if decision.promoted else "refused"})
    of_one = {f"difference {name}" for name in series}
    few = {n: v for n, v in decision.figures.items() if n not in of_one and not n.startswith("coverage 80 % at ")}
    run.metrics(few, part="decision")
    figures = {"figure": list(decision.figures), "value": list(decision.figures.values())}
    run.table("decision/figures.csv", pl.DataFrame(figures, schema={"figure": pl.String, "value": pl.Float64}))
    instead = "nothing" if current is None else f"version {current.version} ({current.kind})"
    what = "promoted" if decision.promoted else "refused"
    reasons = "\n".join(f"- {sentence}" for sentence in decision.reasons)
    run.note(f"**Version {chosen.version} ({chosen.kind}) {what}**, in place of {instead}.\n\n{reasons}")


def keep_calibration(job: Job, bundle: Bundle, calibration: Calibration) -> None:
    """Append the current state of online calibration to the version's records."""
    as_of = calibration.as_of.item().replace(tzinfo=UTC)
    state = pack(calibration)
    job.store.write_calibration(job.region.name, bundle.digest, calibration.id, as_of, state, now=datetime.now(UTC))


def _held_out(job: Job, first: np.datetime64, every_minutes: int) -> tuple[Times, Panel]:
    """Issue times from `first` to the newest data, and the panel that they need."""
    last = job.store.last(Table.POWER, job.region.name)
    end = np.datetime64(last.replace(tzinfo=None), "m") if last else first
    issues = np.arange(first, end, np.timedelta64(every_minutes, "m"))
    if last is None or not len(issues):
        raise MissingDataError(
            f"There is no data of {job.region.name} after {first} UTC, when training ended.",
            remedy="Ingest newer data, or hold out a test period: nowcast features --test-days.",
            region=job.region.name,
        )
    return issues, history(job.store, job.region, first.item().replace(tzinfo=UTC) - WINDOW, last)
