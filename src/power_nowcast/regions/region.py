"""The region file: time zone, zones, interval, sources and their delays, and the name of its registered model."""

import datetime as dt
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import holidays
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from power_nowcast.contracts import Table
from power_nowcast.errors import ConfigurationError, UnknownHorizonError, UnknownRegionError, UnknownSeriesError
from power_nowcast.settings import settings

MAX_HORIZON_MINUTES = 60


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Station(_Frozen):
    """Where a weather station (or a point of a forecast's grid) stands."""

    name: str = Field(min_length=1)
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class Zone(_Frozen):
    """A part of the region with a series of its own; coordinates are those of its load (or plants') centre."""

    name: str = Field(min_length=1)
    kind: Literal["load", "wind", "solar"] = "load"
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    max_mw: float = Field(gt=0, description="Above this a value is implausible.")
    allow_zero: bool = Field(False, description="Zero is a value of this zone, and not what stands for a missing one.")
    weather: Mapping[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="Weights of weather stations; by distance where it names none."
    )


class Schedule(_Frozen):
    """When a publisher's forecast of a local day appears, for files that do not say when they were written."""

    time: dt.time = Field(description="Local time of day.")
    days_before: int = Field(1, ge=0, le=14)


class SourceSpec(_Frozen):
    """Where a table's rows come from and what their stamps mean."""

    source: str = Field(description="Kind of source, see docs/data.md.")
    label: Literal["instant", "start", "end"] = "end"
    interval_minutes: int | None = Field(None, gt=0, description="Spacing of the rows, if not the region's.")
    delay_minutes: int = Field(0, ge=0, description="From `valid_at` until a row of an archive counts as known.")
    schedule: Schedule | None = Field(None, description="When the rows of a day count as known, in place of a delay.")
    variables: tuple[str, ...] = Field((), description="Weather only: the columns that features read.")
    limits: Mapping[str, tuple[float, float]] = Field(
        default_factory=dict, description="Weather only: least and most plausible value, by variable or series."
    )
    options: Mapping[str, Any] = Field(default_factory=dict, description="What only this kind of source understands.")

    @field_validator("limits")
    @classmethod
    def _in_order(cls, value: Mapping[str, tuple[float, float]]) -> Mapping[str, tuple[float, float]]:
        if wrong := [name for name, (low, high) in value.items() if low >= high]:
            raise ValueError(f"{wrong[0]}: the least plausible value comes first, then the most")
        return value


class Holidays(_Frozen):
    country: str
    subdivision: str | None = None

    @model_validator(mode="after")
    def _known_to_the_package(self) -> Self:
        try:
            holidays.country_holidays(self.country, subdiv=self.subdivision)
        except NotImplementedError as error:
            raise ValueError(str(error)) from error
        return self


class Region(_Frozen):
    """One region. `series` lists what is nowcast: the total first, then the zones."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    title: str
    timezone: str
    interval_minutes: Literal[5, 10, 15, 30]
    model: str = Field(pattern=r"^[^/:]+$", description="Name of its registered model.")
    total: str | None = Field(None, description="Name of the sum of the zones, where the region has one.")
    zones: tuple[Zone, ...] = Field(min_length=1)
    holidays: Holidays
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
        if value not in available_timezones():
            raise ValueError(f"{value!r} is no IANA time zone such as America/New_York")
        return value

    @model_validator(mode="after")
    def _unique_names(self) -> Self:
        if len(set(self.series)) != len(self.series):
            raise ValueError("zone names (and the total) must differ from each other")
        return self

    @model_validator(mode="after")
    def _known_stations(self) -> Self:
        read = self.weather_stations
        named = [(f"zone {zone.name}", name) for zone in self.zones for name in zone.weather]
        named += [("stations", station.name) for station in self.stations]
        for who, name in named:
            if name not in read:
                raise ValueError(f"{who}: no weather variable is of a station {name!r}")
        unplaced = sorted(read - {station.name for station in self.stations})
        if self.weighs_stations and unplaced and not all(zone.weather for zone in self.zones):
            raise ValueError(
                f"zones without weights of stations need the places of all; stations lacks {', '.join(unplaced)}"
            )
        return self

    def __hash__(self) -> int:
        # `options` may hold unhashable values; equality still compares everything.
        return hash((self.name, self.timezone))

    @property
    def series(self) -> tuple[str, ...]:
        names = tuple(zone.name for zone in self.zones)
        return names if self.total is None else (self.total, *names)

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def steps_minutes(self) -> tuple[int, ...]:
        """The horizons that are nowcast: every interval up to an hour."""
        return tuple(range(self.interval_minutes, MAX_HORIZON_MINUTES + 1, self.interval_minutes))

    @property
    def centre(self) -> tuple[float, float]:
        """Latitude and longitude of the zones' mean: where the sun of the total stands."""
        n = len(self.zones)
        return sum(z.latitude for z in self.zones) / n, sum(z.longitude for z in self.zones) / n

    @property
    def weather_stations(self) -> frozenset[str]:
        """Names of the stations whose variables, observed or forecast, features read."""
        specs = [spec for spec in (self.weather, self.weather_forecast) if spec is not None]
        return frozenset(name.rpartition(".")[0] for spec in specs for name in spec.variables)

    @property
    def weighs_stations(self) -> bool:
        """Whether a zone's weather is the weighted mean of stations, and not every station's by itself."""
        return bool(self.stations) or any(zone.weather for zone in self.zones)

    def spec(self, table: Table) -> SourceSpec | None:
        """Where a table's rows come from, None where the region has no such table."""
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


def _folders() -> list[Traversable | Path]:
    own = settings().regions
    if own is not None and not own.is_dir():
        raise ConfigurationError(
            f"NOWCAST_REGIONS names {own}, which is no folder.",
            remedy="Correct it in the environment or in .env.",
            variable="NOWCAST_REGIONS",
            value=str(own),
        )
    return [files(__package__), *([own] if own else [])]


def available() -> tuple[str, ...]:
    """Names of the regions that can be loaded by name.

    Raises:
        ConfigurationError: the folder of further region files is none.
    """
    names = {
        entry.name.removesuffix(".toml")
        for folder in _folders()
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    }
    return tuple(sorted(names))


def load(name_or_file: str | Path) -> Region:
    """The region of this name, or of this `.toml` file.

    Raises:
        UnknownRegionError: there is none of this name.
        ConfigurationError: the file is not a valid region; the message names the key.
    """
    text, origin = _read(str(name_or_file))
    try:
        return Region.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{origin} is not TOML: {error}.", remedy="Mend the line it names.", file=origin
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigurationError(
            f"{origin}: {key}: {first['msg']}.",
            remedy=f"Correct {key}; docs/regions.md lists the keys.",
            file=origin,
            key=key,
        ) from error


def _read(name: str) -> tuple[str, str]:
    if name.endswith(".toml"):
        return _text(Path(name), name), name
    for folder in reversed(_folders()):
        for entry in folder.iterdir():  # by its name there, so that a name is never a path
            if entry.name == f"{name}.toml":
                return _text(entry, entry.name), entry.name
    raise UnknownRegionError(
        f"There is no region {name!r}.",
        remedy=f"Use one of: {', '.join(available())}, or give the path of a .toml file.",
        region=name,
    )


def _text(entry: Traversable | Path, name: str) -> str:
    try:
        return entry.read_text(encoding="utf-8")
    except OSError as error:
        raise UnknownRegionError(
            f"The region file {name} cannot be read: {error.strerror}.", remedy="Check the path.", region=name
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"The region file {name} is not UTF-8 text.", remedy="Save it as UTF-8.", file=name
        ) from error
