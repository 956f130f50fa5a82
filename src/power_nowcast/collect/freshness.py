"""Content and freshness of a region's tables."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import polars as pl

from power_nowcast.collect.gaps import gaps
from power_nowcast.contracts import LIVE, Table
from power_nowcast.ingest.sources.replay import REPLAY
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.regions.sun import known_until
from power_nowcast.store import Store

PATIENCE = 3
"""A live table is late after so many intervals beyond its usual delay."""
KEEP_COMING = 2
"""Files make a table live when so many of them have brought values that were new at that time."""
REPORT_MINUTES = 60
"""Usual spacing of weather reports, if the region file does not set it."""


class Freshness(StrEnum):
    """Freshness of a table: its newest value against the value expected by now."""

    FRESH = "fresh"
    LATE = "late"
    ARCHIVE = "archive"  # of the past: it does not grow
    EMPTY = "empty"


@dataclass(frozen=True)
class TableStatus:
    """One table of a region. `behind` is the age of its newest value beyond the usual age, for live tables."""

    table: Table
    rows: int
    series: int
    first: datetime | None
    last: datetime | None
    freshness: Freshness
    behind: timedelta
    gaps: int
    missing: int
    quarantined: int


def status(store: Store, region: Region, *, now: datetime) -> list[TableStatus]:
    """The state of each of the region's tables at `now`.

    Raises:
        StoreError: a table cannot be read.
    """
    quarantined = store.read_quarantine(region.name)
    found = []
    for table, spec in region.specs.items():
        rows = store.versions(table, region.name).select("series", "valid_at")
        if not table.is_forecast:
            # A value of a future time is not a measurement.
            rows = rows.filter(pl.col("valid_at") <= now)
        last = rows["valid_at"].max()
        first = rows["valid_at"].min()
        last, first = (time if isinstance(time, datetime) else None for time in (last, first))
        until = known_until(region, last, now) if last is not None and table is Table.POWER else last
        behind = timedelta(0) if until is None else max(now - until - usual_age(region, table, spec), timedelta(0))
        holes = gaps(store, region, end=None if table.is_forecast else last, tables=[table])
        live = not is_archive(store, region, table)
        late = Freshness.LATE if behind > timedelta(0) else Freshness.FRESH
        found.append(
            TableStatus(
                table=table,
                rows=len(rows),
                series=rows["series"].n_unique(),
                first=first,
                last=last,
                freshness=Freshness.EMPTY if last is None else late if live else Freshness.ARCHIVE,
                behind=behind if live else timedelta(0),
                gaps=len(holes),
                missing=sum(hole.slots for hole in holes),
                quarantined=int((quarantined["table"] == table.value).sum()),
            )
        )
    return found


def usual_age(region: Region, table: Table, spec: SourceSpec) -> timedelta:
    """The usual maximum age of the newest value of a live table; an older one is late."""
    default = REPORT_MINUTES if table is Table.WEATHER else region.interval_minutes
    return timedelta(minutes=spec.delay_minutes + PATIENCE * (spec.interval_minutes or default))


def has_zones(store: Store, region: Region, since: datetime, *, now: datetime) -> bool:
    """Whether every zone has a value of `since` or later that is known now: some publishers send them one by one."""
    rows = store.as_of(Table.POWER, region.name, at=now, start=since, end=now)
    return {zone.name for zone in region.zones} <= set(rows.drop_nulls("value")["series"])


def is_archive(store: Store, region: Region, table: Table = Table.POWER) -> bool:
    """Whether a table holds the past and does not grow: the rule of every command and of the API.

    A table is live if its last delivery came from a server or a replay, or if its files keep coming: several times the
    newest value of a file was new when the file was stored. A file that grows counts each time.

    Raises:
        StoreError: the deliveries cannot be read.
    """
    spec = region.spec(table)
    if spec is None or spec.source == REPLAY:
        return False
    deliveries = store.deliveries(region.name).filter(pl.col("table") == table.value)
    if deliveries.is_empty() or deliveries["received_at"][-1] is not None:
        return False
    age = pl.col("first_seen_at") - pl.col("last")
    came_new = deliveries.filter(age <= LIVE + timedelta(minutes=spec.delay_minutes))
    return len(came_new) < KEEP_COMING
