"""Panels from the store: all history, or what is known now."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.checks.flags import kept_out
from power_nowcast.contracts import VALUES, Basis, Flag, Floats, Grid, Panel, Part, Patches, Table
from power_nowcast.contracts.times import minute
from power_nowcast.errors import MissingDataError
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.regions.sun import fill_nights

WINDOW = timedelta(days=44)
"""History of a live window: the furthest that features look back, and a clock change."""
FORECAST_REACH = timedelta(hours=36)
"""A panel keeps forecasts up to this time after its last slot of power."""
MAX_WEATHER_AGE = timedelta(hours=3)
MINUTE_US = 60_000_000
SPIKE, STUCK = 1.0, 2.0
"""Values of `Panel.kept_out` for a slot in quarantine."""


class Versions(Protocol):
    """The part of the store that a panel of history reads."""

    def versions(
        self, table: Table, region: str, *, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame: ...

    def read_quarantine(self, region: str) -> pl.DataFrame: ...


class Reader(Versions, Protocol):
    """The part of the store that every panel reads."""

    def as_of(
        self,
        table: Table,
        region: str,
        *,
        at: datetime | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pl.DataFrame: ...


def history(store: Versions, region: Region, start: datetime, end: datetime, *, delay_minutes: int = 0) -> Panel:
    """Everything that was ever known of start..end; what was known later than is usual is a patch.

    Args:
        store: what holds the rows.
        region: whose.
        start: first `valid_at` of power; the panel begins with the slot of the region's grid that it lies in.
        end: last `valid_at` of power.
        delay_minutes: no slot of power counts as known earlier than so many minutes after its time, even where it was.

    Raises:
        MissingDataError: the store holds no power of the region in that time.
    """
    start = region.slot(start)
    power = store.versions(Table.POWER, region.name, start=start, end=end)
    frames = _frames(store, region, power, start, end)
    quarantine = _quarantine(store, region)
    return assemble(region, frames, start, end, known_at=start, delay_minutes=delay_minutes, quarantine=quarantine)


def window(store: Reader, region: Region, at: datetime, *, back: timedelta = WINDOW) -> Panel:
    """What is known at `at`, from `back` before it; by default as far back as features look.

    Raises:
        MissingDataError: the store holds no power of the region in that time.
    """
    end = region.slot(at)
    start = end - back
    power = store.as_of(Table.POWER, region.name, at=at, start=start, end=end)
    frames = _frames(store, region, power, start, end)
    known = {table: frame.filter(pl.col("available_at") <= at) for table, frame in frames.items()}
    return assemble(region, known, start, end, known_at=at, quarantine=_quarantine(store, region))


def _frames(
    store: Versions, region: Region, power: pl.DataFrame, start: datetime, end: datetime
) -> dict[Table, pl.DataFrame]:
    """Every version of what belongs to a panel of start..end beside its power."""
    frames = {Table.POWER: power}
    for table, first, last in (
        (Table.FORECAST, start, end + FORECAST_REACH),
        (Table.WEATHER, start - MAX_WEATHER_AGE, end),
        (Table.WEATHER_FORECAST, start, end + FORECAST_REACH),
    ):
        # What the region does not have costs no look at the store.
        is_had = getattr(region, table.value) is not None
        frames[table] = store.versions(table, region.name, start=first, end=last) if is_had else EMPTY
    return frames


def _quarantine(store: Versions, region: Region) -> pl.DataFrame | None:
    return store.read_quarantine(region.name) if "quality" in region.features else None


def assemble(
    region: Region,
    frames: dict[Table, pl.DataFrame],
    start: datetime,
    end: datetime,
    *,
    known_at: datetime,
    delay_minutes: int = 0,
    quarantine: pl.DataFrame | None = None,
) -> Panel:
    """A panel of start..end from rows of `contracts.VALUES`, every version of them.

    Args:
        region: whose.
        frames: rows by table; those of a table that is not there are none.
        start: `valid_at` of the first slot of power.
        end: `valid_at` of the last one.
        known_at: what was known later becomes patches.
        delay_minutes: as for `history`.
        quarantine: rows of `contracts.QUARANTINE`, where models of the region read the family `quality`.

    Raises:
        MissingDataError: there is no power.
    """
    power_rows = frames[Table.POWER]
    if power_rows.is_empty():
        raise MissingDataError(
            f"There is no power of {region.name} between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M} UTC.",
            remedy="Ingest it first: nowcast ingest.",
            region=region.name,
        )
    if all(zone.kind != "solar" for zone in region.zones):
        # Where every value came so late, none of them needs a patch: nothing reads it before. Nights are never late.
        delay_minutes = max(delay_minutes, _least_lateness(power_rows))
    on_time = pl.col("available_at") <= pl.col("valid_at") + timedelta(minutes=delay_minutes)
    panel = unknown(region, minute(start), minute(end), minute(end + FORECAST_REACH), known_at=minute(known_at))
    patches = [_place(panel.power, Part.POWER, power_rows, known_at, on_time)]
    _complete(panel.power, region, patches[0])
    for table, part in ((Table.FORECAST, Part.FORECAST), (Table.WEATHER_FORECAST, Part.WEATHER_FORECAST)):
        told = _told(table, frames.get(table, EMPTY))
        patches.append(_place(panel.grid(part), part, told, known_at, pl.lit(False)))
    if quarantine is not None:
        panel = replace(panel, kept_out=_like(panel.power), lateness=_like(panel.power))
        kept = _kept_out(quarantine, region)
        patches.append(_place(panel.kept_out, Part.KEPT_OUT, kept, known_at, pl.lit(False)))
        patches.append(_place(panel.lateness, Part.LATENESS, _lateness(power_rows, region), known_at, on_time))
    _report(panel.weather, frames[Table.WEATHER])
    return replace(panel, patches=_merge(patches), delay_minutes=delay_minutes)


def _like(grid: Grid) -> Grid:
    """A grid of NaN with the slots and columns of `grid`."""
    return Grid.unknown(grid.start, grid.step_minutes, grid.names, len(grid))


def unknown(
    region: Region, start: np.datetime64, end: np.datetime64, until: np.datetime64, *, known_at: np.datetime64
) -> Panel:
    """A region's panel of `start` to `end` in which nothing is known: grids of NaN, to write values into.

    Forecasts reach to `until`, each on a grid of its own. What the region does not have is a grid without values.
    """
    step = region.interval_minutes
    slots = int((end - start).astype(np.int64)) // step + 1

    def ahead(spec: SourceSpec | None, names: tuple[str, ...]) -> Grid:
        if spec is None:
            return Grid.none()
        spacing = spec.interval_minutes or step
        # Whole in UTC, so that the same time has the same place in every panel.
        first = np.datetime64(int(start.astype("datetime64[m]").astype(np.int64)) // spacing * spacing, "m")
        return Grid.unknown(first, spacing, names, int((until - first).astype(np.int64)) // spacing + 1)

    return Panel(
        region=region.name,
        known_at=known_at,
        power=Grid.unknown(start, step, region.series, slots),
        weather=Grid.unknown(start, step, region.weather.variables if region.weather else (), slots),
        forecast=ahead(region.forecast, region.series),
        weather_forecast=ahead(
            region.weather_forecast, region.weather_forecast.variables if region.weather_forecast else ()
        ),
    )


def _complete(power: Grid, region: Region, patches: Patches) -> None:
    """Write what follows from the values of power: silent nights of solar zones, and the total."""
    # Before the first value of all nobody was silent, however far back a window looks.
    known = np.flatnonzero(np.isfinite(power.values).any(axis=1) | _patched(patches, len(power)))
    begun = int(known[0]) if len(known) else len(power)
    fill_nights(power.values[begun:], region, power.start + begun * np.timedelta64(power.step_minutes, "m"))
    add_total(power.values, region)


def ever_known(panel: Panel) -> NDArray[np.bool_]:
    """Slots of power of which any series was known at some time, shape (time,)."""
    known = np.isfinite(panel.power.values).any(axis=1)
    return np.asarray(known | _patched(panel.patches, len(panel.power)))


def _patched(patches: Patches, slots: int) -> NDArray[np.bool_]:
    """Slots of power that patches write, shape (time,)."""
    written = np.zeros(slots, np.bool_)
    written[patches.slot[patches.grid == Part.POWER]] = True
    return written


def _told(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """Only the rows that are forecasts: a row that became available after its own time is not one."""
    told = rows.filter(pl.col("available_at") <= pl.col("valid_at"))
    # Weather of an archive without times of publication may be observed weather.
    return told.filter(pl.col("basis") != Basis.DELAY.value) if table.is_weather else told


def _kept_out(quarantine: pl.DataFrame, region: Region) -> pl.DataFrame:
    """Slots of spikes and stuck telemetry, as rows that `_place` takes."""
    codes = {Flag.SPIKE.value: SPIKE, Flag.STUCK.value: STUCK}
    return kept_out(quarantine, region).with_columns(
        value=pl.col("flag").replace_strict(codes, return_dtype=pl.Float64),
        first_seen_at="available_at",
        basis=pl.lit(Basis.SEEN.value),
    )


def _least_lateness(power: pl.DataFrame) -> int:
    """Whole minutes, rounded up, after which the earliest of all rows was known; 0 where it was known before."""
    least: timedelta = (power["available_at"] - power["valid_at"]).min()  # type: ignore[assignment]
    return max(0, -(-least // timedelta(minutes=1)))


def _lateness(power: pl.DataFrame, region: Region) -> pl.DataFrame:
    """Rows of power, in place of the value the minutes that it came later than usual; an archive does not tell."""
    late = (pl.col("available_at") - pl.col("valid_at")).dt.total_seconds() / 60 - region.power.delay_minutes
    archived = pl.col("basis") == Basis.DELAY.value
    return power.with_columns(value=pl.when(archived).then(0.0).otherwise(late.clip(0)))


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


def _place(grid: Grid, part: Part, rows: pl.DataFrame, known_at: datetime, on_time: pl.Expr) -> Patches:
    """Write values that are known at `known_at`, or come on time, into a grid; the others become patches."""
    if not grid.values.size:
        return Patches.none()
    first, step, slots, columns = grid.start, grid.step_minutes, len(grid), grid.names
    since = pl.col("valid_at") - _aware(first)
    placed = (
        rows.lazy()
        .with_columns(column=pl.col("series").cast(pl.Enum(columns), strict=False).to_physical().cast(pl.Int64))
        .filter(pl.col("column").is_not_null())
        .with_columns(
            slot=since.dt.total_minutes() // step,
            # To the microsecond: the slot of a stamp between two minutes is over before the value's time is.
            is_on_grid=since.dt.total_microseconds() % (step * MINUTE_US) == 0,
        )
        .filter("is_on_grid", (pl.col("slot") >= 0) & (pl.col("slot") < slots))
        .select("slot", "column", "value", "valid_at", "available_at", "first_seen_at", "basis")
        .sort("available_at", "first_seen_at", maintain_order=True)
        .with_columns(is_first=(pl.col("slot") * len(columns) + pl.col("column")).is_first_distinct())
        .with_columns(base=(pl.col("available_at") <= known_at) | (on_time & pl.col("is_first")))
        .select("slot", "column", "value", "available_at", "base")
        .collect()
    )
    base = placed.filter("base")
    grid.values[base["slot"].to_numpy(), base["column"].to_numpy()] = base["value"].to_numpy()
    later = placed.filter(~pl.col("base"))
    # Known within a minute counts from the next one on: never too early.
    available = later["available_at"].dt.offset_by("59s999999us").dt.truncate("1m")
    return Patches(
        available.dt.replace_time_zone(None).to_numpy().astype("datetime64[m]"),
        np.full(len(later), part, np.int8),
        later["slot"].to_numpy().astype(np.int64),
        later["column"].to_numpy().astype(np.int64),
        later["value"].to_numpy().astype(np.float64),
    )


def _report(weather: Grid, rows: pl.DataFrame) -> None:
    """Write the latest report of each variable at each slot's time; what is not recent stays NaN.

    A report counts from when it was known, and not before the time that it is of: one that is stamped in the future is
    no news yet, and silences none that come before its time.
    """
    at = pl.DataFrame({"at": pl.Series(weather.times.astype("datetime64[us]")).dt.replace_time_zone("UTC")})
    for column, name in enumerate(weather.names):
        reports = (
            rows.filter(pl.col("series") == name)
            .with_columns(known_at=pl.max_horizontal("available_at", "valid_at"))
            .sort("known_at", "valid_at", "available_at", "first_seen_at")
            # A late report of an older hour is no news.
            .filter(pl.col("valid_at") >= pl.col("valid_at").cum_max())
            .select("known_at", "valid_at", "value")
        )
        found = at.join_asof(reports, left_on="at", right_on="known_at")
        recent = pl.col("at") - pl.col("valid_at") <= MAX_WEATHER_AGE
        values = found.select(pl.when(recent).then("value"))["value"]
        weather.values[:, column] = values.cast(pl.Float64).fill_null(np.nan).to_numpy()


def _merge(parts: list[Patches]) -> Patches:
    order = np.argsort(np.concatenate([part.available_at for part in parts]), kind="stable")
    return Patches(
        *(
            np.concatenate([getattr(part, name) for part in parts])[order]
            for name in ("available_at", "grid", "slot", "column", "value")
        )
    )


def _aware(time: np.datetime64) -> pl.Expr:
    return pl.lit(time.astype("datetime64[us]").item()).dt.replace_time_zone("UTC")


EMPTY = VALUES.to_frame()
"""A table without rows, for what a region does not have."""
