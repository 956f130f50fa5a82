"""Tables of values: every version of each value, and reads as of a time."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

import polars as pl

from power_nowcast.contracts import ROWS, VALUES, Batch, Manifest, Table
from power_nowcast.store.changes import AppendReport, changes, latest, new_versions
from power_nowcast.store.datafiles import PRECISION, Snapshot
from power_nowcast.store.delta import Delta
from power_nowcast.store.looks import dated
from power_nowcast.store.manifest import manifest_of
from power_nowcast.store.records import conform
from power_nowcast.store.writer import Writer

STORED = pl.Schema({**VALUES, "month": pl.String()})
"""Columns of a table of values: `month` names its folders, after the region."""


class Values:
    """Tables of power, forecasts and weather: one row for each version of a value, with the time it became available.

    Args:
        tables: the Delta tables.
        writer: appends the rows.
        noted: returns the noted deliveries of a table, for the regions that an expression selects: rows of
            `tables.DELIVERIES`.
    """

    def __init__(
        self, tables: Mapping[Table, Delta], writer: Writer, noted: Callable[[Table, pl.Expr], pl.DataFrame]
    ) -> None:
        self._values = tables
        self._writer = writer
        self._noted = noted

    def append(
        self,
        table: Table,
        rows: pl.DataFrame,
        *,
        now: datetime,
        are_versions: bool = False,
        delivery: Batch | None = None,
    ) -> AppendReport:
        """Store rows of `contracts.VALUES` without `first_seen_at`; rows in the store are not stored again.

        A value that differs from the stored one is a correction, available from `now`; if the rows `are_versions`, it
        keeps its own `available_at`. Rows of a `delivery` that earlier deliveries should have had are also available
        from `now`, by the rule of `looks.dated`. If another writer has noted the delivery in between, nothing is
        stored: a later delivery may already have replaced some of its values.

        Raises:
            WriterBusyError: other writers kept the table busy.
            StoreError: the table cannot be written.
            SourceFormatError: a column is missing.
        """
        rows = conform(rows, ROWS)
        delta = self._values[table]
        if rows.is_empty():
            return AppendReport()
        regions = pl.col("region").is_in(rows["region"].unique().to_list())
        first, last = rows.select(first=pl.col("valid_at").min(), last=pl.col("valid_at").max()).row(0)
        has_lease = self._writer.has_lease

        def fresh(at: Snapshot) -> tuple[pl.DataFrame, AppendReport]:
            # This read comes after the snapshot, because a writer notes a delivery before it stores the next one.
            # Under a lease no other writer can write in between.
            if delivery is not None and not has_lease and delivery.key in self._noted(table, regions)["key"]:
                return rows.clear(), AppendReport()
            known = delta.read(regions, first=first, last=last, of=at).select(VALUES.names())
            if are_versions:
                added, report = new_versions(rows, known, now)
            else:
                told = rows
                if delivery is not None:
                    told = dated(rows, known, delivery, lambda: self._noted(table, regions), now)
                added, report = changes(table, told, known, now)
            return added.with_columns(month=pl.col("valid_at").dt.strftime("%Y-%m")), report

        return self._writer.commit(delta, fresh)

    def as_of(
        self,
        table: Table,
        region: str,
        *,
        at: datetime | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        series: str | Iterable[str] | None = None,
        delay_minutes: int = 0,
    ) -> pl.DataFrame:
        """The latest version of each (series, valid_at) that was known at `at`, sorted by them.

        Args:
            table: which table.
            region: name of the region.
            at: rows with a later `available_at` do not count; None for all rows.
            start: earliest `valid_at`.
            end: latest `valid_at`, inclusive.
            series: one or several; None for all.
            delay_minutes: added to `available_at` of rows with basis `delay`.

        Raises:
            StoreError: the table is damaged.
        """
        rows = self._select(table, region, start, end, series)
        if delay_minutes:
            late = pl.col("available_at") + timedelta(minutes=delay_minutes)
            rows = rows.with_columns(
                available_at=pl.when(pl.col("basis") == "delay").then(late).otherwise("available_at")
            )
        if at is not None:
            rows = rows.filter(pl.col("available_at") <= at)
        return latest(rows)

    def versions(
        self,
        table: Table,
        region: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        version: int | None = None,
    ) -> pl.DataFrame:
        """Every version of every row with `valid_at` in start..end, sorted by `available_at`.

        The last version of a (series, valid_at) counts, as for `as_of`. With `version` the rows are those of that
        version of the table.

        Raises:
            StoreError: the table is damaged, or that version is neither recent nor kept.
        """
        order = "available_at", "first_seen_at", "series", "valid_at", "value"
        at = None if version is None else self._values[table].snapshot(version)
        return self._select(table, region, start, end, None, of=at).sort(order)

    def manifest(
        self,
        table: Table,
        region: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        version: int | None = None,
    ) -> Manifest:
        """Manifest of a region's rows in the newest version of the table, or in an earlier one.

        Raises:
            StoreError: the table is damaged, or that version is neither recent nor kept.
        """
        at = self._values[table].snapshot(version)
        return manifest_of(table.value, at.version, self._select(table, region, start, end, None, of=at))

    def version(self, table: Table) -> int:
        """Version of the newest commit of a table, -1 before the first."""
        return self._values[table].version

    def span(
        self, table: Table, region: str, *, until: datetime | None = None
    ) -> tuple[datetime | None, datetime | None]:
        """The oldest and the newest `valid_at` of a region up to `until`, None if there is none."""
        return self._first(table, region, until), self.last(table, region, until=until)

    def last(self, table: Table, region: str, *, until: datetime | None = None) -> datetime | None:
        """The newest `valid_at` of a region up to `until`, None if there is none."""
        one, values = pl.col("region") == region, self._values[table]
        at = values.snapshot()
        ends = at.needed([one], None, until)["last"]
        # A file that ends before the newest end of a file has no newer row, so that one file or two are read.
        since = (ends if until is None else ends.filter(ends + PRECISION <= until)).max()
        rows = values.read(one, first=cast("datetime | None", since), last=until, of=at)
        return cast("datetime | None", rows["valid_at"].max())

    def _first(self, table: Table, region: str, until: datetime | None) -> datetime | None:
        one, values = pl.col("region") == region, self._values[table]
        at = values.snapshot()
        begin = cast("datetime | None", at.needed([one], None, until)["first"].min())
        ends = [time for time in (until, begin and begin + PRECISION) if time is not None]
        rows = values.read(one, last=min(ends, default=None), of=at)
        return cast("datetime | None", rows["valid_at"].min())

    def _select(
        self,
        table: Table,
        region: str,
        start: datetime | None,
        end: datetime | None,
        series: str | Iterable[str] | None,
        of: Snapshot | None = None,
    ) -> pl.DataFrame:
        start, end = (time and time.astimezone(UTC) for time in (start, end))
        conditions = [pl.col("region") == region]
        if series is not None:
            conditions.append(pl.col("series").is_in([series] if isinstance(series, str) else list(series)))
        rows = self._values[table].read(*conditions, first=start, last=end, of=of)
        return rows.select(VALUES.names())
