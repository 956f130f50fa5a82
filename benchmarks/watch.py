#!/usr/bin/env python3
"""The watch on New York's half-year: false alarms of the untouched time, and how soon planted faults are told.

The model is trained on what was known before the first month, its limits come from its own hold-out time, and nowcasts
are replayed month by month with the calibration that follows. The watch's own rules look at every whole hour at the
figures of windows and at whether a zone is late, and at every issue time at what the newest nowcast says. Faults begin
on the 15th of a month.

FOLDER holds the publisher's files as for `nyiso_2019h2.py`.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from faults import FAULTS, planted
from protocol import minute

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.late_zones import HISTORY_MINUTES, grid_minutes, lateness
from power_nowcast.bundle.watch import CHANGE, FALL, JUMPS, RISE, WatchLimits, changes, jump_pairs
from power_nowcast.bundle.windows import DAY, HOUR, PAIRS, THREE_DAYS, WEEK, rolling, tally, together
from power_nowcast.collect.load import write_all
from power_nowcast.contracts import MEDIAN, QUANTILES, Nowcasts, Panel
from power_nowcast.contracts.times import aware
from power_nowcast.evaluate.backtest import truth
from power_nowcast.features.panel import history
from power_nowcast.ingest.catalog import with_source
from power_nowcast.jobs.period import Period, known_before, span
from power_nowcast.live.nowcaster import Nowcast, Quality
from power_nowcast.models.search_spaces import with_defaults
from power_nowcast.monitor.alarms import Delays, standing
from power_nowcast.monitor.numbers import Number, ages, still
from power_nowcast.monitor.rules import DEAD_BAND, OLD, RAMP, STILL, Finding, ahead, findings, late_zones
from power_nowcast.regions import Region, load
from power_nowcast.scoring import pinball_losses
from power_nowcast.settings import settings
from power_nowcast.store import Store
from power_nowcast.store.events import Event, Kind
from power_nowcast.workers import processes

MONTHS = ("2019-07", "2019-08", "2019-09", "2019-10", "2019-11", "2019-12")
LAST = "2019-12-31 22:45"
MOST_A_MONTH = 1.0
"""False alarms a month and region. `large ramp ahead` is no false alarm: the ramp is there."""
NEAR = 1 - 2 * DEAD_BAND
EXCHANGED = "the model exchanged for an older one"
REACH = timedelta(days=5)
"""A fault must be told within this time."""


def trained(store: Store, region: Region, options: argparse.Namespace) -> Bundle:
    """The model of `--bundle` if it exists, a new LightGBM on what was known before the first month otherwise, with the
    options of `nowcast run`.
    """
    if options.bundle and options.bundle.exists():
        return Bundle.load(options.bundle)
    first = minute(f"{options.months[0]}-01 00:00")
    period = Period(first, first, minute(LAST), 15, options.train_every, train_days=options.train_days)
    own = with_defaults("lightgbm", {})
    with processes(settings().workers) as pool:
        bundle = known_before(store, region, period).train_model(
            "lightgbm", own, executor=pool, progress=partial(print, file=sys.stderr)
        )
    if options.bundle:
        bundle.save(options.bundle)
    return bundle


def replayed(
    bundle: Bundle, panel: Panel, first: np.datetime64, end: np.datetime64, every: int
) -> tuple[Nowcasts, Bundle]:
    """The nowcasts from `first` to before `end`, and the bundle with the calibration after them."""
    nowcasts, after = bundle.replay(panel, np.arange(first, min(end, minute(LAST)), np.timedelta64(every, "m")))
    return nowcasts, replace(bundle, calibration=after)


def joined(before: Nowcasts, after: Nowcasts) -> Nowcasts:
    """Nowcasts that follow each other, as one."""
    issues = np.concatenate([before.issue_times, after.issue_times])
    values = np.concatenate([before.values, after.values])
    return Nowcasts(before.region, issues, before.series, before.steps_minutes, values)


def month_of(bundle: Bundle, panel: Panel, month: str, options: argparse.Namespace) -> tuple[Nowcasts, Bundle]:
    """As `replayed`, of a whole month; from `--kept` if an earlier run has replayed it there."""
    first, end = (np.datetime64(month, "M") + np.timedelta64(n, "M") for n in (0, 1))
    span = first.astype("datetime64[m]"), end.astype("datetime64[m]")
    if options.kept is None:
        return replayed(bundle, panel, *span, options.every)
    values, calibration = (options.kept / f"{month}.{kind}" for kind in ("npz", "json"))
    if not calibration.exists():
        nowcasts, after = replayed(bundle, panel, *span, options.every)
        options.kept.mkdir(parents=True, exist_ok=True)
        np.savez(values, issues=nowcasts.issue_times, values=nowcasts.values)
        calibration.write_text(json.dumps(after.calibration.to_json()))
        return nowcasts, after
    kept, region = np.load(values), bundle.region
    nowcasts = Nowcasts(region.name, kept["issues"], bundle.model.series, region.steps_minutes, kept["values"])
    return nowcasts, replace(bundle, calibration=Calibration.from_json(json.loads(calibration.read_text())))


def pairs(bundle: Bundle, panel: Panel, nowcasts: Nowcasts, horizons: tuple[int, ...]) -> pl.DataFrame:
    """Rows of `PAIRS` of the nowcasts, at the horizons of the limits."""
    columns = [panel.series.index(name) for name in nowcasts.series]
    steps = [nowcasts.steps_minutes.index(one) for one in horizons]
    values = nowcasts.values[:, :, steps]
    actual = truth(panel, bundle.region, nowcasts.issue_times, horizons)[:, columns]
    origin = truth(panel, bundle.region, nowcasts.issue_times, (0,))[:, columns]
    valid = nowcasts.issue_times[:, None, None] + np.array(horizons, "timedelta64[m]")
    flat = pl.DataFrame(
        {
            "series": np.broadcast_to(np.array(nowcasts.series)[None, :, None], actual.shape).ravel(),
            "valid_at": np.broadcast_to(valid, actual.shape).astype("datetime64[us]").ravel(),
            "error": (values[..., MEDIAN] - actual).ravel(),
            "pinball": pinball_losses(actual, values, QUANTILES).mean(axis=-1).ravel(),
            "persistence": np.abs(origin - actual).ravel(),
            "is_inside": ((actual >= values[..., 1]) & (actual <= values[..., 5])).ravel(),
        }
    )
    known = flat.with_columns(
        pl.col("valid_at").dt.replace_time_zone("UTC"), pl.col("error", "pinball", "persistence").fill_nan(None)
    )
    return known.drop_nulls().select(pl.col(name).cast(kind) for name, kind in PAIRS.items())


def single(nowcasts: Nowcasts, n: int, origin: np.ndarray) -> Nowcast:
    """One nowcast of a replay, as the service publishes it."""
    count = len(nowcasts.series)
    return Nowcast(
        region=nowcasts.region,
        issue_time=nowcasts.issue_times[n],
        series=nowcasts.series,
        steps_minutes=nowcasts.steps_minutes,
        quantiles=nowcasts.quantiles,
        values=nowcasts.values[n],
        origin_mw=origin[n],
        age_minutes=np.zeros(count),
        quality=(Quality.FULL,) * count,
        flags=(),
        model_digest="",
        calibration_id="",
    )


def figures(tallies: pl.DataFrame, left: pl.DataFrame, an_hour: float, publications: float) -> pl.DataFrame:
    """Rows of `numbers.MEASURED`, with the hour at which each is told."""
    hours = tallies.select("hour").unique().sort("hour")
    told = []
    for number, minutes, by_block in (
        (Number.LOSS, DAY, False),
        (Number.LOSS, WEEK, False),
        (Number.COVERAGE, WEEK, False),
        (Number.BIAS, WEEK, True),
        (Number.JUMPS, DAY, False),
        (Number.COVERAGE, THREE_DAYS, False),
    ):
        if number is Number.JUMPS:
            windows = rolling(left, minutes, publications).with_columns(jumps=1 - pl.col("coverage"))
        elif minutes == THREE_DAYS:
            windows = together(rolling(tallies, minutes, an_hour))
        else:
            windows = rolling(tallies, minutes, an_hour, by_block=by_block)
        by = ["series", "block"] if by_block else ["series"]
        grid = windows.select(by).unique().join(hours, how="cross").sort("hour")
        tolerance = f"{DAY - HOUR if by_block else 0}m"
        every = grid.join_asof(windows.sort("hour"), on="hour", by=by, tolerance=tolerance, check_sortedness=False)
        block = pl.col("block") if by_block else pl.lit(None, pl.Int64)
        told.append(
            every.select(
                "hour",
                number=pl.lit(number.value),
                about=pl.col("series"),
                block=block,
                minutes=pl.lit(minutes, pl.Int64),
                value=pl.col(number.value),
                n=pl.col("n"),
            ).drop_nulls("value")
        )
    return pl.concat(told)


def looks(bundle: Bundle, panel: Panel, parts: list[Nowcasts]) -> Iterator[tuple[datetime, list[Finding]]]:
    """What each look finds: figures at whole hours, what lies ahead at every issue time."""
    limits = bundle.watch
    assert limits is not None
    region, all_pairs, all_jumps, told = bundle.region, [], [], dict[datetime, list[Finding]]()
    every = int((parts[0].issue_times[1] - parts[0].issue_times[0]).astype(int))
    spacing = limits.spacing_minutes or every
    for nowcasts in parts:
        all_pairs.append(pairs(bundle, panel, nowcasts, limits.horizons))
        columns = [panel.series.index(name) for name in nowcasts.series]
        origin = truth(panel, region, nowcasts.issue_times, (0,))[:, columns, 0]
        steps = [nowcasts.steps_minutes.index(one) for one in limits.horizons]
        moved = changes(nowcasts.issue_times, nowcasts.values[:, :, steps], limits.horizons, spacing)
        all_jumps.append(jump_pairs(nowcasts.issue_times, nowcasts.series, moved))
        near = close(nowcasts, origin, moved[1], limits)
        # Where nothing is near a limit, neither now nor in the two hours before, a look raises and clears nothing.
        looked = np.convolve(near, np.ones(1 + 2 * HOUR // every))[: len(near)] > 0
        back = spacing // every
        for n in np.flatnonzero(looked)[np.flatnonzero(looked) >= back]:
            present, before = (single(nowcasts, place, origin) for place in (n, n - back))
            told.setdefault(aware(present.issue_time), []).extend(ahead(present, before, region, limits))
        for at, rows in still_zones(panel, region, nowcasts.issue_times):
            told.setdefault(at, []).extend(one for one in findings(rows, region, None) if one.alarm == STILL)
        for at, zones in late_hours(panel, region, nowcasts.issue_times):
            told.setdefault(at, []).extend(late_zones(zones, limits))
    tallies, of_jumps = (tally(pl.concat(rows), region.timezone) for rows in (all_pairs, all_jumps))
    measured = figures(tallies, of_jumps, HOUR / every * len(limits.horizons), HOUR / every)
    for (hour,), rows in measured.partition_by("hour", as_dict=True, include_key=False).items():
        told.setdefault(hour, []).extend(findings(rows, region, limits))
    yield from sorted(told.items(), key=lambda one: one[0])


def still_zones(panel: Panel, region: Region, issues: np.ndarray) -> Iterator[tuple[datetime, pl.DataFrame]]:
    """The issue times at which a zone has three equal values or more, and the looks after them, with their numbers."""
    power = panel.power.values
    same = np.zeros(power.shape, bool)
    same[2:] = (power[2:] == power[1:-1]) & (power[1:-1] == power[:-2])
    slots = ((issues - panel.start).astype(np.int64) // panel.step_minutes).clip(0, len(power) - 1)
    interesting = same.any(axis=1)[slots]
    looked = interesting | np.roll(interesting, 1)
    zones = {one.name: one.max_mw for one in region.zones}
    for slot, issue in zip(slots[looked], issues[looked], strict=True):
        rows = slice(max(0, slot - 2 * HOUR // panel.step_minutes), slot + 1)
        times = np.repeat(panel.times[rows].astype("datetime64[us]"), len(panel.series))
        told = pl.DataFrame({"valid_at": times, "value": power[rows].ravel()}).with_columns(
            pl.col("valid_at").dt.replace_time_zone("UTC"),
            pl.col("value").fill_nan(None),
            series=pl.Series(np.tile(panel.series, len(times) // len(panel.series))),
        )
        yield aware(issue), still(told, zones, region.interval)


def late_hours(panel: Panel, region: Region, issues: np.ndarray) -> Iterator[tuple[datetime, dict[str, float]]]:
    """The whole hours of the issue times, with how much better each zone fits the others as of an hour before."""
    step = grid_minutes(region.interval_minutes)
    assert step is not None
    names = [zone.name for zone in region.zones]
    span = (panel.times >= issues[0] - np.timedelta64(HISTORY_MINUTES, "m")) & (panel.times <= issues[-1])
    rows = np.flatnonzero(span & (panel.times.astype(np.int64) % step == 0))
    values = panel.power.values[rows][:, [panel.series.index(name) for name in names]]
    found = lateness(values, [zone.kind for zone in region.zones], step)
    whole = (panel.times[rows] >= issues[0]) & (panel.times[rows].astype(np.int64) % HOUR == 0)
    for n in np.flatnonzero(whole):
        told = {name: float(one) for name, one in zip(names, found[n], strict=True) if np.isfinite(one)}
        yield aware(panel.times[rows[n]]), told


def close(nowcasts: Nowcasts, origin: np.ndarray, ratio: np.ndarray, limits: WatchLimits) -> np.ndarray:
    """Whether what a nowcast says is near a limit, shape (issue,)."""
    near = np.zeros(len(origin), bool)
    ramps = nowcasts.values[..., MEDIAN] - origin[..., None]
    for row in limits.rows.filter(pl.col("figure").is_in([CHANGE, RISE, FALL])).iter_rows(named=True):
        s = nowcasts.series.index(row["series"])
        if row["figure"] == CHANGE:
            value = ratio[:, s]
        else:
            value = (ramps[:, s] if row["figure"] == RISE else -ramps[:, s]).max(axis=1)
        near |= np.nan_to_num(value) > NEAR * row["limit"]
    return near


def raised(bundle: Bundle, panel: Panel, parts: list[Nowcasts]) -> list[Event]:
    """The alarms that the watch raises and clears."""
    delays, events = Delays(), list[Event]()
    for at, found in looks(bundle, panel, parts):
        events += delays.decide(bundle.region.name, found, standing(events), at)
    return events


def delays_of(
    bundle: Bundle, old: Bundle | None, panel: Panel, zone: str, month: str, every: int
) -> Iterator[tuple[str, tuple[str, float] | None]]:
    """Of each fault the first alarm that the untouched time does not have, and its delay in hours; None if none is.

    If there is an `old` version, the last fault is that it answers from the fault's begin on, and that the limits are
    its own, as in a service that goes over to it.
    """
    start = datetime.fromisoformat(f"{month}-15T15:00+00:00")
    begin = minute(f"{start:%Y-%m-%d %H:%M}")
    end = begin + np.timedelta64(REACH)
    before, at_start = replayed(bundle, panel, np.datetime64(month, "m"), begin, every)
    untouched, _ = replayed(at_start, panel, begin, end, every)
    usual = {(one.about, one.at) for one in raised(bundle, panel, [joined(before, untouched)])}

    def first_of(found: list[Event]) -> tuple[str, float] | None:
        told = [one for one in found if one.kind is Kind.RAISED and one.at >= start and one.about != RAMP]
        new = [one for one in told if (one.about, one.at) not in usual]
        return (new[0].about, (new[0].at - start) / timedelta(hours=1)) if new else None

    for fault in FAULTS:
        faulty, nowcasts = planted(panel, bundle.region, fault, zone, start), untouched
        if fault.values is not None:
            nowcasts, _ = replayed(at_start, faulty, begin, end, every)
        inside = nowcasts.issue_times < begin + np.timedelta64(fault.length)
        values = nowcasts.values.copy()
        median = values[inside][..., [MEDIAN]]
        values[inside] = median + (values[inside] - median) * fault.width
        yield fault.name, first_of(raised(bundle, faulty, [joined(before, replace(nowcasts, values=values))]))
    if old is not None and old.watch is not None:
        answered, _ = replayed(old, panel, begin, end, every)
        of_age = findings(ages({}, None, start, old.watch.trained_until), bundle.region, old.watch)
        told = first_of(raised(replace(bundle, watch=old.watch), panel, [joined(before, answered)]))
        yield EXCHANGED, (OLD, 0.0) if any(one.alarm == OLD and one.is_beyond for one in of_age) else told
        yield f"{EXCHANGED}, by its skill", told


def main() -> int:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="folder of the publisher's files")
    made.add_argument("--store", type=Path, help="tables of these files, kept for the next run")
    made.add_argument("--bundle", type=Path, help="folder of the trained model; an existing one is used")
    made.add_argument(
        "--kept", type=Path, help="folder of the months that this model has replayed, kept for the next run"
    )
    made.add_argument("--train-every", type=int, default=15, help="minutes between issue times of training")
    made.add_argument("--train-days", type=int, help="days of training; all by default")
    made.add_argument(
        "--every", type=int, default=15, help="minutes between the replayed issue times, as those of training"
    )
    made.add_argument("--months", nargs="+", default=MONTHS, help="months of the half-year")
    made.add_argument("--old", type=Path, help="folder of an older model, for which the model is exchanged")
    made.add_argument("--zone", default="LONGIL", help="the zone with the faults")
    made.add_argument("--fault-months", nargs="*", default=MONTHS, help="months in which faults are planted")
    made.add_argument("--faults-only", action="store_true", help="do not count false alarms")
    made.add_argument("--json", type=Path, help="write the figures here")
    made.add_argument("--check", action="store_true", help="exit 1 if there are more false alarms than one a month")
    options = made.parse_args()
    region = with_source(load("nyiso"), "nyiso", folder=str(options.data))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(options.store or folder)
        write_all(store, region)
        bundle = trained(store, region, options)
        panel = history(store, region, *span(store, region))
    if not isinstance(bundle.watch, WatchLimits) or JUMPS not in set(bundle.watch.rows["figure"]):
        sys.exit("The model was trained before there were limits: train another one.")
    followed, parts, starts = bundle, list[Nowcasts](), dict[str, Bundle]()
    for month in options.months:
        starts[month] = followed
        nowcasts, followed = month_of(followed, panel, month, options)
        parts.append(nowcasts)
        print(f"{month}: {len(nowcasts.issue_times):,} nowcasts", file=sys.stderr)
    every = [] if options.faults_only else raised(bundle, panel, parts)
    events = [one for one in every if one.kind is Kind.RAISED]
    for one in events:
        print(f"{one.at:%Y-%m-%d %H:%M} {one.about}: {one.what}")
    counted = {name: sum(one.about == name for one in events) for name in sorted({one.about for one in events})}
    false = sum(count for name, count in counted.items() if name != RAMP) / len(options.months)
    print(f"false alarms a month: {false:.2f}; by name: {counted}")
    told: dict[str, list[tuple[str, float] | None]] = {}
    old = Bundle.load(options.old) if options.old else None
    for month in options.fault_months:
        for name, delay in delays_of(starts[month], old, panel, options.zone, month, options.every):
            told.setdefault(name, []).append(delay)
            print(f"{month} {name}: {delay}")
    if options.json:
        options.json.write_text(json.dumps({"a_month": false, "alarms": counted, "faults": told}, indent=1))
    return int(options.check and false > MOST_A_MONTH)


if __name__ == "__main__":
    sys.exit(main())
