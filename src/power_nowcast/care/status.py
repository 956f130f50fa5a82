"""What a region's tables hold, how fresh they are, and which slots of power are missing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from power_nowcast.contracts import Table
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.store import IngestReport, Store, write_all

PATIENCE = 3
"""Intervals past the source's usual delay after which a table counts as stale."""


@dataclass(frozen=True)
class TableStatus:
    """One table: rows are those known last, of every series; `missing` counts slots of power between first and last."""

    table: Table
    rows: int
    series: int
    first: datetime | None
    last: datetime | None
    expected_by: datetime | None
    fresh: bool
    missing: int
    quarantined: int


@dataclass(frozen=True)
class Gap:
    """Slots of some series that hold no value, from `first` to `last`, both included; `slots` of each."""

    series: tuple[str, ...]
    first: datetime
    last: datetime
    slots: int


def status(store: Store, region: Region, *, now: datetime) -> list[TableStatus]:
    """Every table that the region has a source for.

    A table is fresh if its newest row is no older than its source's delay and a few of its intervals.

    Raises:
        StoreError: a table is damaged.
    """
    bad = store.read_quarantine(region.name)["table"].value_counts()
    quarantined = dict(bad.iter_rows())
    specs: dict[Table, SourceSpec | None] = {
        Table.POWER: region.power,
        Table.FORECAST: region.forecast,
        Table.WEATHER: region.weather,
    }
    found = []
    for table, spec in specs.items():
        if spec is None:
            continue
        rows = store.as_of(table, region.name)
        first, last = store.span(table, region.name)
        step = timedelta(minutes=spec.interval_minutes or (60 if table is Table.WEATHER else region.interval_minutes))
        expected_by = None if last is None else last + PATIENCE * step + timedelta(minutes=spec.delay_minutes)
        found.append(
            TableStatus(
                table=table,
                rows=len(rows),
                series=rows["series"].n_unique(),
                first=first,
                last=last,
                expected_by=expected_by,
                fresh=expected_by is not None and now <= expected_by,
                missing=sum(gap.slots * len(gap.series) for gap in _gaps(rows, region)) if table is Table.POWER else 0,
                quarantined=quarantined.get(table.value, 0),
            )
        )
    return found


def gaps(store: Store, region: Region, *, start: datetime | None = None, end: datetime | None = None) -> list[Gap]:
    """Missing slots of power, between the region's first and last value (of start..end), oldest first; what zones miss
    alike is one gap.
    """
    return _gaps(store.as_of(Table.POWER, region.name, start=start, end=end), region)


def fill(
    store: Store,
    region: Region,
    missing: list[Gap],
    *,
    place: Path | None = None,
    ingest: Callable[..., IngestReport] = write_all,
) -> IngestReport:
    """Ask the region's sources once more for the times of some gaps, and for nothing else."""
    report = IngestReport()
    step = timedelta(minutes=region.interval_minutes)
    for first, last in _spans(missing, step):
        report = report.and_then(ingest(store, region, start=first, end=last, tables=[Table.POWER], place=place))
    return report


def _gaps(rows: pl.DataFrame, region: Region) -> list[Gap]:
    if rows.is_empty():
        return []
    step = timedelta(minutes=region.interval_minutes)
    first, last = rows.select(first=pl.col("valid_at").min(), last=pl.col("valid_at").max()).row(0)
    grid = pl.datetime_range(first, last, step, eager=True, time_unit="us").alias("valid_at").to_frame()
    found: dict[tuple[datetime, datetime, int], tuple[str, ...]] = {}
    for zone in region.zones:
        own = rows.filter(pl.col("series") == zone.name).select("valid_at")
        missing = grid.join(own, on="valid_at", how="anti").sort("valid_at")
        runs = missing.group_by((pl.col("valid_at").diff() > step).fill_null(True).cum_sum().alias("run")).agg(
            first=pl.col("valid_at").min(), last=pl.col("valid_at").max(), slots=pl.len()
        )
        for run in runs.select("first", "last", "slots").rows():
            found[run] = (*found.get(run, ()), zone.name)
    return sorted((Gap(series, *run) for run, series in found.items()), key=lambda gap: (gap.first, gap.series))


def _spans(missing: list[Gap], step: timedelta) -> list[tuple[datetime, datetime]]:
    """Times of the gaps of all series together, those that touch as one."""
    spans: list[tuple[datetime, datetime]] = []
    for gap in sorted(missing, key=lambda one: one.first):
        if spans and gap.first <= spans[-1][1] + step:
            spans[-1] = (spans[-1][0], max(spans[-1][1], gap.last))
        else:
            spans.append((gap.first, gap.last))
    return spans
