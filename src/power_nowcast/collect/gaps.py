"""Find missing values as spans, and fetch only those spans."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from power_nowcast.collect.load import IngestReport, write_all
from power_nowcast.contracts import Table
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.regions.sun import dark
from power_nowcast.store import Store

REPORTS_EVERY = timedelta(hours=3)
"""Weather reports are irregular: a gap is a time without reports that is longer than features trust the last report."""


@dataclass(frozen=True)
class Gap:
    """Missing values of a series: from `first` to `last` by `valid_at`, and the number of `slots`."""

    table: Table
    series: str
    first: datetime
    last: datetime
    slots: int


def gaps(
    store: Store,
    region: Region,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    tables: Sequence[Table] = tuple(Table),
) -> list[Gap]:
    """Missing values between `start` and `end`, by table, series and time.

    Without `start` and `end`, the span is from a table's first value of any series to its last value: `status` reports
    the lag behind the clock. A slot in quarantine is also missing.

    Raises:
        StoreError: a table cannot be read.
    """
    found: list[Gap] = []
    for table in tables:
        spec = region.spec(table)
        if spec is not None:
            found += _gaps(store, region, table, spec, start, end)
    return found


def spans(found: Sequence[Gap], *, apart: timedelta = timedelta(hours=6)) -> list[tuple[Table, datetime, datetime]]:
    """Spans to fetch for gaps: for each table, over all its series; gaps less than `apart` apart become one span."""
    merged: list[tuple[Table, datetime, datetime]] = []
    for gap in sorted(found, key=lambda one: (one.table, one.first, one.last)):
        if merged and merged[-1][0] is gap.table and gap.first - merged[-1][2] <= apart:
            table, first, last = merged[-1]
            merged[-1] = (table, first, max(last, gap.last))
        else:
            merged.append((gap.table, gap.first, gap.last))
    return merged


def fill(
    store: Store,
    region: Region,
    found: Sequence[Gap],
    *,
    place: Path | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> IngestReport:
    """Fetch the missing values only; a value that the publisher does not have remains a gap.

    Raises:
        DataError: a source does not answer; earlier deliveries are stored.
        StoreError: the tables cannot be written.
    """
    report = IngestReport()
    with store.lease():
        for table, first, last in spans(found):
            report += write_all(store, region, start=first, end=last, tables=[table], place=place, clock=clock)
    return report


def _gaps(
    store: Store, region: Region, table: Table, spec: SourceSpec, start: datetime | None, end: datetime | None
) -> list[Gap]:
    rows = store.as_of(table, region.name, start=start, end=end).select("series", "valid_at")
    if rows.is_empty() and (start is None or end is None):
        return []
    first = start or rows["valid_at"].min()
    last = end or rows["valid_at"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return []
    step = timedelta(minutes=spec.interval_minutes or region.interval_minutes)
    if table is Table.POWER:
        step = region.interval
    expected = _expected(region, table, spec, rows)
    if table is Table.WEATHER:
        return [gap for name in expected for gap in _silences(rows, name, first, last)]
    # The grid has whole steps since the epoch, for any begin of the span.
    first = first + (datetime.min.replace(tzinfo=UTC) - first) % step
    grid = pl.datetime_range(first, last, step, time_unit="us", eager=True).alias("valid_at").to_frame()
    if table is Table.POWER:
        return [gap for name in expected for gap in _holes(_by_day(grid, region, name), rows, table, name, step)]
    return [gap for name in expected for gap in _holes(grid, rows, table, name, step)]


def _by_day(grid: pl.DataFrame, region: Region, name: str) -> pl.DataFrame:
    """The slots in which a zone can generate: for the sun only daytime; a missing value at night is no gap."""
    zone = next(zone for zone in region.zones if zone.name == name)
    if zone.kind != "solar":
        return grid
    times = grid["valid_at"].dt.replace_time_zone(None).to_numpy()
    return grid.filter(~pl.Series(dark(times, zone.latitude, zone.longitude, region.interval_minutes)))


def _expected(region: Region, table: Table, spec: SourceSpec, rows: pl.DataFrame) -> tuple[str, ...]:
    """The expected series: forecasts may cover only some zones."""
    if table.is_weather:
        return spec.variables
    if table is Table.FORECAST:
        return tuple(sorted(set(rows["series"]) & set(region.series))) or (region.series[0],)
    return tuple(zone.name for zone in region.zones)


def _holes(grid: pl.DataFrame, rows: pl.DataFrame, table: Table, name: str, step: timedelta) -> list[Gap]:
    missing = grid.join(rows.filter(pl.col("series") == name), on="valid_at", how="anti").sort("valid_at")
    begins = (pl.col("valid_at").diff() != step).fill_null(True)
    runs = missing.group_by(run=begins.cum_sum(), maintain_order=True).agg(
        first=pl.col("valid_at").first(), last=pl.col("valid_at").last(), slots=pl.len()
    )
    return [Gap(table, name, *row) for row in runs.drop("run").iter_rows()]


def _silences(rows: pl.DataFrame, name: str, first: datetime, last: datetime) -> list[Gap]:
    """Spans without reports; their `slots` are hours."""
    times = rows.filter(pl.col("series") == name)["valid_at"].sort()
    ends = pl.Series([first, last], dtype=times.dtype)
    all_times = pl.concat([ends[:1], times, ends[1:]])
    frame = pl.DataFrame({"since": all_times[:-1], "until": all_times[1:]})
    silent = frame.filter(pl.col("until") - pl.col("since") > REPORTS_EVERY)
    return [
        Gap(Table.WEATHER, name, since, until, (until - since) // timedelta(hours=1)) for since, until in silent.rows()
    ]
