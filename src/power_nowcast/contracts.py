"""What crosses the borders between packages: tables, arrays, and the meaning of each time in them.

Times are UTC. `valid_at` is the END of the interval that a value measures (or its instant). `available_at` is when the
value could first have been known, `basis` says how that is known, `first_seen_at` is when this system stored it.
In arrays times are `datetime64[m]` (naive, UTC), in tables `Datetime("us", "UTC")`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import polars as pl
from numpy.typing import NDArray

QUANTILES: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Levels of every nowcast: the median and the bands of 50, 80 and 90 %."""

MEDIAN = QUANTILES.index(0.5)

UTC = pl.Datetime("us", "UTC")

type Times = NDArray[np.datetime64]
type Floats = NDArray[np.float64]


class Basis(StrEnum):
    """How `available_at` is known."""

    SEEN = "seen"  # this system received the row then
    WRITTEN = "written"  # the publisher's own time of the file
    SCHEDULE = "schedule"  # the publisher's fixed hour of publication
    DELAY = "delay"  # an archive: valid_at plus the source's usual delay; a backtest may add its own


class Table(StrEnum):
    """The point-in-time tables; all share `VALUES`."""

    POWER = "power"
    WEATHER = "weather"  # as observed
    FORECAST = "forecast"  # the operator's own, of power
    WEATHER_FORECAST = "weather_forecast"

    @property
    def is_forecast(self) -> bool:
        """Whether a time has several vintages, each told at a time of its own, and none of them replaces another."""
        return self in (Table.FORECAST, Table.WEATHER_FORECAST)

    @property
    def is_weather(self) -> bool:
        """Whether its series are variables, `STATION.variable`, and not zones."""
        return self in (Table.WEATHER, Table.WEATHER_FORECAST)


VALUES = pl.Schema(
    {
        "region": pl.String(),
        "series": pl.String(),  # a zone or the total; "STATION.variable" for weather and its forecasts
        "valid_at": UTC,
        "value": pl.Float64(),  # MW; weather in the unit that the variable's name ends with
        "available_at": UTC,
        "basis": pl.String(),
        "first_seen_at": UTC,
        "source": pl.String(),
    }
)
"""One row a value and version. A correction, or another vintage of a forecast, is a further row of the same key."""

QUARANTINE = pl.Schema(
    {
        "region": pl.String(),
        "table": pl.String(),
        "series": pl.String(),
        "at": UTC,  # what its stamp means, as the publisher labels it; null where it cannot be read
        "stamp": pl.String(),  # as received
        "value": pl.String(),  # as received
        "reason": pl.String(),  # a Reason
        "detail": pl.String(),
        "origin": pl.String(),  # file or address
        "first_seen_at": UTC,
    }
)


class Reason(StrEnum):
    """Why a row is in quarantine."""

    NEGATIVE = "negative"
    IMPLAUSIBLE = "implausible"
    SPIKE = "spike"
    FLAT = "flat line"
    DUPLICATE = "duplicate"
    UNKNOWN_SERIES = "unknown zone"
    UNREADABLE_STAMP = "unreadable stamp"
    AMBIGUOUS_STAMP = "ambiguous stamp"
    NOT_A_NUMBER = "not a number"


class Flag(StrEnum):
    """What is to be known of a value, or of a slot without one, beyond the number."""

    SPIKE = "spike"  # jumped away and returned: kept out of the tables
    STUCK = "stuck"  # repeated what stuck telemetry said: kept out of the tables
    INTERPOLATED = "interpolated"  # lies on a straight line between others: filled in, not measured
    ESTIMATED = "estimated"  # the operator's own forecast in place of a measurement
    LATE = "late"  # known later than is usual of its source, or corrected


INTERPOLATED_SAMPLES = 6
"""Values in a row that lie midway between their neighbours, as rounded as they are, from which somebody drew a line."""
RUGGED = 2
"""A line says nothing of a series whose usual deviation from its neighbours is less than so many of its roundings."""
STEEP = 5
"""A line rises or falls by more than so many roundings a value: less is what calm wind does by itself."""
ESTIMATED_SAMPLES = 4
"""Values in a row that equal the operator's forecast, while it moves, from which it stands in for a measurement."""
LATE_SLOTS = 3
"""Intervals after the time at which a value is usually known, from which it is late."""
CALM_SHARE = 0.01
"""Below this share of the plausible maximum equal values are calm, not stuck: wind and sun stand still."""


@dataclass(frozen=True)
class Manifest:
    """What a table held: enough to tell whether two runs read the same data, and to read it again.

    `sha256` is taken over the sorted logical rows without ingest times, so it does not depend on how they were
    appended.
    """

    table: str
    version: int
    rows: int
    first: str | None
    last: str | None
    sha256: str


@dataclass(frozen=True)
class Panel:
    """What was known of one region, as dense grids: the only input of the feature kernel.

    `power[i, s]` is the load of `series[s]` at `start + i * step` (interval end), NaN where unknown.
    `weather[i, w]` is the latest report known at that slot, NaN where none is recent.
    `forecast[k, s]` is the operator's own forecast for `series[s]`, mean MW of the interval that ends at
    `forecast_start + k * forecast_step`. Its grid reaches past the power grid's end: the only part of the future in
    here, with `weather_forecast[k, v]`, the newest forecast of `weather_forecast_names[v]` that was told before
    `weather_forecast_start + k * weather_forecast_step`, NaN where none was.
    `kept_out[i, s]` is 1 where a spike and 2 where stuck telemetry is in quarantine, `lateness[i, s]` how many minutes
    after its usual time the value was known; both are empty where nobody reads them or nobody knows.

    The grids hold the state at `known_at`. `patches` change them at later times, in order of `available_at`: late rows,
    corrections, forecast vintages; a panel without patches is a live window. Row `i` of power is never read for an
    issue time before `start + i * step + delay_minutes`, so rows that came by then need no patch.
    """

    region: str
    start: np.datetime64
    step_minutes: int
    series: tuple[str, ...]
    power: Floats
    weather_names: tuple[str, ...]
    weather: Floats
    forecast_start: np.datetime64
    forecast_step_minutes: int
    forecast: Floats
    known_at: np.datetime64
    patches: "Patches" = field(default_factory=lambda: Patches.none())  # noqa: PLW0108 - Patches comes further down
    weather_forecast_names: tuple[str, ...] = ()
    weather_forecast_start: np.datetime64 = field(default_factory=lambda: np.datetime64(0, "m"))
    weather_forecast_step_minutes: int = 60
    weather_forecast: Floats = field(default_factory=lambda: np.empty((0, 0)))
    kept_out: Floats = field(default_factory=lambda: np.empty((0, 0)))
    lateness: Floats = field(default_factory=lambda: np.empty((0, 0)))
    delay_minutes: int = 0

    @property
    def times(self) -> Times:
        """`valid_at` of every slot, shape (time,)."""
        return self.start + np.arange(len(self.power)) * np.timedelta64(self.step_minutes, "m")

    @property
    def end(self) -> np.datetime64:
        """`valid_at` of the last slot."""
        return self.start + (len(self.power) - 1) * np.timedelta64(self.step_minutes, "m")


@dataclass(frozen=True)
class Patches:
    """Changes of a panel's grids, sorted by `available_at`; all arrays of shape (patch,).

    `grid` names the grid, as `features.panel` numbers them; `slot` and `column` address the cell.
    """

    available_at: Times
    grid: NDArray[np.int8]
    slot: NDArray[np.int64]
    column: NDArray[np.int64]
    value: NDArray[np.float64]

    @staticmethod
    def none() -> "Patches":
        return Patches(
            np.empty(0, "datetime64[m]"),
            np.empty(0, np.int8),
            np.empty(0, np.int64),
            np.empty(0, np.int64),
            np.empty(0, np.float64),
        )


@dataclass(frozen=True)
class FeatureBlock:
    """Features of many issue times and series, and what a prediction starts from.

    Shapes: `x` (issue, series, feature) float32; `origin_mw`, `age_minutes` and `scale_mw` (issue, series).
    `origin_mw` is the last known value and `age_minutes` how long before the issue time it was valid; a series without
    any value recent enough has NaN in both. Features are those of the origin, not of the issue time.
    `scale_mw` is the unit of features and ramps: 1 MW for load, the recent peak for wind and solar power.
    `horizons` holds for each feature the knot in minutes that it belongs to, 0 where it serves every horizon.
    """

    issue_times: Times
    series: tuple[str, ...]
    names: tuple[str, ...]
    horizons: tuple[int, ...]
    x: NDArray[np.float32]
    origin_mw: Floats
    age_minutes: Floats
    scale_mw: Floats

    def take(self, issues: NDArray[np.int64] | NDArray[np.bool_]) -> "FeatureBlock":
        """The block of some issue times, by index or mask."""
        return FeatureBlock(
            self.issue_times[issues],
            self.series,
            self.names,
            self.horizons,
            self.x[issues],
            self.origin_mw[issues],
            self.age_minutes[issues],
            self.scale_mw[issues],
        )

    def only(self, series: Sequence[str]) -> "FeatureBlock":
        """The block of some series, in this order."""
        places = [self.series.index(name) for name in series]
        return FeatureBlock(
            self.issue_times,
            tuple(series),
            self.names,
            self.horizons,
            self.x[:, places],
            self.origin_mw[:, places],
            self.age_minutes[:, places],
            self.scale_mw[:, places],
        )


@dataclass(frozen=True)
class Nowcasts:
    """Quantiles in MW of many issue times: `values` has shape (issue, series, step, quantile), never crossing.

    `steps_minutes` counts from the issue time. NaN where the data did not carry an answer.
    """

    region: str
    issue_times: Times
    series: tuple[str, ...]
    steps_minutes: tuple[int, ...]
    values: Floats
    quantiles: tuple[float, ...] = QUANTILES


PREDICTIONS = pl.Schema(
    {
        "series": pl.String(),
        "issue_time": UTC,
        "horizon_min": pl.Int64(),
        **{f"q{round(100 * level):02d}": pl.Float64() for level in QUANTILES},
    }
)
"""Nowcasts as a table: what backtests export as Parquet and the accuracy protocols score."""


def to_table(nowcasts: Nowcasts) -> pl.DataFrame:
    """Nowcasts as rows of `PREDICTIONS`; rows without an answer are left out."""
    n, s, h, q = nowcasts.values.shape
    flat = nowcasts.values.reshape(-1, q)
    frame = pl.DataFrame(
        {
            "series": np.tile(np.repeat(np.array(nowcasts.series), h), n),
            "issue_time": np.repeat(nowcasts.issue_times.astype("datetime64[us]"), s * h),
            "horizon_min": np.tile(np.array(nowcasts.steps_minutes, np.int64), n * s),
            **{f"q{round(100 * level):02d}": flat[:, i] for i, level in enumerate(nowcasts.quantiles)},
        }
    )
    answered = np.isfinite(flat).all(axis=1)
    return frame.with_columns(pl.col("issue_time").dt.replace_time_zone("UTC")).filter(pl.Series(answered))


def from_table(
    frame: pl.DataFrame,
    region: str,
    *,
    issue_times: Times | None = None,
    series: tuple[str, ...] | None = None,
    steps_minutes: tuple[int, ...] | None = None,
) -> Nowcasts:
    """Nowcasts from rows as `to_table` makes them; what no row answers is NaN.

    The grid is that of the rows unless it is given; levels are those of the columns, `q05` and so on. Series that are
    not given come in the order in which they first appear.
    """
    issues = np.unique(_minutes(frame["issue_time"])) if issue_times is None else issue_times
    names = tuple(frame["series"].unique(maintain_order=True)) if series is None else series
    steps = tuple(sorted(frame["horizon_min"].unique())) if steps_minutes is None else steps_minutes
    columns = sorted(name for name in frame.columns if name[0] == "q" and name[1:].isdigit())
    rows = frame.filter(pl.col("series").is_in(names) & pl.col("horizon_min").is_in(steps))
    when = _minutes(rows["issue_time"])
    place = np.searchsorted(issues, when)
    on_grid = (place < len(issues)) & (issues[np.minimum(place, len(issues) - 1)] == when)
    values = np.full((len(issues), len(names), len(steps), len(columns)), np.nan)
    number = {name: i for i, name in enumerate(names)}
    column = rows["series"].replace_strict(number, return_dtype=pl.Int64).to_numpy()[on_grid]
    step = np.searchsorted(np.array(steps), rows["horizon_min"].to_numpy())[on_grid]
    values[place[on_grid], column, step] = rows.select(pl.col(columns).cast(pl.Float64)).to_numpy()[on_grid]
    return Nowcasts(region, issues, names, steps, values, tuple(int(name[1:]) / 100 for name in columns))


def _minutes(times: pl.Series) -> Times:
    """Times of a table as arrays hold them."""
    return times.dt.replace_time_zone(None).dt.cast_time_unit("us").to_numpy().astype("datetime64[m]")
