"""From batches to tables: write what ingest brings, once, whatever interrupts it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from power_nowcast.contracts import Table
from power_nowcast.errors import ConfigurationError
from power_nowcast.ingest import fetch
from power_nowcast.ingest.batch import Batch
from power_nowcast.ingest.http import Http
from power_nowcast.ingest.replay import REPLAY
from power_nowcast.regions import Region, calendar
from power_nowcast.store.changes import AppendReport
from power_nowcast.store.store import Store


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did: deliveries read, rows by table, rows newly in quarantine, values that their slot replaced."""

    deliveries: int = 0
    tables: dict[Table, AppendReport] = field(default_factory=dict)
    quarantined: int = 0
    superseded: int = 0

    @property
    def stored(self) -> int:
        return sum(report.stored for report in self.tables.values())

    def plus(self, table: Table, report: AppendReport, quarantined: int, superseded: int) -> "IngestReport":
        """This report with one more delivery."""
        tables = {**self.tables, table: self.tables.get(table, AppendReport()) + report}
        return IngestReport(self.deliveries + 1, tables, self.quarantined + quarantined, self.superseded + superseded)

    def __add__(self, other: "IngestReport") -> "IngestReport":
        tables = dict(self.tables)
        for table, report in other.tables.items():
            tables[table] = tables.get(table, AppendReport()) + report
        return IngestReport(
            self.deliveries + other.deliveries,
            tables,
            self.quarantined + other.quarantined,
            self.superseded + other.superseded,
        )


type Progress = Callable[[Batch, AppendReport], None]

CALENDAR_AHEAD = timedelta(days=14)
"""How far past the newest value the calendar table reaches."""


def _now() -> datetime:
    return datetime.now(UTC)


def write_all(
    store: Store,
    region: Region,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    days: int | None = None,
    tables: Sequence[Table] = tuple(Table),
    place: Path | None = None,
    http: Http | None = None,
    clock: Callable[[], datetime] = _now,
    progress: Progress | None = None,
) -> IngestReport:
    """Write what a region's sources have, under one lease; `start` .. `http` as for `ingest.fetch`.

    A delivery is noted last: one that was interrupted is read again, and what it had stored is found unchanged.

    Raises:
        WriterBusyError: another process kept the lease.
        StoreError: the tables cannot be written.
        ConfigurationError: a source is not what the region file says, or a replay has no tables of its own.
        DataError: a source's delivery cannot be read; those before it are stored.
    """
    report = IngestReport()
    with store.lease():
        noted = store.deliveries(region.name)
        since = _played(store, region, noted)
        known = frozenset(noted["key"])
        for batch in fetch(
            region,
            start=start,
            end=end,
            days=days,
            tables=tables,
            known=known,
            place=place,
            http=http,
            clock=clock,
            since=since,
        ):
            rows, quarantined = write(store, batch, now=clock())
            report = report.plus(batch.table, rows, quarantined, batch.superseded)
            if progress is not None:
                progress(batch, rows)
        if Table.POWER in tables:
            write_calendar(store, region, now=clock())
    return report


def _played(store: Store, region: Region, noted: pl.DataFrame) -> dict[Table, datetime]:
    """Until when each table was played by a replay.

    Raises:
        ConfigurationError: a replay would mix with what came otherwise: nobody could tell what was known when.
    """
    by_replay = pl.col("source") == REPLAY
    is_replay = any(
        spec is not None and spec.source == REPLAY for spec in (region.power, region.forecast, region.weather)
    )
    if is_replay and len(noted.filter(by_replay.not_().fill_null(True))):
        raise ConfigurationError(
            f"{store.root} holds {region.name} by itself: a replay needs tables of its own.",
            remedy="Name another folder in NOWCAST_DATA; --data names the tables to play.",
            variable="NOWCAST_DATA",
            region=region.name,
        )
    newest = noted.filter(by_replay).group_by("table").agg(pl.col("received_at").max())
    return {Table(table): time for table, time in newest.iter_rows()}


def write_calendar(store: Store, region: Region, *, now: datetime) -> None:
    """Write the days of what is stored of a region, and some to come."""
    first, last = store.span(Table.POWER, region.name)
    if first is not None and last is not None:
        local = [time.astimezone(region.tz).date() for time in (first, last + CALENDAR_AHEAD)]
        store.write_calendar(region.name, calendar.days(region, *local), now=now)


def write(store: Store, batch: Batch, *, now: datetime) -> tuple[AppendReport, int]:
    """Write one batch: the answer as received, its rows, its bad rows, and that it is complete.

    Returns:
        The report of its rows, and how many rows are newly in quarantine.
    """
    with store.lease():
        kept = store.keep_raw(batch)
        quarantined = store.quarantine(batch.quarantined, now=now)
        report = store.append(batch.table, batch.rows, now=now, are_versions=batch.are_versions, delivery=batch)
        store.note_delivery(batch, kept=kept, now=now)
    return report, quarantined
