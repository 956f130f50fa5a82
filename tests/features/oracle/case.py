"""One question to the oracle: a series at an issue time, and the origin that it has then."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from typing import Protocol

from power_nowcast.regions import Region
from tests.features.oracle.clock import DAY, days_before, kind_of_day
from tests.features.oracle.known import Known

type Features = Iterator[tuple[str, float]]
"""Names and values, in the order of a feature block."""


class Spec(Protocol):
    """Which features there are: spans in minutes, days counted back from the origin."""

    @property
    def knots(self) -> tuple[int, ...]: ...  # horizons, from the origin on
    @property
    def lags(self) -> tuple[int, ...]: ...  # over which the series' own ramps are taken
    @property
    def rolling(self) -> tuple[int, ...]: ...  # of means and spreads
    @property
    def ranges(self) -> tuple[int, ...]: ...  # of the least and the most
    @property
    def neighbour_lags(self) -> tuple[int, ...]: ...  # of the ramps of all series beside it
    @property
    def excess(self) -> tuple[int, ...]: ...  # over which today's ramp is held against that of days before
    @property
    def days(self) -> tuple[int, ...]: ...  # past days that are told one by one
    @property
    def type_days(self) -> tuple[int, ...]: ...  # how many of them sharp means reach back
    @property
    def analog_days(self) -> int: ...  # among how many of them analogs are looked for
    @property
    def analogs(self) -> int: ...  # how many analogs count
    @property
    def smoothing(self) -> int: ...  # radius within which past values are averaged


@dataclass(frozen=True)
class Case:
    """`origin` is the newest slot of `series` with a value, in minutes since 1970."""

    known: Known
    region: Region
    spec: Spec
    series: str
    origin: int

    @property
    def step(self) -> int:
        return self.region.interval_minutes

    @property
    def place(self) -> tuple[float, float]:
        """Latitude and longitude of the zone; the total stands in the middle of its zones."""
        zones = {zone.name: (zone.latitude, zone.longitude) for zone in self.region.zones}
        if self.series in zones:
            return zones[self.series]
        of_zones = list(zones.values())
        return sum(p[0] for p in of_zones) / len(of_zones), sum(p[1] for p in of_zones) / len(of_zones)

    @property
    def kind(self) -> str:
        """load, wind or solar; a total of zones of several kinds is a load."""
        kinds = {zone.name: zone.kind for zone in self.region.zones}
        of_zones = set(kinds.values())
        return kinds.get(self.series, of_zones.pop() if len(of_zones) == 1 else "load")

    @property
    def max_mw(self) -> float:
        """The plausible maximum."""
        zones = {zone.name: zone.max_mw for zone in self.region.zones}
        return zones.get(self.series, sum(zones.values()))

    @property
    def reach_days(self) -> int:
        """The furthest day that is looked at."""
        return max(*self.spec.days, *self.spec.type_days, self.spec.analog_days)

    @property
    def middle(self) -> float:
        """What the origin's value stands for: the middle of its interval, the end itself for instants."""
        return self.middle_of(self.origin)

    def middle_of(self, slot: float) -> float:
        return slot if self.region.power.label == "instant" else slot - self.step / 2

    def mw(self, at: float) -> float:
        return self.known.power(self.series, at)

    def smoothed(self, at: float) -> float:
        return self.known.smoothed(self.series, at, self.spec.smoothing)

    def told(self, slot: float) -> float:
        """What the operator had forecast for what a slot stands for."""
        return self.known.told(self.series, self.middle_of(slot))

    @cached_property
    def past(self) -> dict[int, int]:
        """By how many days ago: the slot of the same local time, where it has a value."""
        days = range(1, self.reach_days + 1)
        slots = {day: days_before(self.origin, day, self.region.timezone) for day in days}
        return {day: slot for day, slot in slots.items() if not isnan(self.mw(slot))}

    @cached_property
    def alike(self) -> list[int]:
        """The past days that are of the origin's kind: workday, bridge, Saturday, Sunday or holiday."""
        kind = kind_of_day(self.region, self.origin)
        return [day for day, slot in self.past.items() if kind_of_day(self.region, slot) == kind]

    @cached_property
    def last_day(self) -> list[int]:
        """The slots of the day that ends with the origin."""
        return list(range(self.origin - DAY + self.step, self.origin + 1, self.step))
