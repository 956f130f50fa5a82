"""Panels: from the store (all history, or what is known now) and from the rows that a caller brings."""

from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.contracts import UTC, VALUES, Floats, Panel, Patches, Table, Times
from power_nowcast.errors import HistoryError, MissingDataError, SourceFormatError
from power_nowcast.regions import Region

POWER_GRID, FORECAST_GRID = 0, 1
WINDOW = timedelta(days=44)
"""History of a live window: the furthest that features look back, and a clock change."""
FORECAST_REACH = timedelta(hours=36)
"""How far past the last slot of power a panel keeps the operator's forecast."""
MAX_WEATHER_AGE = timedelta(hours=3)
FORECAST_PREFIX = "forecast."


class Reader(Protocol):
    """What a panel needs of the store."""

    def as_of(
        self,
        table: Table,
        region: str,
        *,
        at: datetime | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pl.DataFrame: ...

    def versions(
        self, table: Table, region: str, *, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame: ...


def history(store: Reader, region: Region, start: datetime, end: datetime, *, delay_minutes: int = 0) -> Panel:
    """Everything that was ever known of start..end, what came later than `delay_minutes` after its time as patches.

    Raises:
        MissingDataError: the store holds no power of the region in that time.
    """
    frames = {
        Table.POWER: store.versions(Table.POWER, region.name, start=start, end=end),
        Table.FORECAST: store.versions(Table.FORECAST, region.name, start=start, end=end + FORECAST_REACH),
        Table.WEATHER: store.versions(Table.WEATHER, region.name, start=start - MAX_WEATHER_AGE, end=end),
    }
    return assemble(region, frames, start, end, known_at=start, delay_minutes=delay_minutes)


def window(store: Reader, region: Region, at: datetime) -> Panel:
    """What is known at `at`, as far back as features look.

    Raises:
        MissingDataError: the store holds no power of the region in that time.
    """
    step = timedelta(minutes=region.interval_minutes)
    end = datetime.fromtimestamp(at.timestamp() // step.total_seconds() * step.total_seconds(), at.tzinfo)
    start = end - WINDOW
    frames = {
        Table.POWER: store.as_of(Table.POWER, region.name, at=at, start=start, end=end),
        Table.FORECAST: store.versions(Table.FORECAST, region.name, start=start, end=end + FORECAST_REACH),
        Table.WEATHER: store.versions(Table.WEATHER, region.name, start=start - MAX_WEATHER_AGE, end=end),
    }
    known = {table: frame.filter(pl.col("available_at") <= at) for table, frame in frames.items()}
    return assemble(region, known, start, end, known_at=at)


def assemble(
    region: Region,
    frames: dict[Table, pl.DataFrame],
    start: datetime,
    end: datetime,
    *,
    known_at: datetime,
    delay_minutes: int = 0,
) -> Panel:
    """A panel of start..end from rows of `contracts.VALUES`, every version of them."""
    step = region.interval_minutes
    first, slots = _minute(start), int((_minute(end) - _minute(start)).astype(np.int64)) // step + 1
    series = region.series
    power_rows = frames[Table.POWER]
    if power_rows.is_empty():
        raise MissingDataError(
            f"There is no power of {region.name} between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M} UTC.",
            remedy="Ingest it first: nowcast ingest.",
            region=region.name,
        )
    on_time = pl.col("available_at") <= pl.col("valid_at") + timedelta(minutes=delay_minutes)
    on_time |= pl.col("basis") == "delay"
    power, power_patches = _grid(power_rows, series, first, step, slots, POWER_GRID, known_at, on_time)
    add_total(power, region)

    forecast_step = (region.forecast.interval_minutes or step) if region.forecast else step
    # The grid's first slot is whole in UTC, so that the same interval has the same place in every panel.
    forecast_first = first.astype(f"datetime64[{forecast_step}m]").astype("datetime64[m]")
    forecast, forecast_patches = np.empty((0, 0)), Patches.none()
    if region.forecast:
        reach = _minute(end) - forecast_first + np.timedelta64(int(FORECAST_REACH.total_seconds()) // 60, "m")
        # Told after the interval was over, it is no forecast.
        told = frames[Table.FORECAST].filter(pl.col("available_at") <= pl.col("valid_at"))
        forecast, forecast_patches = _grid(
            told,
            series,
            forecast_first,
            forecast_step,
            int(reach.astype(np.int64)) // forecast_step + 1,
            FORECAST_GRID,
            known_at,
            pl.lit(False),
        )
    times = first + np.arange(slots) * np.timedelta64(step, "m")
    names = region.weather.variables if region.weather else ()
    return Panel(
        region=region.name,
        start=first,
        step_minutes=step,
        series=series,
        power=power,
        weather_names=names,
        weather=_reports(frames[Table.WEATHER], names, times),
        forecast_start=forecast_first,
        forecast_step_minutes=forecast_step,
        forecast=forecast,
        known_at=_minute(known_at),
        patches=_merge(power_patches, forecast_patches),
    )


def add_total(power: Floats, region: Region, slots: NDArray[np.int64] | None = None) -> None:
    """Write the total's column (the first) of the power grid: it exists only where every zone does."""
    if region.total is None:
        return
    rows: NDArray[np.int64] | slice = slice(None) if slots is None else slots
    # Column after column: the order of the sum, and with it its last bits, is the same for one row and for many.
    total = power[rows, 1].copy()
    for zone in range(2, power.shape[1]):
        total += power[rows, zone]
    power[rows, 0] = total


def _grid(
    rows: pl.DataFrame,
    series: tuple[str, ...],
    first: np.datetime64,
    step: int,
    slots: int,
    grid: int,
    known_at: datetime,
    on_time: pl.Expr,
) -> tuple[Floats, Patches]:
    """Dense values (slot, series) of what is known at `known_at` or comes on time, and the rest as patches."""
    values = np.full((slots, len(series)), np.nan)
    placed = (
        rows.lazy()
        .with_columns(column=pl.col("series").cast(pl.Enum(series), strict=False).to_physical().cast(pl.Int64))
        .filter(pl.col("column").is_not_null())
        .with_columns(
            slot=(pl.col("valid_at") - _aware(first)).dt.total_minutes() // step,
            off=(pl.col("valid_at") - _aware(first)).dt.total_minutes() % step,
        )
        .filter((pl.col("slot") >= 0) & (pl.col("slot") < slots) & (pl.col("off") == 0))
        .select("slot", "column", "value", "valid_at", "available_at", "first_seen_at", "basis")
        .sort("available_at", "first_seen_at", maintain_order=True)
        .with_columns(is_first=(pl.col("slot") * len(series) + pl.col("column")).is_first_distinct())
        .with_columns(base=(pl.col("available_at") <= known_at) | (on_time & pl.col("is_first")))
        .select("slot", "column", "value", "available_at", "base")
        .collect()
    )
    base = placed.filter("base")
    values[base["slot"].to_numpy(), base["column"].to_numpy()] = base["value"].to_numpy()
    later = placed.filter(~pl.col("base"))
    # Known within a minute counts from the next one on: never too early.
    available = later["available_at"].dt.offset_by("59s999999us").dt.truncate("1m")
    return values, Patches(
        available.dt.replace_time_zone(None).to_numpy().astype("datetime64[m]"),
        np.full(len(later), grid, np.int8),
        later["slot"].to_numpy().astype(np.int64),
        later["column"].to_numpy().astype(np.int64),
        later["value"].to_numpy().astype(np.float64),
    )


def _reports(rows: pl.DataFrame, names: tuple[str, ...], times: Times) -> Floats:
    """Latest report of each variable at each time, shape (time, variable); NaN where none is recent."""
    out = np.full((len(times), len(names)), np.nan)
    at = pl.DataFrame({"at": pl.Series(times.astype("datetime64[us]")).dt.replace_time_zone("UTC")})
    for column, name in enumerate(names):
        reports = (
            rows.filter(pl.col("series") == name)
            .sort("available_at", "valid_at")
            # A late report of an older hour is no news.
            .filter(pl.col("valid_at") >= pl.col("valid_at").cum_max())
            .select("available_at", "valid_at", "value")
        )
        found = at.join_asof(reports, left_on="at", right_on="available_at")
        recent = pl.col("at") - pl.col("valid_at") <= MAX_WEATHER_AGE
        values = found.select(pl.when(recent).then("value"))["value"]
        out[:, column] = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return out


def _merge(a: Patches, b: Patches) -> Patches:
    order = np.argsort(np.concatenate([a.available_at, b.available_at]), kind="stable")
    return Patches(
        *(
            np.concatenate([getattr(a, name), getattr(b, name)])[order]
            for name in ("available_at", "grid", "slot", "column", "value")
        )
    )


def from_rows(region: Region, rows: pl.DataFrame) -> Panel:
    """A panel from wide rows: `valid_at`, one column a zone, further ones as `to_rows` writes them.

    `valid_at` is ISO text with an offset, or UTC datetimes, on the region's grid. The total is the sum of the zones; a
    column of it is not read. `forecast.<series>` holds the operator's forecast at each `valid_at` that ends one of its
    intervals, also of the hours to come; weather columns hold the latest report known at each row's time.

    Raises:
        SourceFormatError: a column is missing, unknown or not a number; a time is naive, repeated or off the grid.
        HistoryError: there are no rows.
    """
    zones = tuple(zone.name for zone in region.zones)
    forecasts = tuple(f"{FORECAST_PREFIX}{name}" for name in region.series) if region.forecast else ()
    variables = region.weather.variables if region.weather else ()
    _check_columns(region, rows, zones, (*region.series, *forecasts, *variables))
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
    slots = int((end - start).astype(np.int64)) // step + 1
    slot = (minutes - start).astype(np.int64) // step
    inside = (slot >= 0) & (slot < slots)
    grid = np.full((slots, len(region.series)), np.nan)
    grid[slot[inside]] = power[inside]
    add_total(grid, region)
    weather = np.full((slots, len(variables)), np.nan)
    for column, name in enumerate(variables):
        if name in values.columns:
            weather[slot[inside], column] = _numbers(values, name)[inside]

    forecast_step = (region.forecast.interval_minutes or step) if region.forecast else step
    forecast_start = start.astype(f"datetime64[{forecast_step}m]").astype("datetime64[m]")
    forecast = np.empty((0, 0))
    if region.forecast:  # its columns are there even if the caller has none, as in training
        ends = minutes.astype(np.int64) % forecast_step == 0
        place = (minutes - forecast_start).astype(np.int64) // forecast_step
        ends &= place >= 0
        forecast = np.full((int(place.max()) + 1, len(region.series)), np.nan)
        for column, name in enumerate(forecasts):
            if name in values.columns:
                forecast[place[ends], column] = _numbers(values, name)[ends]
    return Panel(
        region=region.name,
        start=start,
        step_minutes=step,
        series=region.series,
        power=grid,
        weather_names=variables,
        weather=weather,
        forecast_start=forecast_start,
        forecast_step_minutes=forecast_step,
        forecast=forecast,
        known_at=end,
    )


def to_rows(panel: Panel, region: Region) -> pl.DataFrame:
    """The panel's state as wide rows that `from_rows` reads back; `valid_at` as datetimes, unknown values as nulls."""
    step = np.timedelta64(panel.step_minutes, "m")
    forecast_step = np.timedelta64(panel.forecast_step_minutes, "m")
    reach = panel.forecast_start + max(0, len(panel.forecast) - 1) * forecast_step
    times = np.arange(panel.start, max(panel.end, reach) + step, step)
    frame: dict[str, Floats] = {}

    def spread(values: Floats, slot: NDArray[np.int64]) -> Floats:
        column = np.full(len(times), np.nan)
        column[slot[slot >= 0]] = values[slot >= 0]
        return column

    own = np.arange(len(panel.power))
    for zone in region.zones:
        frame[zone.name] = spread(panel.power[:, panel.series.index(zone.name)], own)
    told = (panel.forecast_start + np.arange(len(panel.forecast)) * forecast_step - panel.start).astype(
        "timedelta64[m]"
    )
    place = np.where(told.astype(np.int64) < 0, -1, told.astype(np.int64) // panel.step_minutes)
    for column, name in enumerate(panel.series if panel.forecast.size else ()):
        frame[f"{FORECAST_PREFIX}{name}"] = spread(panel.forecast[:, column], place)
    for column, name in enumerate(panel.weather_names):
        frame[name] = spread(panel.weather[:, column], own)
    stamps = pl.Series("valid_at", times.astype("datetime64[us]")).dt.replace_time_zone("UTC")
    return pl.DataFrame([stamps, *(pl.Series(name, values) for name, values in frame.items())]).fill_nan(None)


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


def _minute(time: datetime) -> np.datetime64:
    return np.datetime64(int(time.timestamp()) // 60, "m")


def _aware(time: np.datetime64) -> pl.Expr:
    return pl.lit(time.astype("datetime64[us]").item()).dt.replace_time_zone("UTC")


EMPTY = VALUES.to_frame()
"""A table without rows, for what a region does not have."""
