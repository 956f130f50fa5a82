"""Append-only tables of records: one class for all tables, and a declaration for each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from power_nowcast.contracts import UTC
from power_nowcast.errors import SourceFormatError
from power_nowcast.store.changes import MOMENT
from power_nowcast.store.datafiles import Snapshot
from power_nowcast.store.delta import Delta
from power_nowcast.store.writer import Writer

SEEN = "first_seen_at"
HELD_RECORDS = 8
"""Number of records that `newest` keeps in memory."""


@dataclass(frozen=True, eq=False)
class RecordTable:
    """The declaration of a table.

    Attributes:
        name: name of the table, and of its folder.
        schema: its columns, including `region` and `first_seen_at`; the store sets the latter.
        key: columns that identify a record: a record with a stored key is not stored again. None: all columns.
        order: columns that give the order of a read.
        time: the time column; a read skips files outside its span.
        partition: columns that name the folders.
        in_order: whether `first_seen_at` increases with every record of a region, independent of the clock.
        is_cached: whether reads keep its files in memory; false for large records if only the newest one is read.
    """

    name: str
    schema: pl.Schema
    key: tuple[str, ...] | None = None
    order: tuple[str, ...] = (SEEN,)
    time: str | None = None
    partition: tuple[str, ...] = ("region",)
    in_order: bool = True
    is_cached: bool = True

    @property
    def given(self) -> pl.Schema:
        """The columns that a caller gives: all except `first_seen_at`."""
        return pl.Schema({name: dtype for name, dtype in self.schema.items() if name != SEEN})


class Records:
    """The records of one table.

    Args:
        table: its declaration.
        delta: the Delta table with the records.
        writer: appends the records.
    """

    def __init__(self, table: RecordTable, delta: Delta, writer: Writer) -> None:
        self.table = table
        self.delta = delta
        self._writer = writer
        self._key = list(table.key or table.given)
        self._listed: tuple[int, pl.DataFrame] = (-1, table.schema.to_frame())
        self._held: dict[tuple[Any, ...], pl.DataFrame] = {}

    def add(self, rows: pl.DataFrame, *, now: datetime) -> int:
        """Append the records with new keys; returns their number. If several records have one key, the first counts.

        Raises:
            SourceFormatError: a column is missing.
            WriterBusyError: other writers kept the table busy.
            StoreError: the table cannot be written.
        """
        rows = conform(rows, self.table.given)
        if rows.is_empty():
            return 0
        regions = pl.col("region").is_in(rows["region"].unique().to_list())
        first, last = self._span(rows)

        def fresh(at: Snapshot) -> tuple[pl.DataFrame, int]:
            known = self.delta.read_lazily(
                lambda all_rows: all_rows.filter(regions).select(*self._key, SEEN),
                regions,
                first=first,
                last=last,
                of=at,
            )
            new = rows.join(known, on=self._key, how="anti", nulls_equal=True).unique(self._key, maintain_order=True)
            after = known[SEEN].max() if self.table.in_order else None
            seen_at = now if after is None else max(now, after + MOMENT)  # type: ignore[operator]
            return new.with_columns(pl.lit(seen_at).cast(UTC).alias(SEEN)), len(new)

        return self._writer.commit(self.delta, fresh)

    def read(
        self, region: str, *conditions: pl.Expr, first: datetime | None = None, last: datetime | None = None
    ) -> pl.DataFrame:
        """The records of a region that satisfy the conditions, with a time in first..last, in the table's order.

        Raises:
            StoreError: the table is damaged.
        """
        rows = self.delta.read(pl.col("region") == region, *conditions, first=first, last=last)
        return rows.sort(self.table.order, maintain_order=True)

    def newest(self, region: str, *conditions: pl.Expr, until: datetime | None = None) -> pl.DataFrame:
        """The record with the newest time up to `until`, the last stored one of them; no row if there is none.

        The conditions are on columns of the key. Of the other records only the keys are read. The last few results stay
        in memory.

        Raises:
            StoreError: the table is damaged.
        """
        time = self.table.time or SEEN
        chosen = [pl.col("region") == region, *conditions]
        if until is not None:
            chosen.append(pl.col(time) <= until)
        found = self._keys().filter(chosen).sort(time, SEEN, maintain_order=True).tail(1)
        if found.is_empty():
            return self.table.schema.to_frame()
        return self._record(found.row(0, named=True))

    def _keys(self) -> pl.DataFrame:
        """Key, time and `first_seen_at` of all records; read again when the table has a new version."""
        at = self.delta.snapshot()
        version, keys = self._listed
        if version != at.version:
            columns = list(dict.fromkeys((*self._key, self.table.time or SEEN, SEEN)))
            keys = self.delta.read_lazily(lambda rows: rows.select(columns), of=at)
            self._listed = at.version, keys
        return keys

    def _record(self, key: dict[str, Any]) -> pl.DataFrame:
        """The record of a key."""
        name = tuple(key.values())
        record = self._held.get(name)
        if record is None:
            time = key[self.table.time] if self.table.time else None
            same = [pl.col(column).eq_missing(value) for column, value in key.items()]
            record = self.delta.read(*same, first=time, last=time)
            while len(self._held) >= HELD_RECORDS:
                self._held.pop(next(iter(self._held)), None)
            self._held[name] = record
        return record

    def _span(self, rows: pl.DataFrame) -> tuple[datetime | None, datetime | None]:
        """First and last time of records with the same keys, None if they may have any time."""
        time = self.table.time
        if time is None or time not in self._key or self.table.in_order or rows[time].has_nulls():
            return None, None
        first, last = rows.select(first=pl.col(time).min(), last=pl.col(time).max()).row(0)
        return first, last


def conform(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The rows with the columns and types of a schema.

    Raises:
        SourceFormatError: a column is missing.
    """
    if missing := [name for name in schema if name not in rows.columns]:
        raise SourceFormatError(
            f"Rows for the store lack the columns {', '.join(missing)}.",
            remedy=f"Give {', '.join(schema)}.",
            columns=missing,
        )
    return rows.select(schema.names()).cast(schema)
