"""The rules of the watch: which value of a number is too much, and the one action that follows.

Limits of figures come from the version's hold-out time (`bundle.watch`). All others follow from the region's own
interval and its sources' usual delays, so that nothing is tuned.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from power_nowcast.bundle.late_zones import REACH_MINUTES
from power_nowcast.bundle.watch import BIAS, CHANGE, COVERAGE, FALL, JUMPS, LATENESS, LOSS, RISE, WatchLimits
from power_nowcast.bundle.windows import BLOCK_HOURS, DAY, HOUR, THREE_DAYS, WEEK
from power_nowcast.collect.freshness import PATIENCE, usual_age
from power_nowcast.contracts import MEDIAN
from power_nowcast.live.loop import PATIENCE as SHARE_OF_INTERVAL
from power_nowcast.live.nowcaster import Nowcast
from power_nowcast.monitor.numbers import MODEL, NOWCAST, Number, by_rule
from power_nowcast.regions import Region

DEAD_BAND = 0.1
"""An alarm ends where the value is inside its limit by this share of the way back to what is usual."""
MOST_RULES = 0.5
"""More than this share of a short window is too much without a nowcast in time, or with rules that answer."""
STILL_INTERVALS = 4
"""A zone whose newest five values are equal stands still; docs/watch.md says how often real zones repeat a value."""
FEW = 3
OLDEST = timedelta(days=270)
"""A version that has learnt nothing of the last three quarters of a year is old: most seasons have come since."""
ALL_SERIES = "all series"
RESTLESS = timedelta(hours=1)
"""A changed forecast is over once nothing has changed for so long: what comes again within it is the same alarm."""

NO_NOWCAST, HEARTBEAT = "no nowcast", "heartbeat"
LATE, STALE, RULES, SLOW, WITHHELD = (
    "late data",
    "stale nowcasts",
    "rules in place of the model",
    "slow loop",
    "withheld",
)
STILL, SHIFTED, OLD = "zone stands still", "zone an hour late", "old model"
RAMP, CHANGED = "large ramp ahead", "changed forecast"
FIGURES = {
    (LOSS, DAY): "loss of a day",
    (LOSS, WEEK): "loss of a week",
    (COVERAGE, WEEK): "coverage of a week",
    (COVERAGE, THREE_DAYS): "coverage of three days",
    (BIAS, WEEK): "bias of a week",
    (JUMPS, DAY): "jumps of a day",
}
"""Names of the alarms of figures, by figure and length of the window."""
ACTIONS = {
    NO_NOWCAST: "Restart the service, and read the last lines of its log.",
    HEARTBEAT: "Open the heartbeat's address from this machine (NOWCAST_HEARTBEAT).",
    LATE: "Ask the publisher's server: nowcast data status.",
    STALE: "Read the service's events of the last hour: /v1/events.",
    RULES: "Read the reasons in the newest nowcast: /v1/nowcast.",
    SLOW: "Give the service a processor of its own; see what else runs there.",
    WITHHELD: "See why (nowcast data quarantine), and take a wrong zone out: nowcast mark.",
    STILL: "Compare the zone with the control room's own value, and take it out: nowcast mark.",
    SHIFTED: "Compare the zone's times with the control room's own, and take it out: nowcast mark.",
    OLD: "Train anew (nowcast run), or go back to the newer version: nowcast promote.",
    RAMP: "Check that reserves cover it.",
    CHANGED: "Compare the newest values with the control room's own, and take a wrong zone out: nowcast mark.",
    FIGURES[LOSS, DAY]: "Compare the day with the operator's own figures, and take a wrong zone out: nowcast mark.",
    FIGURES[LOSS, WEEK]: "Go back to the version before, or train anew: nowcast promote --rollback, nowcast run.",
    FIGURES[COVERAGE, WEEK]: "Rely on the bands less, and train anew: nowcast run.",
    FIGURES[COVERAGE, THREE_DAYS]: "Rely on no band, and go back to the version before: nowcast promote --rollback.",
    FIGURES[BIAS, WEEK]: "Train anew on the newest data: nowcast run.",
    FIGURES[JUMPS, DAY]: "Look for telemetry that flaps, and take the zone out: nowcast mark.",
}
"""The one action of each alarm."""
TRAIN_ANEW = (OLD, FIGURES[LOSS, WEEK], FIGURES[COVERAGE, WEEK], FIGURES[BIAS, WEEK])
"""Alarms that a newly trained version should end."""
CRITICAL = (NO_NOWCAST, HEARTBEAT)
"""Alarms without whose action nobody is served."""


@dataclass(frozen=True)
class Finding:
    """What a look says about one alarm that may be raised.

    Attributes:
        alarm: its name, such as "loss of a day"; of a table, such as "late data: weather".
        is_beyond: whether the value is beyond the limit.
        is_back: whether it is inside the limit by the dead band.
        delay: for how long it must be beyond until the alarm is raised.
        what: a sentence with the value and the limit.
        rest: for how long it must be back until the alarm is cleared; None: as long as `delay`.
    """

    alarm: str
    is_beyond: bool
    is_back: bool
    delay: timedelta
    what: str
    rest: timedelta | None = None

    @property
    def text(self) -> str:
        """The sentence, and the one action."""
        return f"{self.what} {ACTIONS[kind_of(self.alarm)]}"


def kind_of(alarm: str) -> str:
    """The alarm's name without the table that it is about."""
    return alarm.partition(": ")[0]


def is_critical(alarm: str) -> bool:
    """Whether nobody is served until somebody acts."""
    return kind_of(alarm) in CRITICAL


def findings(measured: pl.DataFrame, region: Region, limits: WatchLimits | None) -> list[Finding]:
    """A finding for every number that has a limit.

    Args:
        measured: rows of `numbers.MEASURED`.
        region: the region.
        limits: those of the version that answers; None: it was trained before there were any, and no figure has one.
    """
    found = list(_ages(measured, region))
    found.append(_still(measured, region))
    found += _shares(measured, region)
    found += _counts(measured, region)
    if limits is not None:
        found += _figures(measured, region, limits)
    return found


def ahead(present: Nowcast, before: Nowcast | None, region: Region, limits: WatchLimits) -> list[Finding]:
    """Findings about what the newest nowcast says: a large ramp, and a change by more than its band.

    Args:
        present: the newest nowcast.
        before: the one of `limits.spacing` before, None if there is none.
        region: the region.
        limits: those of the version that answers.
    """
    limit = {(one["figure"], one["series"]): one["limit"] for one in limits.rows.iter_rows(named=True)}
    ramps, told = list[tuple[float, str]](), list[tuple[float, str]]()
    for s, name in enumerate(present.series):
        moved = present.values[s, :, MEDIAN] - present.origin_mw[s]
        for figure, sign in ((RISE, 1.0), (FALL, -1.0)):
            most = limit.get((figure, name))
            if most is not None and np.isfinite(moved).all() and most > 0:
                step = int(np.argmax(sign * moved))
                what = (
                    f"{name} {figure}s by {sign * moved[step]:,.0f} {region.unit} in {present.steps_minutes[step]} "
                    f"minutes; one day in thirty has more than {most:,.0f}."
                )
                ramps.append((float(sign * moved[step] / most), what))
        most, ratio = limit.get((CHANGE, name)), None if before is None else change(before, present, s, limits.horizons)
        if most is not None and ratio is not None:
            what = f"{name}: a forecast changed by {ratio:.1f} widths of its band of 80 %; {most:.1f} are the most."
            told.append((ratio / most, what))
    found = []
    for alarm, each, rest in ((RAMP, ramps, None), (CHANGED, told, RESTLESS)):
        if each:
            share, what = max(each)
            found.append(Finding(alarm, share > 1, share < 1 - DEAD_BAND, timedelta(0), what, rest))
    return found


def late_zones(told: Mapping[str, float], limits: WatchLimits) -> list[Finding]:
    """A finding about zones whose values are an hour late, if any zone has a limit and a figure.

    Args:
        told: by zone, how many times better its values fit the other zones as of an hour before.
        limits: those of the version that answers.
    """
    rows = limits.rows.filter(pl.col("figure") == LATENESS, pl.col("series").is_in(list(told)))
    ways = list[tuple[float, str]]()
    for name, usual, limit in rows.select("series", "usual", "limit").iter_rows():
        if limit > usual:
            what = (
                f"{name}: the last {REACH_MINUTES // HOUR} hours fit the other zones {told[name]:.1f} times better as "
                f"of an hour before; {limit:.1f} times are the most."
            )
            ways.append(((told[name] - usual) / (limit - usual), what))
    if not ways:
        return []
    most, what = max(ways)
    return [Finding(SHIFTED, most > 1, most < 1 - DEAD_BAND, timedelta(0), what)]


def change(before: Nowcast, after: Nowcast, s: int, horizons: tuple[int, ...]) -> float | None:
    """The largest change of a series' median for one moment, in widths of the band of 80 % that was said before; None
    if no step of `horizons` (minutes) is for a moment of which the nowcast before has told at such a step.
    """
    if before.series != after.series:
        return None
    low, high = (before.quantiles.index(level) for level in (0.1, 0.9))
    shift = int((after.issue_time - before.issue_time).astype(np.int64))
    ratios = []
    for k, step in enumerate(after.steps_minutes):
        if step in horizons and step + shift in horizons and step + shift in before.steps_minutes:
            was = before.values[s, before.steps_minutes.index(step + shift)]
            width, moved = was[high] - was[low], abs(after.values[s, k, MEDIAN] - was[MEDIAN])
            if width > 0 and np.isfinite(moved):
                ratios.append(float(moved / width))
    return max(ratios, default=None)


def longest_silence(region: Region) -> timedelta:
    """The age of the newest nowcast from which two intervals have none."""
    return (2 + SHARE_OF_INTERVAL) * region.interval


def _ages(measured: pl.DataFrame, region: Region) -> Iterator[Finding]:
    told = measured.filter(pl.col("number") == Number.AGE)
    most = {NOWCAST: longest_silence(region), MODEL: OLDEST}
    for table, spec in region.specs.items():
        # A forecast is published at least once a day.
        most[table.value] = usual_age(region, table, spec) + timedelta(days=1 if table.is_forecast else 0)
    for about, minutes in told.filter(pl.col("about").is_in(list(most))).select("about", "value").iter_rows():
        limit = most[about] / timedelta(minutes=1)
        if about == NOWCAST:
            name, what = NO_NOWCAST, f"The newest nowcast is {minutes:.0f} minutes old; {limit:.0f} are the most."
        elif about == MODEL:
            days, oldest = minutes / DAY, OLDEST / timedelta(days=1)
            name, what = OLD, f"The model has learnt nothing of the last {days:.0f} days; {oldest:.0f} are the most."
        else:
            name = f"{LATE}: {about}"
            what = f"The newest data of {about} are {minutes:.0f} minutes old; {limit:.0f} are the most."
        yield Finding(name, minutes > limit, minutes <= limit, timedelta(0), what)


def _still(measured: pl.DataFrame, region: Region) -> Finding:
    """Zones whose newest values are the same for too long."""
    names = [zone.name for zone in region.zones]
    told = measured.filter(pl.col("number") == Number.AGE, pl.col("about").is_in(names))
    limit = STILL_INTERVALS * region.interval / timedelta(minutes=1)
    shown = told.filter(pl.col("value") >= limit).sort("value", "about", descending=[True, False])
    zones = ", ".join(f"{about} for {minutes:.0f} minutes" for about, minutes in shown.select("about", "value").rows())
    what = f"The value does not change: {zones}." if zones else "Every zone changes."
    return Finding(STILL, not shown.is_empty(), shown.is_empty(), timedelta(0), what)


def _shares(measured: pl.DataFrame, region: Region) -> Iterator[Finding]:
    delay = PATIENCE * region.interval
    told = measured.filter(pl.col("number") == Number.FRESH)
    for minutes, share in told.filter(pl.col("about") == "").select("minutes", "value").iter_rows():
        if minutes == DAY:
            continue
        what = f"{share:.0%} of the intervals of the last {minutes} minutes had a nowcast in time."
        yield Finding(STALE, share < 1 - MOST_RULES, share > 1 - MOST_RULES * (1 - DEAD_BAND), delay, what)
        ruled = by_rule(told.filter(pl.col("minutes") == minutes))
        what = f"Rules answered {ruled:.0%} of the last {minutes} minutes in place of the model."
        yield Finding(RULES, ruled > MOST_RULES, ruled < MOST_RULES * (1 - DEAD_BAND), delay, what)


def _counts(measured: pl.DataFrame, region: Region) -> Iterator[Finding]:
    """Withheld values, the time of the loop, and the heartbeat."""
    told = measured.filter(pl.col("number") == Number.WITHHELD).sort("value", "about", descending=[True, False])
    nothing = "", 0.0, 0
    about, count, minutes = told.select("about", "value", "minutes").row(0) if len(told) else nothing
    name = about or region.name
    what = f"{name}: {count:.0f} values or nowcasts were withheld in {minutes} minutes; {PATIENCE} are too many."
    yield Finding(WITHHELD, count >= PATIENCE, count == 0, timedelta(0), what)
    for number, alarm in ((Number.LOOP, SLOW), (Number.HEARTBEAT, HEARTBEAT)):
        for (value,) in measured.filter(pl.col("number") == number).select("value").iter_rows():
            if number is Number.LOOP:
                limit = SHARE_OF_INTERVAL * region.interval.total_seconds()
                what = f"A nowcast took {value:.0f} seconds from its data to its publication; {limit:.0f} are the most."
                is_back = value < limit * (1 - DEAD_BAND)
            else:
                limit = longest_silence(region) / timedelta(minutes=1)
                what = f"The outside address has not taken the heartbeat for {value:.0f} minutes."
                is_back = value == 0
            yield Finding(alarm, value > limit, is_back, timedelta(0), what)


def _figures(measured: pl.DataFrame, region: Region, limits: WatchLimits) -> Iterator[Finding]:
    """One finding for each figure: it is beyond if any series is, and back if every series is."""
    key = ["number", "about", "minutes", "block"]
    rows = limits.rows.rename({"figure": "number", "series": "about"})
    both = measured.join(rows, on=key, how="inner", nulls_equal=True)
    size = pl.when(pl.col("number") == BIAS).then(pl.col("value").abs()).otherwise("value")
    # Coverage is too low, every other figure too high: the way from the usual value to the limit is 1 either way.
    way = pl.col("limit") - pl.col("usual")
    both = both.with_columns(way=pl.when(way != 0).then((size - pl.col("usual")) / way))
    for (figure, minutes), alarm in FIGURES.items():
        own = both.filter(pl.col("number") == figure, pl.col("minutes") == minutes).drop_nulls("way")
        if own.is_empty():
            continue
        worst = own.sort("way", "about", descending=[True, False])
        most = worst["way"][0]
        shown = worst.filter(pl.col("way") > 1)
        told = "; ".join(_told(one) for one in (shown if len(shown) else worst).head(FEW).iter_rows(named=True))
        more = f" and {len(shown) - FEW} more series" if len(shown) > FEW else ""
        what = f"{alarm.capitalize()}: {told}{more}."
        yield Finding(alarm, most > 1, most < 1 - DEAD_BAND, PATIENCE * region.interval, what)


def _told(one: Mapping[str, object]) -> str:
    hours = "" if one["block"] is None else f" at {_hours(one['block'])}"
    return (
        f"{one['about'] or ALL_SERIES}{hours} {one['value']:.2f} (usual {one['usual']:.2f}, limit {one['limit']:.2f})"
    )


def _hours(block: object) -> str:
    begin = int(str(block)) * BLOCK_HOURS
    return f"{begin:02d}-{begin + BLOCK_HOURS:02d} o'clock"
