"""Panels from the rows that a caller brings, and back: what a request carries."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.contracts import UTC, Floats, Grid, Panel, Times
from power_nowcast.errors import HistoryError, SourceFormatError
from power_nowcast.features.panel import add_total, unknown
from power_nowcast.regions import Region
from power_nowcast.regions.sun import fill_nights

FORECAST_PREFIX = "forecast."
MAX_NIGHT_MINUTES = 1440
"""Maximum minutes of a panel after its last observation, for solar zones without values at night."""


def optional_columns(region: Region) -> tuple[str, ...]:
    """Columns of `from_rows` beside `valid_at` and the zones: forecasts of power, of weather, and weather."""
    forecasts = region.series if region.forecast else ()
    weather = region.weather_forecast.variables if region.weather_forecast else ()
    observed = region.weather.variables if region.weather else ()
    return (*(f"{FORECAST_PREFIX}{name}" for name in (*forecasts, *weather)), *observed)


def from_rows(region: Region, rows: pl.DataFrame, *, until: np.datetime64 | None = None) -> Panel:
    """A panel from wide rows: `valid_at`, one column a zone, further ones as `to_rows` writes them.

    `valid_at` is ISO text with an offset, or UTC datetimes, on the region's grid. The total is the sum of the zones; a
    column of it is not read. `forecast.<series>` holds the operator's forecast at each `valid_at` that ends one of its
    intervals, also of the hours to come, `forecast.<variable>` that of weather, each as it was told last before its
    time; weather columns hold the latest report known at each row's time. What is in quarantine and how late values
    came is not carried: the features of the family `quality` that need it are NaN.

    The panel ends with the last row that holds an observation. Where a zone is solar it goes on to `until`, the issue
    time: while the sun is down its power is 0, whether there are rows of the night or not.

    Raises:
        SourceFormatError: a column is missing, unknown or not a number; a time is naive, repeated or off the grid.
        HistoryError: there are no rows.
    """
    zones = tuple(zone.name for zone in region.zones)
    _check_columns(region, rows, zones, (*region.series, *optional_columns(region)))
    if rows.is_empty():
        raise HistoryError("There are no rows.", remedy="Send recent observations, oldest first.", region=region.name)
    values = rows.with_columns(valid_at=_times(rows["valid_at"])).sort("valid_at")
    step = region.interval_minutes
    stamps = values["valid_at"].dt.replace_time_zone(None).to_numpy().astype("datetime64[us]")
    minutes = stamps.astype("datetime64[m]")
    if (off := (minutes != stamps) | (minutes.astype(np.int64) % step != 0)).any():
        raise _bad("valid_at", f"{stamps[off][0]} is not on the grid of {step} minutes")
    if (np.diff(minutes).astype(np.int64) == 0).any():
        repeated = minutes[1:][np.diff(minutes).astype(np.int64) == 0][0]
        raise _bad("valid_at", f"{repeated} occurs twice")

    power = np.full((len(minutes), len(region.series)), np.nan)
    for name in zones:
        power[:, region.series.index(name)] = _numbers(values, name)
    known = np.flatnonzero(np.isfinite(power).any(axis=1))
    if not len(known):
        raise HistoryError(
            "No row holds an observation.", remedy=f"Fill the columns {', '.join(zones)}.", region=region.name
        )
    start, end = minutes[known[0]], minutes[known[-1]]
    if until is not None and any(zone.kind == "solar" for zone in region.zones):
        nights = (until - end).astype("timedelta64[m]").astype(np.int64)
        end += np.timedelta64(min(max(int(nights), 0), MAX_NIGHT_MINUTES) // step * step, "m")
    panel = unknown(region, start, end, minutes[-1], known_at=end)
    grid = panel.power
    slot = (minutes - start).astype(np.int64) // step
    inside = (slot >= 0) & (slot < len(grid))
    grid.values[slot[inside]] = power[inside]
    fill_nights(grid.values, region, start)
    add_total(grid.values, region)
    for column, name in enumerate(panel.weather.names):
        if name in values.columns:
            panel.weather.values[slot[inside], column] = _numbers(values, name)[inside]
    for ahead in (panel.forecast, panel.weather_forecast):
        _write(ahead, values, minutes)
    return panel


def _write(forecast: Grid, rows: pl.DataFrame, minutes: Times) -> None:
    """Write what the rows say of forecasts; columns are there even if the caller has none, as in training."""
    place = forecast.slots(minutes)
    on_grid = (minutes.astype(np.int64) % forecast.step_minutes == 0) & (place >= 0)
    for column, name in enumerate(forecast.names):
        if f"{FORECAST_PREFIX}{name}" in rows.columns:
            forecast.values[place[on_grid], column] = _numbers(rows, f"{FORECAST_PREFIX}{name}")[on_grid]


def to_rows(panel: Panel, region: Region) -> pl.DataFrame:
    """The panel's state as wide rows that `from_rows` reads back; `valid_at` as datetimes, unknown values as nulls."""
    step = np.timedelta64(panel.step_minutes, "m")
    told = [grid for grid in (panel.forecast, panel.weather_forecast) if grid.values.size]
    times = np.arange(panel.start, max([panel.end, *(grid.end for grid in told)]) + step, step)
    frame: dict[str, Floats] = {}

    def spread(values: Floats, slot: NDArray[np.int64]) -> Floats:
        column = np.full(len(times), np.nan)
        column[slot[slot >= 0]] = values[slot >= 0]
        return column

    own = np.arange(len(panel.power))
    for zone in region.zones:
        frame[zone.name] = spread(panel.power.values[:, panel.series.index(zone.name)], own)
    for grid in told:
        place = panel.power.slots(grid.times)
        for column, name in enumerate(grid.names):
            frame[f"{FORECAST_PREFIX}{name}"] = spread(grid.values[:, column], place)
    for column, name in enumerate(panel.weather.names):
        frame[name] = spread(panel.weather.values[:, column], own)
    valid_at = pl.Series("valid_at", times.astype("datetime64[us]")).dt.replace_time_zone("UTC")
    return pl.DataFrame([valid_at, *(pl.Series(name, values) for name, values in frame.items())]).fill_nan(None)


def _check_columns(region: Region, rows: pl.DataFrame, needed: tuple[str, ...], known: tuple[str, ...]) -> None:
    missing = [name for name in ("valid_at", *needed) if name not in rows.columns]
    unknown = [name for name in rows.columns if name not in ("valid_at", *known)]
    for kind, names in (("lack", missing), ("have unknown", unknown)):
        if names:
            raise SourceFormatError(
                f"The rows {kind} the columns {', '.join(names)}.",
                remedy=f"{region.name} takes valid_at, {', '.join(known)}.",
                region=region.name,
                columns=names,
            )


def _bad(column: str, what: str) -> SourceFormatError:
    return SourceFormatError(f"Column {column}: {what}.", remedy="Correct the rows and send them again.", column=column)


def parsed_times(rows: pl.DataFrame) -> pl.DataFrame:
    """Wide rows with `valid_at`, if it is there, as UTC datetimes.

    Raises:
        SourceFormatError: a time is naive or none.
    """
    return rows.with_columns(valid_at=_times(rows["valid_at"])) if "valid_at" in rows.columns else rows


def _times(stamps: pl.Series) -> pl.Series:
    if isinstance(stamps.dtype, pl.Datetime):
        if stamps.dtype.time_zone is None:
            raise _bad("valid_at", "times have no offset from UTC")
        return stamps.dt.convert_time_zone("UTC").cast(UTC)
    if stamps.dtype != pl.String or stamps.null_count():
        raise _bad("valid_at", "not every value is an ISO time such as 2019-06-30T23:55:00Z")
    naive = stamps.filter(~stamps.str.contains(r"(Z|[+-]\d\d:?\d\d)$"))
    if len(naive):
        raise _bad("valid_at", f"{naive[0]} has no offset from UTC")
    try:
        return stamps.str.to_datetime(time_unit="us", time_zone="UTC")
    except pl.exceptions.PolarsError as error:
        raise _bad("valid_at", "not every value is an ISO time such as 2019-06-30T23:55:00Z") from error


def _numbers(rows: pl.DataFrame, name: str) -> Floats:
    column = rows[name]
    if not (column.dtype.is_numeric() or column.dtype == pl.Null):
        raise _bad(name, "not every value is a number")
    values = column.cast(pl.Float64)
    if values.is_infinite().any():
        raise _bad(name, "a value is infinite")
    return values.fill_null(np.nan).to_numpy()
