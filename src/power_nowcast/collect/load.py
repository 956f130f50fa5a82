"""From batches to tables: write each delivery exactly once, also after interruptions."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from power_nowcast.contracts import Batch, Table
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.ingest import fetch
from power_nowcast.ingest.names import listed
from power_nowcast.ingest.sources.replay import REPLAY
from power_nowcast.ingest.unusable import reasons_of, told, unusable
from power_nowcast.ingest.web import Http
from power_nowcast.regions import Region, calendar
from power_nowcast.store.changes import AppendReport
from power_nowcast.store.store import Store

logger = logging.getLogger("power_nowcast.ingest")


@dataclass(frozen=True)
class IngestReport:
    """The result of an ingest: deliveries read, rows by table, new rows in quarantine, values replaced in their slot.

    `reasons` counts the rejected rows of these deliveries, including rows that were in quarantine before.
    `contradictions` counts the values in which one delivery contradicts another.
    """

    deliveries: int = 0
    tables: dict[Table, AppendReport] = field(default_factory=dict)
    quarantined: int = 0
    superseded: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    contradictions: int = 0

    @property
    def stored(self) -> int:
        return sum(report.stored for report in self.tables.values())

    def plus(self, batch: Batch, report: AppendReport, quarantined: int, contradictions: int = 0) -> "IngestReport":
        """This report with one more delivery."""
        reasons = reasons_of(batch.quarantined)
        return self + IngestReport(1, {batch.table: report}, quarantined, batch.superseded, reasons, contradictions)

    def __add__(self, other: "IngestReport") -> "IngestReport":
        tables, reasons = dict(self.tables), dict(self.reasons)
        for table, report in other.tables.items():
            tables[table] = tables.get(table, AppendReport()) + report
        for reason, count in other.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
        return IngestReport(
            self.deliveries + other.deliveries,
            tables,
            self.quarantined + other.quarantined,
            self.superseded + other.superseded,
            reasons,
            self.contradictions + other.contradictions,
        )

    def __str__(self) -> str:
        """A sentence for people."""
        reasons = f" ({told(self.reasons)})" if self.reasons else ""
        contradictions = (
            f" {self.contradictions:,} values differ from those of another file: the last one read counts."
            if self.contradictions
            else ""
        )
        return (
            f"{self.deliveries} files read, {self.stored:,} rows stored, "
            f"{sum(self.reasons.values()):,} in quarantine{reasons}, "
            f"{self.superseded:,} replaced by a later value of their slot.{contradictions}"
        )


type Progress = Callable[[Batch, AppendReport], None]

CALENDAR_AHEAD = timedelta(days=14)
"""The calendar table reaches so far past the newest value."""


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
    """Write the data of a region's sources; `start` .. `http` as for `ingest.fetch`.

    It holds the lease while it writes a delivery's rows, never while it asks a source: a slow server does not block
    other writers. It does not store rows again that another writer has stored in between. It notes a delivery last: an
    interrupted delivery is read again, and its stored rows are found unchanged. For a file of which no row can be used,
    or less than half of them, it raises an error after it has stored all others; the wrong rows are in quarantine, and
    the next ingest reads the file again.

    Raises:
        WriterBusyError: another process kept the lease.
        StoreError: the tables cannot be written.
        ConfigurationError: a source does not match the region file, or a replay would mix with other data.
        DataError: a source's delivery cannot be read; earlier deliveries are stored.
    """
    report, refused, own = IngestReport(), list[SourceFormatError](), set[str]()
    ingested = _Ingested(clock())
    with store.lease():  # a store that cannot be written raises before any request
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
        usual=lambda: store.usual(region.name),
    ):
        with store.lease():
            now_noted = store.deliveries(region.name)
            if len(now_noted) > len(known) + len(own):  # another writer has noted deliveries
                others = now_noted.filter(pl.col("key").is_in([*known, *own]).not_())
                if _is_outrun(batch, others):
                    continue
            rows, quarantined = write(store, batch, now=clock())
        report = report.plus(batch, rows, quarantined, ingested.contradictions(store, batch, rows))
        if batch.is_unusable:  # not noted
            refused.append(unusable(batch, region))
        else:
            own.add(batch.key)
        if progress is not None:
            progress(batch, rows)
    if Table.POWER in tables:
        write_calendar(store, region, now=clock())
    if refused:
        raise _all_of(refused)
    return report


@dataclass
class _Ingested:
    """The deliveries that this ingest has stored: its begin, and each delivery's table, origin and `valid_at` span."""

    since: datetime
    spans: list[tuple[Table, str, datetime, datetime]] = field(default_factory=list)

    def contradictions(self, store: Store, batch: Batch, report: AppendReport) -> int:
        """Number of values in which a delivery differs from earlier ones; a warning gives an example.

        Forecasts are left out, as a time may have several vintages, and replays, as they repeat corrections.
        """
        if batch.rows.is_empty() or batch.table.is_forecast or batch.are_versions:
            return 0
        first, last = batch.rows.select(first=pl.col("valid_at").min(), last=pl.col("valid_at").max()).row(0)
        others = [
            origin for table, origin, one, end in self.spans if table is batch.table and one <= last and first <= end
        ]
        self.spans.append((batch.table, batch.origin, first, last))
        if not others or not report.corrected:
            return 0
        key = ["series", "valid_at"]
        own = store.versions(batch.table, batch.region, start=first, end=last).filter(
            pl.col("first_seen_at") >= self.since
        )
        told = own.join(batch.rows.select(*key, told="value"), on=key).filter(pl.col("value") != pl.col("told"))
        differing = told.unique(key, keep="last", maintain_order=True)
        if len(differing):
            one = differing.row(0, named=True)
            logger.warning(
                "%s contradicts %s in %d values, such as %s at %s: %s and %s. The last one read counts.",
                batch.origin,
                listed(others),
                len(differing),
                one["series"],
                one["valid_at"].strftime("%Y-%m-%dT%H:%MZ"),
                one["told"],
                one["value"],
            )
        return len(differing)


def _all_of(refused: list[SourceFormatError]) -> SourceFormatError:
    """One error for all files that cannot be used."""
    first, others = refused[0], len(refused) - 1
    if not others:
        return first
    message = f"{first.message} The same is true of {others} more: {listed(one.fields['file'] for one in refused[1:])}."
    return SourceFormatError(message, remedy=first.remedy, **first.fields)


def _is_outrun(batch: Batch, others: pl.DataFrame) -> bool:
    """Whether another writer has noted this delivery, or a later answer to the same request, since the request.

    For tables with one value per time, the older answer would be stored as a correction of the newer one. A forecast
    has the time of each vintage itself.
    """
    others = others.filter(pl.col("table") == batch.table.value)
    is_there = pl.col("key").is_in([batch.key, batch.whole_key])
    received_at = None if batch.reading is None else batch.reading.received_at
    if received_at is not None and not batch.table.is_forecast:
        is_there |= (pl.col("origin") == batch.origin) & (pl.col("received_at") > received_at)
    return not others.filter(is_there).is_empty()


def _played(store: Store, region: Region, noted: pl.DataFrame) -> dict[Table, datetime]:
    """The time up to which a replay has played each table.

    Raises:
        ConfigurationError: a replay would mix with other data, and `available_at` would no longer be true.
    """
    by_replay = pl.col("source") == REPLAY
    is_replay = any(spec.source == REPLAY for spec in region.specs.values())
    if is_replay and len(noted.filter(by_replay.not_().fill_null(True))):
        raise ConfigurationError(
            f"{store.root} has data of {region.name} that no replay wrote: a replay needs tables of its own.",
            remedy="Name another folder in NOWCAST_DATA; --data names the tables to play.",
            variable="NOWCAST_DATA",
            region=region.name,
        )
    newest = noted.filter(by_replay).group_by("table").agg(pl.col("received_at").max())
    return {Table(table): time for table, time in newest.iter_rows()}


def write_calendar(store: Store, region: Region, *, now: datetime) -> None:
    """Write the calendar days of a region's stored data, and some future days."""
    first, last = store.span(Table.POWER, region.name)
    if first is not None and last is not None:
        local = [time.astimezone(region.tz).date() for time in (first, last + CALENDAR_AHEAD)]
        store.write_calendar(region.name, calendar.days(region, *local), now=now)


def write(store: Store, batch: Batch, *, now: datetime) -> tuple[AppendReport, int]:
    """Write one batch: the answer as received, its rows, its rejected rows, and the note that it is complete.

    Returns:
        The report of its rows, and the number of new rows in quarantine.
    """
    with store.lease():
        kept = store.keep_raw(batch)
        quarantined = store.quarantine(batch.quarantined, now=now)
        report = store.append(batch.table, batch.rows, now=now, are_versions=batch.are_versions, delivery=batch)
        if not batch.is_unusable:
            store.note_delivery(batch, kept=kept, now=now)
    return report, quarantined
