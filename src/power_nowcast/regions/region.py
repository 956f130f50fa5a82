"""The region file: time zone, zones, interval, sources and their delays, and the name of its registered model."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import holidays
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from power_nowcast.contracts import Table
from power_nowcast.contracts.times import EPOCH
from power_nowcast.errors import UnknownHorizonError, UnknownSeriesError
from power_nowcast.regions.keys import (
    Days,
    Latitude,
    Longitude,
    Megawatts,
    Minutes,
    Name,
    Options,
    Spacing,
    Text,
    TimeOfDay,
    Variable,
    Weight,
    wrong,
)
from power_nowcast.regions.units import Unit

MAX_HORIZON_MINUTES = 60
MOST_TOGETHER = 100
"""A region of more zones is worked on by blocks."""


@cache
def time_zones() -> set[str]:
    """Names of time zones, without those that stand for a machine's own setting or for nothing. To look them up takes
    longer than to read a small file.
    """
    return available_timezones() - {"localtime", "Factory"}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Station(_Frozen):
    """The place of a weather station, or of a point of a forecast's grid."""

    name: Name
    latitude: Latitude
    longitude: Longitude


Kind = Literal["load", "wind", "solar"]
"""Kinds of zones."""


class Zone(_Frozen):
    """A part of the region with a series of its own; the coordinates are those of the centre of its load or plants."""

    name: Name
    kind: Kind = "load"
    latitude: Latitude
    longitude: Longitude
    max_mw: Megawatts = Field(description="Above this a value is implausible.")
    allow_zero: bool = Field(False, description="Zero is a true value of this zone, not a missing one.")
    weather: Mapping[Name, Weight] = Field(
        default_factory=dict, description="Weights of weather stations; by distance if absent."
    )


class Schedule(_Frozen):
    """The time at which the forecast of a local day appears, for files that do not say when they were written."""

    time: TimeOfDay = Field(description="Local time of day.")
    days_before: Days = 1


class SourceSpec(_Frozen):
    """The source of a table's rows, and the meaning of their stamps."""

    source: Name = Field(description="Kind of source, see docs/data.md.")
    label: Literal["instant", "start", "end"] = "end"
    interval_minutes: Spacing | None = Field(None, description="Spacing of the rows, if not the region's.")
    delay_minutes: Minutes = Field(0, description="Minutes from `valid_at` until a row of an archive counts as known.")
    schedule: Schedule | None = Field(None, description="When the rows of a day count as known, in place of a delay.")
    variables: tuple[Variable, ...] = Field((), description="Weather only: the columns that features read.")
    limits: Mapping[Name, tuple[float, float]] = Field(
        default_factory=dict, description="Weather only: least and most plausible value, by variable or series."
    )
    options: Options = Field(default_factory=dict, description="Options of this kind of source.")

    @field_validator("variables")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _unique("variables", value)
        return value

    @field_validator("limits")
    @classmethod
    def _in_order(cls, value: Mapping[str, tuple[float, float]]) -> Mapping[str, tuple[float, float]]:
        if wrong := [name for name, (low, high) in value.items() if low >= high]:
            raise ValueError(f"{wrong[0]}: the least plausible value comes first, then the most")
        return value


class Holidays(_Frozen):
    country: Text
    subdivision: Text | None = None

    @model_validator(mode="after")
    def _known_to_the_package(self) -> Self:
        try:
            holidays.country_holidays(self.country, subdiv=self.subdivision)
        except NotImplementedError as error:
            raise wrong(str(error).rstrip("."), key="holidays", value=self.model_dump(exclude_none=True)) from error
        return self


def _unique(key: str, names: Sequence[str], taken: Iterable[str] = ()) -> None:
    """Raise if a name occurs twice in `names`, or is in `taken`; `key` has {} where the place of the name belongs."""
    known = set(taken)
    for place, name in enumerate(names):
        if name in known:
            raise wrong("The name is taken already", key=key.format(place), value=name)
        known.add(name)


class Region(_Frozen):
    """One region. `series` lists what is nowcast: the total first, then the zones."""

    name: Name = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    title: Text
    unit: Unit = Field(
        "MW",
        # A region in MW is written as before there was a choice, so that digests of bundles and recipes stay.
        exclude_if=lambda unit: unit == "MW",
        description="Unit of its files, reports, plots and explanations; MW inside, in tables and in answers.",
    )
    timezone: Text
    interval_minutes: Literal[5, 10, 15, 30, 60]
    model: Name = Field(pattern=r"^[^/:]+$", description="Name of its registered model.")
    total: Name | None = Field(None, description="Name of the sum of the zones, where the region has one.")
    zones: tuple[Zone, ...] = Field(min_length=1)
    holidays: Holidays | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="Whose holidays its people keep; without it no day is a holiday.",
    )
    power: SourceSpec
    forecast: SourceSpec | None = None
    weather: SourceSpec | None = None
    weather_forecast: SourceSpec | None = None
    stations: tuple[Station, ...] = Field((), description="Places of weather stations, to weight them by distance.")
    features: tuple[Literal["quality", "holidays"], ...] = Field(
        (), description="Families beyond those of every region."
    )

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        if value not in time_zones():
            raise wrong("The value must be an IANA time zone such as America/New_York")
        return value

    @field_validator("interval_minutes", mode="before")
    @classmethod
    def _whole_minutes(cls, value: object) -> object:
        if type(value) is not int:
            raise wrong("The value must be a whole number of minutes: 5, 10, 15, 30 or 60")
        return value

    @field_validator("zones")
    @classmethod
    def _differ(cls, value: tuple[Zone, ...], info: ValidationInfo) -> tuple[Zone, ...]:
        total = info.data.get("total")
        _unique("zones.{}.name", [zone.name for zone in value], () if total is None else (total,))
        return value

    @field_validator("stations")
    @classmethod
    def _placed_once(cls, value: tuple[Station, ...]) -> tuple[Station, ...]:
        _unique("stations.{}.name", [station.name for station in value])
        return value

    @field_validator("features")
    @classmethod
    def _asked_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _unique("features.{}", value)
        return value

    @model_validator(mode="after")
    def _hours_begin_together(self) -> Self:
        """An hour of local time has to be an hour of UTC, because the grid lies in UTC."""
        now = datetime.now(UTC)
        offsets = [self.tz.utcoffset(now + timedelta(days=days)) for days in (0, 91, 182, 273)]
        if self.interval_minutes == MAX_HORIZON_MINUTES and any(one % timedelta(hours=1) for one in offsets if one):
            raise wrong(
                "Regions of 60 minutes need a time zone that differs from UTC by whole hours",
                key="timezone",
                value=self.timezone,
            )
        return self

    @model_validator(mode="after")
    def _power_fills_slots(self) -> Self:
        spacing = self.power.interval_minutes
        if spacing is not None and self.interval_minutes % spacing:
            raise wrong(
                f"The spacing of power must be the region's {self.interval_minutes} minutes or a part of them",
                key="power.interval_minutes",
                value=spacing,
            )
        return self

    @model_validator(mode="after")
    def _variables_of_weather(self) -> Self:
        for table, spec in self.specs.items():
            if spec.variables and not table.is_weather:
                raise wrong(
                    "Only tables of weather have variables", key=f"{table.value}.variables", value=list(spec.variables)
                )
        return self

    @model_validator(mode="after")
    def _known_stations(self) -> Self:
        read = self.weather_stations
        named = [(f"zones.{n}.weather", name) for n, zone in enumerate(self.zones) for name in zone.weather]
        named += [(f"stations.{n}.name", station.name) for n, station in enumerate(self.stations)]
        for key, name in named:
            if name not in read:
                raise wrong("No variable of weather is of this station", key=key, value=name)
        unplaced = sorted(read - {station.name for station in self.stations})
        if self.weighs_stations and unplaced and not all(zone.weather for zone in self.zones):
            raise wrong(
                f"Where a zone has no weights of stations, the place of every station must be known; "
                f"stations lacks {', '.join(unplaced[:10])}",
                key="stations",
                value=[station.name for station in self.stations],
            )
        return self

    def __hash__(self) -> int:
        # `options` may hold unhashable values; equality still compares everything.
        return hash((self.name, self.timezone))

    @property
    def series(self) -> tuple[str, ...]:
        names = tuple(zone.name for zone in self.zones)
        return names if self.total is None else (self.total, *names)

    def kind_of(self, series: str) -> Kind | None:
        """What a series is; of the total what its zones are, None where they are of several kinds."""
        kinds = {zone.kind for zone in self.zones if series in (zone.name, self.total)}
        return kinds.pop() if len(kinds) == 1 else None

    @property
    def is_many(self) -> bool:
        """Whether it has so many zones that it is worked on by blocks."""
        return len(self.zones) > MOST_TOGETHER

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def interval(self) -> timedelta:
        """The time from one slot of the region's grid to the next."""
        return timedelta(minutes=self.interval_minutes)

    def slot(self, time: datetime) -> datetime:
        """The last slot of the region's grid up to a time, in UTC; slots are whole in UTC."""
        return time.astimezone(UTC) - (time - EPOCH) % self.interval

    @property
    def steps_minutes(self) -> tuple[int, ...]:
        """The horizons that are nowcast: every interval up to an hour."""
        return tuple(range(self.interval_minutes, MAX_HORIZON_MINUTES + 1, self.interval_minutes))

    @property
    def centre(self) -> tuple[float, float]:
        """Mean latitude and longitude of the zones: the place whose sun stands for the total."""
        n = len(self.zones)
        return sum(z.latitude for z in self.zones) / n, sum(z.longitude for z in self.zones) / n

    @property
    def weather_stations(self) -> frozenset[str]:
        """Names of the stations whose variables, observed or forecast, features read."""
        specs = [spec for spec in (self.weather, self.weather_forecast) if spec is not None]
        return frozenset(name.rpartition(".")[0] for spec in specs for name in spec.variables)

    @property
    def weighs_stations(self) -> bool:
        """Whether a zone's weather is the weighted mean of stations; if not, every station is read separately."""
        return bool(self.stations) or any(zone.weather for zone in self.zones)

    @property
    def specs(self) -> dict[Table, SourceSpec]:
        """The source of each table that the region has."""
        return {table: spec for table in Table if (spec := self.spec(table)) is not None}

    def spec(self, table: Table) -> SourceSpec | None:
        """The source of a table's rows, None if the region has no such table."""
        found: SourceSpec | None = getattr(self, table.value)
        return found

    def check_series(self, name: str) -> str:
        """`name` if it is one of the region's series, else UnknownSeriesError."""
        if name not in self.series:
            raise UnknownSeriesError(
                f"{self.name} has no series {name!r}.",
                remedy=f"Use one of: {', '.join(self.series)}.",
                region=self.name,
                series=name,
            )
        return name

    def check_horizon(self, minutes: int) -> int:
        """`minutes` if it is one of the region's steps, else UnknownHorizonError."""
        if minutes not in self.steps_minutes:
            raise UnknownHorizonError(
                f"{self.name} is not nowcast {minutes} minutes ahead.",
                remedy=f"Use one of: {', '.join(map(str, self.steps_minutes))}.",
                region=self.name,
                horizon=minutes,
            )
        return minutes
