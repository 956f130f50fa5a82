"""What was known at an issue time: of each time the version that was told last. `available_at` alone decides."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property, lru_cache
from math import floor, inf, isnan, nan
from typing import NamedTuple

from power_nowcast.regions import Region
from tests.features.oracle.sun import is_down

MAX_REPORT_AGE = 180
"""Minutes after which a report of weather says nothing any more."""


class Row(NamedTuple):
    """One version of one value."""

    table: str
    series: str
    valid_at: datetime
    available_at: datetime
    value: float
    basis: str = "seen"


class Refused(NamedTuple):
    """A value of power in quarantine: its slot, "spike" or "flat line", and when this system saw it."""

    series: str
    valid_at: datetime
    reason: str
    first_seen_at: datetime


class Version(NamedTuple):
    """A known value, and how many minutes after its time it was known (0 where an archive does not tell)."""

    value: float
    minutes_late: float


def as_of(rows: Iterable[Row], table: str, at: datetime) -> dict[tuple[str, datetime], float]:
    """What a table said at a time: of each series and `valid_at` the version that was known last."""
    known = [row for row in rows if row.table == table and row.available_at <= at]
    return {(row.series, row.valid_at): row.value for row in sorted(known, key=lambda row: row.available_at)}


def minutes(time: datetime) -> float:
    """Minutes since 1970."""
    return time.timestamp() / 60


def mean(values: Iterable[float]) -> float:
    """Mean of what is known, NaN if nothing is."""
    known = [value for value in values if not isnan(value)]
    return sum(known) / len(known) if known else nan


def on_grid(span: int, step: int) -> int:
    """A span as whole intervals, at least one."""
    return max(1, span // step) * step


def cubic(value_at: Callable[[int], float], place: float) -> float:
    """A Catmull-Rom spline through values at whole places: its slope at each is that between its two neighbours.

    Where the neighbour on the far side is unknown, the line goes on straight.
    """
    k = floor(place)
    w = place - k
    before, first, second, after = (value_at(k + n) for n in (-1, 0, 1, 2))
    slope = (second - before) / 2 if not isnan(before) else second - first
    next_slope = (after - first) / 2 if not isnan(after) else second - first
    return (
        first * (2 * w**3 - 3 * w**2 + 1)
        + slope * (w**3 - 2 * w**2 + w)
        + second * (3 * w**2 - 2 * w**3)
        + next_slope * (w**3 - w**2)
    )


@lru_cache(maxsize=100_000)
def _is_night(end: float, step: int, place: tuple[float, float]) -> bool:
    return is_down(end, step, *place)


class Known:
    """What was known at `issue`.

    Args:
        region: whose rows.
        rows: every version, in the order in which they were stored.
        refused: what is in quarantine.
        issue: minutes since 1970.
    """

    def __init__(self, region: Region, rows: Iterable[Row], refused: Iterable[Refused], issue: float) -> None:
        self.region, self.issue, self.refused = region, issue, list(refused)
        self.step = region.interval_minutes
        self.zones = [zone.name for zone in region.zones]
        self._sunlit = {zone.name: (zone.latitude, zone.longitude) for zone in region.zones if zone.kind == "solar"}
        self._begun = inf  # the first slot that any zone has a value of
        self._power: dict[tuple[str, float], Version] = {}
        self._smoothed: dict[tuple[str, float, int], float] = {}
        self._forecasts: dict[tuple[str, str, float], float] = {}
        self._reports: dict[str, list[tuple[float, ...]]] = {}
        for row in sorted(rows, key=lambda row: row.available_at):
            valid, available = minutes(row.valid_at), minutes(row.available_at)
            if available > issue:
                continue
            if row.table == "power" and valid <= issue:
                late = 0.0 if row.basis == "delay" else max(0.0, available - valid - region.power.delay_minutes)
                self._power[row.series, valid] = Version(row.value, late)
                self._begun = min(self._begun, valid)
            elif row.table in ("forecast", "weather_forecast"):
                # What was told after its time is no forecast, and weather of an archive may be what was observed.
                if available <= valid and not (row.table == "weather_forecast" and row.basis == "delay"):
                    self._forecasts[row.table, row.series, valid] = row.value
            elif row.table == "weather":
                insort(self._reports.setdefault(row.series, []), (valid, available, row.value))

    def power(self, series: str, at: float) -> float:
        """MW in the slot that ends at a time; the total is the sum of the zones and exists only where all do."""
        if series == self.region.total:
            return sum(self.power(zone, at) for zone in self.zones)
        version = self._version(series, at)
        return version.value if version else nan

    def _version(self, zone: str, at: float) -> Version | None:
        """What was told of a slot; of a night that a solar zone has told nothing of, nothing, known when it was over.

        Nights before the first value of all are not silent: nobody reported yet.
        """
        told = self._power.get((zone, at))
        if told is None and zone in self._sunlit and self._begun <= at <= self.issue and at % self.step == 0:
            return Version(0.0, 0.0) if _is_night(at, self.step, self._sunlit[zone]) else None
        return told

    def minutes_late(self, zone: str, at: float) -> float:
        """How much later than usual the value of a slot was known; NaN where there is none."""
        version = self._version(zone, at)
        return version.minutes_late if version else nan

    def smoothed(self, series: str, at: float, radius: int) -> float:
        """Mean of the slots at most `radius` minutes away, where the slot itself is known."""
        key = series, at, radius
        if key not in self._smoothed:
            reach = radius // self.step
            around = mean(self.power(series, at + n * self.step) for n in range(-reach, reach + 1))
            self._smoothed[key] = nan if isnan(self.power(series, at)) else around
        return self._smoothed[key]

    def last_slot(self, series: str, upto: float) -> int | None:
        """The newest slot with a value that ends by `upto` and is no older than three hours at the issue time."""
        slot = floor(upto / self.step) * self.step
        while slot >= self.issue - 180:
            if not isnan(self.power(series, slot)):
                return slot
            slot -= self.step
        return None

    def told(self, series: str, at: float) -> float:
        """The operator's forecast at a moment, MW: means of intervals stand at their middles."""
        spacing = self.forecast_spacing
        return cubic(lambda k: self.told_mean(series, k * spacing), at / spacing + 0.5)

    def told_mean(self, series: str, end: float) -> float:
        """The operator's forecast of the interval that ends at a time, as it was told last before that."""
        return self._forecasts.get(("forecast", series, end), nan)

    def told_weather(self, variable: str, at: float) -> float:
        """The forecast of a variable at a moment: it stands for instants."""
        spec = self.region.weather_forecast
        spacing = (spec and spec.interval_minutes) or self.step
        return cubic(lambda k: self._forecasts.get(("weather_forecast", variable, k * spacing), nan), at / spacing)

    @cached_property
    def forecast_spacing(self) -> int:
        """Minutes from one value of the operator's forecast to the next."""
        spec = self.region.forecast
        return (spec and spec.interval_minutes) or self.step

    def report(self, variable: str, at: float) -> float:
        """The report of the latest time in the three hours before, of those that were there; NaN if none was."""
        reports = self._reports.get(variable, [])
        recent = reports[bisect_left(reports, (at - MAX_REPORT_AGE,)) : bisect_right(reports, (at, inf))]
        there = [(valid, came, value) for valid, came, value in recent if came <= at]
        return max(there)[2] if there else nan
