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
    """Write what a region's sources have; `start` .. `http` as for `ingest.fetch`.

    The lease is held for each delivery's rows, never while a source is asked: a server that is slow holds up no other
    writer. What another writer has stored meanwhile is not stored again. A delivery is noted last: one that was
    interrupted is read again, and what it had stored is found unchanged.

    Raises:
        WriterBusyError: another process kept the lease.
        StoreError: the tables cannot be written.
        ConfigurationError: a source is not what the region file says, or a replay has no tables of its own.
        DataError: a source's delivery cannot be read; those before it are stored.
    """
    report, own = IngestReport(), set[str]()
    with store.lease():  # a store that cannot be written is told before anybody is asked
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
        with store.lease():
            now_noted = store.deliveries(region.name)
            if len(now_noted) > len(known) + len(own):  # another writer was here
                others = now_noted.filter(pl.col("key").is_in([*known, *own]).not_())
                if _is_outrun(batch, others):
                    continue
            rows, quarantined = write(store, batch, now=clock())
        own.add(batch.key)
        report = report.plus(batch.table, rows, quarantined, batch.superseded)
        if progress is not None:
            progress(batch, rows)
    if Table.POWER in tables:
        write_calendar(store, region, now=clock())
    return report


def _is_outrun(batch: Batch, others: pl.DataFrame) -> bool:
    """Whether another writer has noted a delivery, or a later answer in its place, since this one was asked for.

    Of values that are written over, the older answer would come back as a correction of the newer one; a forecast says
    by itself when it was known.
    """
    others = others.filter(pl.col("table") == batch.table.value)
    is_there = pl.col("key").is_in([batch.key, batch.whole_key])
    received_at = None if batch.reading is None else batch.reading.received_at
    if received_at is not None and not batch.table.is_forecast:
        is_there |= (pl.col("origin") == batch.origin) & (pl.col("received_at") > received_at)
    return not others.filter(is_there).is_empty()


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
        report = store.append(batch.table, batch.rows, now=now, are_versions=batch.are_versions, delivery=batch.key)
        store.note_delivery(batch, kept=kept, now=now)
    return report, quarantined
