"""Append-only tables of records: one class for all of them, and a declaration for each."""

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
"""Records that `newest` keeps in memory."""


@dataclass(frozen=True, eq=False)
class RecordTable:
    """The declaration of a table.

    Attributes:
        name: of the table, and of its folder.
        schema: its columns, `region` and `first_seen_at` among them; the store sets the latter.
        key: columns that tell records apart: a record whose key is stored already is not stored again. None for all.
        order: columns in whose order records are read.
        time: the column of time by which a read leaves out files.
        partition: columns that name the folders.
        in_order: whether a record is first seen after all earlier ones of its region, whatever the clock says.
        is_cached: whether reads keep its files in memory; not for large records of which only the newest is read.
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
        """What a caller gives: all columns but `first_seen_at`."""
        return pl.Schema({name: dtype for name, dtype in self.schema.items() if name != SEEN})


class Records:
    """The records of one table.

    Args:
        table: its declaration.
        delta: where they are.
        writer: who appends.
    """

    def __init__(self, table: RecordTable, delta: Delta, writer: Writer) -> None:
        self.table = table
        self.delta = delta
        self._writer = writer
        self._key = list(table.key or table.given)
        self._listed: tuple[int, pl.DataFrame] = (-1, table.schema.to_frame())
        self._held: dict[tuple[Any, ...], pl.DataFrame] = {}

    def add(self, rows: pl.DataFrame, *, now: datetime) -> int:
        """Append the records whose key is new; returns how many. Of several with one key the first one counts.

        Raises:
            SourceFormatError: a column is missing.
            WriterBusyError: other writers did not let it through.
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
        """Of those records the one of the newest time up to `until`, stored last; no row where there is none.

        The conditions are on columns of the key. Only the keys of the other records are read, and of large records the
        last few that were asked for stay in memory.

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
        """The one record of a key."""
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
        """Between which times records with the same keys lie, None where they may lie anywhere."""
        time = self.table.time
        if time is None or time not in self._key or self.table.in_order or rows[time].has_nulls():
            return None, None
        first, last = rows.select(first=pl.col(time).min(), last=pl.col(time).max()).row(0)
        return first, last


def conform(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The columns of a schema, with its types.

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
