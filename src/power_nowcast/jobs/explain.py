"""Explain a model: the contributions of families of features to one nowcast, and to the accuracy in general."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.explaining import contributions, permutation_importance
from power_nowcast.contracts import MEDIAN, QUANTILES, FeatureBlock, Floats, Panel, Table, Times
from power_nowcast.errors import MissingDataError, StaleDataError
from power_nowcast.features.build_features import final_power
from power_nowcast.features.families import family_of, without_horizon
from power_nowcast.features.panel import WINDOW, ever_known, history
from power_nowcast.features.state import MAX_AGE_MINUTES
from power_nowcast.jobs.features import read_examples, read_manifest
from power_nowcast.jobs.job import Job
from power_nowcast.live.nowcaster import calibration_in_force
from power_nowcast.regions import Region
from power_nowcast.regions.calendar import days
from power_nowcast.report.plots import waterfall
from power_nowcast.report.words import power

BACK_DAYS = 42
"""Number of past days: a nowcast is compared with the same time of these days."""
BACKGROUND = 16
"""Maximum number of days in the comparison: days of the same kind, the newest first."""
SIMILAR = 3
SMALLEST = 1e-6
SHOWN_FEATURES = 3
BASE, BOUNDS, CALIBRATION = "average answer", "plausible limits", "errors of late"


@dataclass(frozen=True)
class Value:
    """A feature's value, its mean at the times of comparison, and its own contribution if it has one."""

    name: str
    value: float
    usual: float
    contribution_mw: float | None = None


@dataclass(frozen=True)
class Part:
    """The contribution of a family of features to the nowcast in MW, and its most important features."""

    family: str
    contribution_mw: float
    values: tuple[Value, ...] = ()

    def note(self, most: int = 2) -> str:
        """The most important values, each with its usual value."""
        shown = (f"{without_horizon(one.name)} {one.value:,.4g} ({one.usual:,.4g})" for one in self.values[:most])
        return ", ".join(shown)


@dataclass(frozen=True)
class Situation:
    """A similar past issue time, and the observed ramp over the horizon after it, in MW."""

    issue_time: str
    distance: float
    ramp_mw: float


@dataclass(frozen=True)
class Explained:
    """One nowcast: the contributions of `parts` add up to the median minus the last known value, all in MW.

    The first part is the base value, without any feature: the model's average over training for boosters, over the
    times of comparison for other kinds. `outcome_mw` is None if it is not known yet.
    """

    region: str
    series: str
    issue_time: str
    horizon_minutes: int
    age_minutes: float
    kind: str
    digest: str
    method: str
    compared_with: str
    persistence_mw: float
    median_mw: float
    low_80_mw: float
    high_80_mw: float
    outcome_mw: float | None
    parts: tuple[Part, ...]
    similar: tuple[Situation, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Overview:
    """Importance of features: native `gains` by feature (empty for models without gains), and permutation importance
    by family: the increase of the loss, mean and standard deviation over draws, in units of the validation loss.
    """

    kind: str
    digest: str
    rows: int
    first: str
    last: str
    gains: dict[str, float]
    gains_by_family: dict[str, float]
    rests_on: dict[str, tuple[float, float]]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def overview(job: Job, bundle: Bundle, *, repeats: int = 5, rows: int = 400) -> tuple[Overview, dict[str, Floats]]:
    """Importance of features on the test part of the feature tables; and every draw by family.

    Raises:
        MissingDataError: there are no features, or the model has other features.
    """
    (test,) = read_examples(job, read_manifest(job), "test")
    if test.block.names != bundle.golden.names:
        raise MissingDataError(
            f"The model has other features than the feature tables of {job.region.name}.",
            remedy="Make the tables with the model's options: nowcast features.",
            region=job.region.name,
        )
    draws = permutation_importance(bundle, test, repeats=repeats, rows=rows)
    times = test.block.issue_times
    gains = bundle.model.importance()
    made = Overview(
        kind=bundle.model.kind,
        digest=bundle.digest,
        rows=min(rows, len(times)),
        first=f"{times[0]}Z",
        last=f"{times[-1]}Z",
        gains=_summed(gains.items(), without_horizon),
        gains_by_family=_summed(gains.items(), family_of),
        rests_on={name: (float(found.mean()), float(found.std())) for name, found in draws.items()},
    )
    return made, draws


def _summed(shares: Iterable[tuple[str, float]], key: Any) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, share in shares:
        found[key(name)] = found.get(key(name), 0.0) + share
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def explain(
    job: Job, bundle: Bundle, *, at: datetime | None = None, series: str | None = None, horizon_minutes: int = 60
) -> Explained:
    """Explain the nowcast of one series, issue time and horizon, from the data known at that time.

    Args:
        job: region and tables.
        bundle: the model.
        at: issue time, UTC; by default the time of the newest value.
        series: by default the region's first, which is the total.
        horizon_minutes: minutes after the issue time.

    Raises:
        UnknownSeriesError, UnknownHorizonError: the region does not have it.
        StaleDataError: there is no recent value at that time.
        HistoryError: the model needs earlier days to compare with, and there are none.
    """
    region = job.region
    name = region.check_series(series or region.series[0])
    region.check_horizon(horizon_minutes)
    last = job.store.last(Table.POWER, region.name)
    moment = (at or last or datetime.now(UTC)).astimezone(UTC)
    issue = np.datetime64(moment.replace(tzinfo=None), "m")
    if last is None:
        raise MissingDataError(f"There is no power of {region.name}.", remedy="Ingest some: nowcast ingest.")
    reach = timedelta(minutes=horizon_minutes)
    panel = history(job.store, region, moment - WINDOW - timedelta(days=BACK_DAYS), min(last, moment + reach))
    block = bundle.features(panel, np.array([issue]))
    s = block.series.index(name)
    age = float(block.age_minutes[0, s])
    lead = age + horizon_minutes
    if not lead <= max(bundle.model.knots):
        raise StaleDataError(
            f"At {issue} UTC there is no value of {name} recent enough for the model.",
            remedy=f"Explain a time at most {MAX_AGE_MINUTES} minutes after its last value, which is of {last}.",
            region=region.name,
            series=name,
        )
    past = _past(bundle, panel, issue)
    background, about = _background(region, past, issue)
    step = region.steps_minutes.index(horizon_minutes)
    calibration = calibration_in_force(job.store, bundle, moment)
    quantiles = bundle.from_features(block, calibration).values[0, s, step]
    origin = float(block.origin_mw[0, s])
    by_name, base, methods = _at_lead(bundle, block, name, lead, background)
    parts = _parts(block, s, by_name, background)
    unmoved = bundle.from_features(block, calibration.unmoved).values[0, s, step]
    if moved := float(quantiles[MEDIAN] - unmoved[MEDIAN]):
        parts.append(Part(CALIBRATION, moved))
    return Explained(
        region=region.name,
        series=name,
        issue_time=f"{issue}Z",
        horizon_minutes=horizon_minutes,
        age_minutes=age,
        kind=bundle.model.kind,
        digest=bundle.digest,
        method=" and ".join(methods),
        compared_with=about,
        persistence_mw=origin,
        median_mw=float(quantiles[MEDIAN]),
        low_80_mw=float(quantiles[QUANTILES.index(0.1)]),
        high_80_mw=float(quantiles[QUANTILES.index(0.9)]),
        outcome_mw=_value(panel, region, name, issue + np.timedelta64(horizon_minutes, "m")),
        parts=_summing_up(base, parts, float(quantiles[MEDIAN]) - origin),
        similar=_similar(panel, region, block, past, s, horizon_minutes),
    )


def _summing_up(base: float, parts: list[Part], ramp: float) -> tuple[Part, ...]:
    """The base and the parts, largest first, so that they add up to the ramp.

    Answers are clipped to plausible limits, and to 0 for the sun at night: the clipped MW are a part of their own.
    """
    lost = ramp - base - sum(part.contribution_mw for part in parts)
    if abs(lost) > SMALLEST * max(1.0, abs(ramp)):
        parts = [*parts, Part(BOUNDS, lost)]
    else:
        base += lost  # the rounding error
    return Part(BASE, base), *sorted(parts, key=lambda part: -abs(part.contribution_mw))


def _past(bundle: Bundle, panel: Panel, issue: np.datetime64) -> FeatureBlock:
    """Features of the same time on the days before, newest first, as known at those times."""
    times = issue - np.arange(1, BACK_DAYS + 1) * np.timedelta64(1440, "m")
    first = panel.times[ever_known(panel).argmax()] + np.timedelta64(bundle.minimum_history_minutes, "m")
    block = bundle.features(panel, times[times >= first])
    return block.take(np.isfinite(block.origin_mw).all(axis=1))


def _background(region: Region, past: FeatureBlock, issue: np.datetime64) -> tuple[FeatureBlock, str]:
    """The newest past days of the same kind, or of any kind if they are few; and a name for them."""
    if not len(past.issue_times):
        return past, "no earlier day"
    dates = _local_days(region, np.append(past.issue_times, issue))
    frame = days(region, min(dates), max(dates))
    works = dict(zip(frame["date"].to_list(), (frame["day_type"] == "workday").to_list(), strict=True))
    same = np.array([works[day] == works[dates[-1]] for day in dates[:-1]])
    if same.sum() < SIMILAR:
        chosen, kind = np.arange(len(past.issue_times))[:BACKGROUND], "days"
    else:
        chosen = np.flatnonzero(same)[:BACKGROUND]
        kind = "working days" if works[dates[-1]] else "days off"
    return past.take(chosen), f"the same time of {len(chosen)} earlier {kind}"


def _local_days(region: Region, times: Times) -> list[Any]:
    return [time.astype("datetime64[s]").item().replace(tzinfo=UTC).astimezone(region.tz).date() for time in times]


def _at_lead(
    bundle: Bundle, block: FeatureBlock, series: str, lead: float, background: FeatureBlock
) -> tuple[dict[str, float], float, tuple[str, ...]]:
    """Contributions by name, and their base, at a lead between knots, where quantiles are interpolated linearly."""
    knots = (0, *bundle.model.knots)
    right = int(np.clip(np.searchsorted(knots, lead), 1, len(knots) - 1))
    weight = (lead - knots[right - 1]) / (knots[right] - knots[right - 1])
    found: dict[str, float] = {}
    base = 0.0
    methods: tuple[str, ...] = ()
    for knot, share in ((knots[right - 1], 1 - weight), (knots[right], weight)):
        if knot == 0 or share == 0:
            continue
        told = contributions(bundle.model, block, series, knot, background)
        methods = told.methods
        base += share * float(told.base_mw[0])
        for name, value in zip(told.names, told.values_mw[0], strict=True):
            found[name] = found.get(name, 0.0) + share * float(value)
    return found, base, methods


def _parts(block: FeatureBlock, s: int, by_name: dict[str, float], background: FeatureBlock) -> list[Part]:
    """Contributions by family, each with its most important features: by their contribution, or by their deviation."""
    x = block.x[0, s].astype(np.float64)
    others = background.x[:, s].astype(np.float64)
    known = np.isfinite(others)
    count = np.maximum(known.sum(axis=0), 1)
    usual = np.where(known.any(axis=0), np.where(known, others, 0.0).sum(axis=0) / count, np.nan)
    spread = np.sqrt(np.where(known, others - usual, 0.0).__pow__(2).sum(axis=0) / count)
    unusual = np.nan_to_num(np.abs(x - usual) / np.where(spread > 0, spread, np.inf))
    by_feature = set(by_name) <= set(block.names)
    sums: dict[str, float] = {}
    for name, value in by_name.items():
        family = family_of(name) if by_feature else name
        sums[family] = sums.get(family, 0.0) + value
    parts = []
    for family, total in sums.items():
        members = [
            n
            for n, name in enumerate(block.names)
            if family_of(name) == family and np.isfinite(x[n]) and (not by_feature or name in by_name)
        ]
        telling = [abs(by_name[block.names[n]]) if by_feature else unusual[n] for n in members]
        order = [members[n] for n in np.argsort(-np.array(telling), kind="stable")[:SHOWN_FEATURES]]
        values = tuple(
            Value(block.names[n], float(x[n]), float(usual[n]), by_name.get(block.names[n]) if by_feature else None)
            for n in order
        )
        parts.append(Part(family, total, values))
    return parts


def _similar(
    panel: Panel, region: Region, block: FeatureBlock, past: FeatureBlock, s: int, horizon_minutes: int
) -> tuple[Situation, ...]:
    """The past times with the nearest features of the series, in units of the features' standard deviations."""
    others = past.x[:, s].astype(np.float64)
    if len(others) < SIMILAR:
        return ()
    usable = np.isfinite(others).all(axis=0) & np.isfinite(block.x[0, s]) & (np.ptp(others, axis=0) > 0)
    if not usable.any():
        return ()
    spread = others[:, usable].std(axis=0)
    distance = np.sqrt((((others[:, usable] - block.x[0, s, usable]) / spread) ** 2).mean(axis=1))
    found: list[Situation] = []
    for n in np.argsort(distance, kind="stable"):
        time = past.issue_times[n]
        after = _value(panel, region, block.series[s], time + np.timedelta64(horizon_minutes, "m"))
        if after is not None and len(found) < SIMILAR:
            found.append(Situation(f"{time}Z", float(distance[n]), after - float(past.origin_mw[n, s])))
    return tuple(found)


def _value(panel: Panel, region: Region, series: str, time: np.datetime64) -> float | None:
    slot = int(panel.power.slots(np.array([time]))[0])
    power = final_power(panel, region)
    value = float(power[slot, panel.series.index(series)]) if 0 <= slot < len(power) else np.nan
    return value if np.isfinite(value) else None


def drawn(one: Explained, unit: str) -> Figure:
    """The waterfall of one nowcast, in a region's unit."""
    median = power(one.median_mw, unit, beside=one.high_80_mw - one.low_80_mw)
    return waterfall(
        one.persistence_mw,
        [(part.family, part.contribution_mw, part.note()) for part in one.parts],
        title=f"{one.series}, {one.horizon_minutes} minutes ahead: why {median} {unit}",
        unit=unit,
        subtitle=f"issued {one.issue_time.replace('T', ' ').removesuffix('Z')} UTC by {one.kind}",
        band=(one.low_80_mw, one.high_80_mw),
        outcome=one.outcome_mw,
    )
