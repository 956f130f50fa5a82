"""From examples to a bundle: fit, calibrate on hold-out time, and assemble the bundle."""

from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from power_nowcast import __version__
from power_nowcast.bundle.bundle import Bundle, Info, leads_of
from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.dependence import Dependence
from power_nowcast.bundle.ladder import Ladder
from power_nowcast.bundle.outcomes import local_hours, origin_times, outcomes_known_at, target_times
from power_nowcast.bundle.tracking import STEPS, Steps
from power_nowcast.bundle.watch import LEARNT, WatchLimits
from power_nowcast.contracts import QUANTILES, FeatureBlock, Floats, Panel, Progress, Times
from power_nowcast.errors import MissingDataError
from power_nowcast.features.build_features import build, targets
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.base import FitReport, Model
from power_nowcast.models.baselines import Persistence
from power_nowcast.models.examples import Examples
from power_nowcast.regions import Region
from power_nowcast.scoring import pinball_losses

FALLBACK_LEADS = (120, 240)
GOLDEN_ROWS = 3
VALID_LOSS = "valid_loss"
"""Metric for the choice of models: pinball loss on hold-out time in units of persistence's MAE, mean over series and
knots."""


@dataclass(frozen=True)
class Origin:
    """The origin of the training data, for the bundle's `Info`."""

    git_sha: str = "unknown"
    data_sha256: str = ""


def examples(
    panel: Panel,
    region: Region,
    issue_times: Times,
    spec: FeatureSpec,
    *,
    series: tuple[str, ...] | None = None,
    delay_minutes: int = 0,
) -> Examples:
    """Features of the issue times with their outcomes."""
    block = build(panel, region, issue_times, spec, series=series, delay_minutes=delay_minutes)
    return Examples(block, targets(panel, region, block, spec.knots))


def train_bundle(
    region: Region,
    spec: FeatureSpec,
    model: Model,
    train: Examples,
    valid: Examples,
    *,
    origin: Origin | None = None,
    is_served: bool = True,
    executor: Executor | None = None,
    progress: Progress = lambda _: None,
) -> tuple[Bundle, FitReport]:
    """Fit on `train`; stop early and calibrate on the later `valid`.

    A model that is not served, but only compared with, gets no ladder and no limits of the watch.

    Raises:
        MissingDataError: a series has no outcome to learn from.
    """
    judged = fit_and_judge(region, model, train, valid, executor=executor, progress=progress)
    ladder = watch = None
    if is_served:
        ladder = Ladder.measured(region, spec, model, judged.calibration, judged.held_out, (train, valid))
        learnt = _learnt(region, model, judged.calibration, train.block)
        watch = WatchLimits.measured(region, model.knots, judged.held_out[1], (train, valid), learnt)
    made = bundle_of(region, spec, model, judged, (train, valid), origin or Origin())
    return replace(made, ladder=ladder, watch=watch), judged.report


def _learnt(region: Region, model: Model, calibration: Calibration, block: FeatureBlock) -> NDArray[np.float64]:
    """Calibrated quantiles of the newest issue times of training in MW, shape (issue, series, knot, quantile)."""
    newest = block.take(block.issue_times > block.issue_times[-1] - LEARNT)
    hours = local_hours(target_times(newest, model.knots), region.timezone)
    return calibration.apply(model.predict(newest), hours, origin_times(newest))


@dataclass(frozen=True)
class Judged:
    """Results of a newly fitted model on hold-out time."""

    report: FitReport
    calibration: Calibration
    dependence: Dependence
    held_out: tuple[Floats, Floats]
    """Out-of-sample quantiles of the hold-out time in MW before and after calibration, each of shape (issue, series,
    knot, quantile).
    """


def bundle_of(
    region: Region, spec: FeatureSpec, model: Model, judged: Judged, parts: tuple[Examples, Examples], origin: Origin
) -> Bundle:
    """The bundle of a judged model without a ladder and limits of the watch; `parts` are training and hold-out time."""
    train, valid = parts
    last = judged.calibration.as_of
    golden = _rows(valid.block, GOLDEN_ROWS)
    info = Info(
        kind=model.kind,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        train_start=f"{train.block.issue_times[0]}Z",
        train_end=f"{last}Z",
        calibrated_until=f"{last}Z",
        git_sha=origin.git_sha,
        data_sha256=origin.data_sha256,
        package_version=__version__,
    )
    bundle = Bundle(
        region,
        spec,
        model,
        judged.calibration.at(leads_of(region, model.knots)),
        judged.dependence,
        fallback(train, model.knots),
        info,
        golden,
        np.empty(0),
        steps=steps_of(model),
    )
    return replace(bundle, golden_mw=bundle.from_features(golden).values)


def fit_and_judge(
    region: Region,
    model: Model,
    train: Examples,
    valid: Examples,
    *,
    executor: Executor | None = None,
    progress: Progress = lambda _: None,
) -> Judged:
    """Fit on `train`; stop early and calibrate on the later `valid`. The report's metrics include `VALID_LOSS`.

    Raises:
        MissingDataError: a series has no outcome to learn from.
    """
    for part, purpose, known in (("train", "train on", train), ("valid", "stop early and calibrate on", valid)):
        empty = [
            name for s, name in enumerate(model.series) if not np.isfinite(known.ramps[:, s]).any(axis=0).all(axis=-1)
        ]
        if empty:
            raise MissingDataError(
                f"There is nothing to {purpose} for {', '.join(empty[:10])}: no value is known {_span(known.block)}.",
                remedy="Check the series' gaps: nowcast data gaps. Then ingest a longer period, or train on more days.",
                series=empty,
                part=part,
            )
    report, held_out = model.fit(train, valid, executor=executor, progress=progress)
    return judge(region, model, report, held_out, valid)


def judge(region: Region, model: Model, report: FitReport, held_out: Floats, valid: Examples) -> Judged:
    """Calibrate a fitted model on hold-out time. The report's metrics get `VALID_LOSS`.

    Args:
        region: the region of the examples.
        model: the fitted model.
        report: of its training.
        held_out: its out-of-sample quantiles of `valid` in MW, shape (issue, series, knot, quantile).
        valid: the hold-out time.
    """
    last = valid.block.issue_times[-1] + np.timedelta64(max(model.knots), "m")
    calibration = Calibration.from_held_out(model.series, model.knots, held_out, valid.outcome_mw, last)
    # A second pass over the hold-out time, in time order, initialises the factors of the hours.
    hours = local_hours(target_times(valid.block, model.knots), region.timezone)
    calibrated, calibration = calibration.follow(
        held_out,
        hours,
        valid.outcome_mw,
        valid.block.issue_times,
        outcomes_known_at(valid.block, model.knots),
        origin_times(valid.block),
        steps_of(model),
    )
    report.metrics[VALID_LOSS] = scaled_pinball(calibrated, valid)
    dependence = Dependence.from_held_out(model.series, model.knots, calibrated, valid.outcome_mw)
    return Judged(report, calibration, dependence, (held_out, calibrated))


def steps_of(model: Model) -> Steps:
    """The steps by which the calibration of a new model follows outcomes."""
    return STEPS._replace(median=model.median_step)


def _span(block: FeatureBlock) -> str:
    """The time of issue times, in words."""
    times = block.issue_times
    return f"from {times.min()} to {times.max()} UTC" if len(times) else "there"


def fallback(train: Examples, knots: tuple[int, ...]) -> Persistence:
    """Persistence with its spread in training at the knots and, for late data, at leads up to four hours.

    The outcomes of long leads are origins of later examples with data of the same age.
    """
    block = train.block
    spacing = int(np.diff(block.issue_times).min().astype(int)) if len(block.issue_times) > 1 else max(knots)
    place = {time: n for n, time in enumerate(block.issue_times.tolist())}
    leads, outcomes = list(knots), [train.outcome_mw]
    for lead in (-(-lead // spacing) * spacing for lead in FALLBACK_LEADS if lead > max(knots)):
        later = np.array([place.get(time, -1) for time in (block.issue_times + np.timedelta64(lead, "m")).tolist()])
        known = (later >= 0)[:, None] & (block.age_minutes[later] == block.age_minutes)
        outcome = np.where(known, block.origin_mw[later], np.nan)
        if np.isfinite(outcome).any() and lead not in leads:
            leads.append(lead)
            outcomes.append(outcome[..., None])
    model = Persistence(block.series, tuple(leads))
    whole = Examples(block, np.concatenate(outcomes, axis=-1))
    model.fit(whole, whole)
    return model


def _rows(block: FeatureBlock, count: int) -> FeatureBlock:
    known = np.flatnonzero(np.isfinite(block.origin_mw).all(axis=1))
    chosen = known[np.linspace(0, len(known) - 1, min(count, len(known)), dtype=int)] if len(known) else known
    return block.take(chosen)


def scaled_pinball(quantiles_mw: Floats, valid: Examples) -> float:
    """Pinball loss of quantiles (issue, series, knot, quantile) in units of persistence's MAE, mean of all."""
    loss = pinball_losses(valid.outcome_mw, quantiles_mw, QUANTILES).mean(axis=-1)
    known = np.isfinite(loss) & np.isfinite(valid.ramps)
    loss, ramp = np.where(known, loss, np.nan), np.where(known, np.abs(valid.ramps), np.nan)
    return float(np.nanmean(np.nanmean(loss, axis=0) / np.nanmean(ramp, axis=0)))
