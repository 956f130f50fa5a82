"""The store: point-in-time tables of power, weather and forecasts, and what belongs to them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import UTC as _UTC
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from power_nowcast.checks.usual import USUAL_OVER, usual_of
from power_nowcast.contracts import BAD_ROWS, QUARANTINE, ROWS, UTC, VALUES, Batch, Manifest, Table
from power_nowcast.errors import WriterBusyError
from power_nowcast.regions.calendar import CALENDAR
from power_nowcast.store import features, raw
from power_nowcast.store.changes import MOMENT, AppendReport, changes, latest, new_versions
from power_nowcast.store.datafiles import FileCache, Snapshot
from power_nowcast.store.delta import SMALL_FILE, ConflictError, Delta
from power_nowcast.store.durable import remove_strays
from power_nowcast.store.lease import WAIT_SECONDS, FileLease
from power_nowcast.store.looks import coverage, dated
from power_nowcast.store.manifest import manifest_of
from power_nowcast.store.tables import CALIBRATIONS, DAYS, DELIVERIES, MANIFESTS, conform, span_of

COMPACT_AT = 24
"""Small files of a partition from which the writer merges them: five-minute appends make 288 a day."""
_ATTEMPTS = 50


class Store:
    """Tables under `root`, a folder or an s3:// address; folders are made when first written.

    `raw/` holds answers as received, `interim/` the cleaned, aligned tables, `features/` what models were trained on.
    Reading never waits for a writer and sees whole appends only.

    Args:
        root: folder or address.
        storage_options: for object stores; their customary environment variables count too.
        wait_seconds: how long a write waits for another process's.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        storage_options: Mapping[str, str] | None = None,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self.root = str(root).rstrip("/")
        self._options = dict(storage_options) if storage_options else None
        self._has_lease = "://" not in self.root
        self._lease: Callable[[], AbstractContextManager[None]] = (
            FileLease(Path(self.root), wait_seconds=wait_seconds) if self._has_lease else nullcontext
        )
        self._cache = FileCache()
        monthly = pl.Schema({**VALUES, "month": pl.String()})
        self._values = {table: self._delta(table.value, monthly, "region", "month", time="valid_at") for table in Table}
        self._quarantine = self._delta("quarantine", QUARANTINE, "region")
        self._deliveries = self._delta("deliveries", DELIVERIES, "region")
        self._days = self._delta("calendar", DAYS, "region")
        self._calibrations = self._delta("calibrations", CALIBRATIONS, "region")
        self._manifests = self._delta("manifests", MANIFESTS, "region")
        self._tables = {
            **{table.value: delta for table, delta in self._values.items()},
            "quarantine": self._quarantine,
            "deliveries": self._deliveries,
            "calendar": self._days,
            "calibrations": self._calibrations,
            "manifests": self._manifests,
        }

    def lease(self) -> AbstractContextManager[None]:
        """The right to write, for the length of a `with` block; every write takes it by itself, too.

        Raises:
            WriterBusyError: another process kept it for longer than `wait_seconds`.
            StoreError: the root cannot be written.
        """
        return self._lease()

    def append(
        self,
        table: Table,
        rows: pl.DataFrame,
        *,
        now: datetime,
        are_versions: bool = False,
        delivery: Batch | None = None,
    ) -> AppendReport:
        """Store rows of `contracts.VALUES` without `first_seen_at`; what is there already is not stored again.

        A value that differs from the stored one is a correction, known from `now`; where rows `are_versions`, it keeps
        its own `available_at`. Rows of a `delivery` that earlier ones should have had are known from `now`, too: the
        rule is that of `looks.dated`. Of one that another writer has noted meanwhile nothing is stored: the one after
        it may have replaced some of it already.

        Raises:
            WriterBusyError: other writers did not let it through.
            StoreError: the table cannot be written.
            SourceFormatError: a column is missing.
        """
        rows = conform(rows, ROWS)
        delta = self._values[table]
        if rows.is_empty():
            return AppendReport()
        regions = pl.col("region").is_in(rows["region"].unique().to_list())
        first, last = span_of(rows)

        def fresh(at: Snapshot) -> tuple[pl.DataFrame, AppendReport]:
            # Asked after the snapshot was taken: a writer notes a delivery before it stores the next one. Under a lease
            # no other writer comes between.
            if delivery is not None and not self._has_lease and delivery.key in self._noted(table, regions)["key"]:
                return rows.clear(), AppendReport()
            known = delta.read(regions, first=first, last=last, of=at).select(VALUES.names())
            if are_versions:
                return new_versions(rows, known, now)
            told = rows if delivery is None else dated(rows, known, delivery, lambda: self._noted(table, regions), now)
            return changes(table, told, known, now)

        return self._commit(delta, fresh)

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
            at: rows with a later `available_at` do not count; None for all that is there.
            start: earliest `valid_at`.
            end: latest `valid_at`, itself included.
            series: one or several; None for all.
            delay_minutes: added to `available_at` of rows whose basis is `delay`.

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
        self, table: Table, region: str, *, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        """Every version of every row with `valid_at` in start..end, sorted by `available_at`.

        Of several versions of a (series, valid_at) the last one counts, as for `as_of`.
        """
        order = "available_at", "first_seen_at", "series", "valid_at", "value"
        return self._select(table, region, start, end, None).sort(order)

    def manifest(
        self,
        table: Table,
        region: str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        version: int | None = None,
    ) -> Manifest:
        """What the table holds of a region, digested; or what it held in an earlier version.

        Raises:
            StoreError: the table is damaged, or that version is neither recent nor kept.
        """
        at = self._values[table].snapshot(version)
        return manifest_of(table.value, at.version, self._select(table, region, start, end, None, of=at))

    def keep(self, region: str, manifests: Sequence[Manifest], *, now: datetime) -> None:
        """Remember manifests that somebody relies on: their versions open for as long as the store is there.

        Raises:
            StoreError: a version is no longer there, or the store cannot be written.
        """
        with self.lease():
            for one in manifests:
                self._tables[one.table].keep(one.version)
            names = [name for name in MANIFESTS if name not in ("region", "first_seen_at")]
            rows = pl.DataFrame([asdict(one) for one in manifests], {name: MANIFESTS[name] for name in names})
            key = ["region", "table", "version", "sha256"]
            self._add(self._manifests, rows.with_columns(region=pl.lit(region)), key, now)

    def kept(self, region: str) -> pl.DataFrame:
        """Manifests that `keep` remembers, oldest first: rows of `MANIFESTS`."""
        return self._manifests.read(pl.col("region") == region).sort("first_seen_at", "table", "version")

    def version(self, table: Table) -> int:
        """Version of the newest commit of a table, -1 before the first."""
        return self._values[table].version

    def span(
        self, table: Table, region: str, *, until: datetime | None = None
    ) -> tuple[datetime | None, datetime | None]:
        """The oldest and the newest `valid_at` of a region up to `until`, None where there is none."""
        one = pl.col("region") == region
        mine = one if until is None else one & (pl.col("valid_at") <= until)
        times = self._values[table].read_lazily(
            lambda rows: rows.filter(mine).select(first=pl.col("valid_at").min(), last=pl.col("valid_at").max()), one
        )
        first, last = times.row(0)
        return first, last

    def last(self, table: Table, region: str, *, until: datetime | None = None) -> datetime | None:
        """The newest `valid_at` of a region up to `until`, None where there is none."""
        return self.span(table, region, until=until)[1]

    def usual(self, region: str) -> pl.DataFrame:
        """What is usual of each zone's power by its newest values: rows of `checks.usual.USUAL`."""
        last = self.last(Table.POWER, region)
        start = None if last is None else last - USUAL_OVER
        return usual_of(self.as_of(Table.POWER, region, start=start))

    def quarantine(self, rows: pl.DataFrame, *, now: datetime) -> int:
        """Keep rows of `contracts.QUARANTINE` without `first_seen_at`; returns how many are new."""
        rows = conform(rows, BAD_ROWS)
        return self._add(self._quarantine, rows, list(BAD_ROWS), now, in_order=False)

    def read_quarantine(self, region: str) -> pl.DataFrame:
        """Rows that did not pass, oldest first."""
        return self._quarantine.read(pl.col("region") == region).sort("first_seen_at", "table", "series", "stamp")

    def write_calendar(self, region: str, days: pl.DataFrame, *, now: datetime) -> int:
        """Keep rows of `regions.calendar.CALENDAR`; returns how many are new or differ from what is there."""
        rows = days.select(pl.lit(region).alias("region"), *CALENDAR)
        return self._add(self._days, rows, [name for name in DAYS if name != "first_seen_at"], now)

    def read_calendar(self, region: str) -> pl.DataFrame:
        """The days of a region, of each the row stored last."""
        rows = self._days.read(pl.col("region") == region).sort("date", "first_seen_at")
        return rows.unique("date", keep="last", maintain_order=True).select(CALENDAR.names())

    def write_calibration(
        self, region: str, model_digest: str, calibration_id: str, as_of: datetime, state: str, *, now: datetime
    ) -> None:
        """Append a state of online calibration to a model version's records."""
        row = [(region, model_digest, calibration_id, as_of, state)]
        names = list(CALIBRATIONS)[:-1]
        frame = pl.DataFrame(row, schema={name: CALIBRATIONS[name] for name in names}, orient="row")
        self._add(self._calibrations, frame, ["region", "model_digest", "calibration_id", "as_of"], now)

    def read_calibration(self, region: str, model_digest: str, *, at: datetime | None = None) -> str | None:
        """The newest state of a model version with `as_of` up to `at`, None where there is none."""
        known = self._calibrations.read(pl.col("region") == region).filter(pl.col("model_digest") == model_digest)
        known = known if at is None else known.filter(pl.col("as_of") <= at)
        known = known.sort("as_of", "first_seen_at")
        return str(known["state"][-1]) if len(known) else None

    def delivered(self, region: str) -> frozenset[str]:
        """Keys of the deliveries that are in the tables completely."""
        return frozenset(self._deliveries.read(pl.col("region") == region)["key"])

    def deliveries(self, region: str) -> pl.DataFrame:
        """What was delivered, oldest first: rows of `DELIVERIES`."""
        return self._deliveries.read(pl.col("region") == region).sort("first_seen_at", "table", "origin")

    def note_delivery(self, batch: Batch, *, kept: str | None = None, now: datetime) -> None:
        """Remember that a delivery is in the tables completely, and where `keep_raw` put its bytes."""
        row = {
            "region": batch.region,
            "table": batch.table.value,
            "key": batch.key,
            "origin": batch.origin,
            "rows": len(batch.rows),
            "quarantined": len(batch.quarantined),
            "superseded": batch.superseded,
            "raw": kept and kept.removeprefix(f"{self.root}/"),
            **(asdict(batch.reading) if batch.reading else {}),
            **coverage(batch, now),
        }
        frame = pl.DataFrame([row], schema={name: DELIVERIES[name] for name in DELIVERIES if name != "first_seen_at"})
        self._add(self._deliveries, frame, ["region", "table", "key"], now)

    def _noted(self, table: Table, regions: pl.Expr) -> pl.DataFrame:
        return self._deliveries.read(regions, pl.col("table") == table.value)

    def keep_raw(self, batch: Batch) -> str | None:
        """Keep a delivery as received under `raw/`, once; returns where, None where it came without its bytes."""
        if batch.raw is None:
            return None
        with self.lease():
            return raw.keep(self._uri("raw", batch.region, batch.table.value), batch.origin, batch.raw)

    def read_raw(self, path: str) -> bytes:
        """The bytes of a delivery as received; `path` as the deliveries have it in `raw`.

        Raises:
            StoreError: they are gone or cannot be read.
        """
        return raw.read(self._uri(path))

    def write_features(self, name: str, frame: pl.DataFrame) -> int:
        """Keep a frame as the newest version of the table `features/<name>`; an equal one is not written again.

        Returns:
            The table's version that holds it.
        """
        with self.lease():
            return features.write(self._uri("features", name), frame, self._options)

    def read_features(self, name: str, *, version: int | None = None) -> pl.DataFrame:
        """A frame that `write_features` kept, the newest or an earlier version.

        Raises:
            MissingDataError: there is none of this name.
        """
        return features.read(self._uri("features", name), version, self._options)

    def compact(self) -> int:
        """Merge the small files of all tables; returns how many were replaced. Versions that are kept stay readable."""
        with self.lease():
            return sum(delta.compact() for delta in self._tables.values())

    def vacuum(self, *, now: datetime | None = None) -> int:
        """Delete what neither versions within the retention time nor the kept ones need, and what killed writes left
        more than `durable.STRAY_AFTER` before `now`; returns how many files.
        """
        with self.lease():
            deleted = 0
            if self._has_lease:
                deleted += remove_strays(Path(self.root), now or datetime.now(_UTC))
            for delta in self._tables.values():
                versions = self._versions_kept(delta)
                deleted += delta.vacuum(versions) + delta.trim(versions)
            return deleted

    def _versions_kept(self, delta: Delta) -> frozenset[int]:
        return frozenset(self._manifests.read().filter(pl.col("table") == delta.name)["version"].to_list())

    def _uri(self, *parts: str) -> str:
        return "/".join((self.root, *parts))

    def _delta(self, name: str, schema: pl.Schema, *partition_by: str, time: str | None = None) -> Delta:
        uri = self._uri("interim", name)
        return Delta(uri, schema, partition_by, self._options, time=time, cache=self._cache)

    def _select(
        self,
        table: Table,
        region: str,
        start: datetime | None,
        end: datetime | None,
        series: str | Iterable[str] | None,
        of: Snapshot | None = None,
    ) -> pl.DataFrame:
        start, end = (time and time.astimezone(_UTC) for time in (start, end))
        conditions = [pl.col("region") == region]
        if series is not None:
            conditions.append(pl.col("series").is_in([series] if isinstance(series, str) else list(series)))
        rows = self._values[table].read(*conditions, first=start, last=end, of=of)
        return rows.select(VALUES.names())

    def _add(self, delta: Delta, rows: pl.DataFrame, key: list[str], now: datetime, *, in_order: bool = True) -> int:
        """Append rows whose key is new, `in_order` first seen after all of the region's, whatever the clock says."""
        if rows.is_empty():
            return 0
        regions = pl.col("region").is_in(rows["region"].unique().to_list())

        def fresh(at: Snapshot) -> tuple[pl.DataFrame, int]:
            known = delta.read(regions, of=at)
            new = rows.join(known, on=key, how="anti", nulls_equal=True).unique(key, maintain_order=True)
            after = known["first_seen_at"].max() if in_order else None
            seen_at = now if after is None else max(now, after + MOMENT)  # type: ignore[operator]
            return new.with_columns(first_seen_at=pl.lit(seen_at).cast(UTC)), len(new)

        return self._commit(delta, fresh)

    def _commit[Report](self, delta: Delta, fresh: Callable[[Snapshot], tuple[pl.DataFrame, Report]]) -> Report:
        """Compare and append as one step: where another writer comes between (object stores), compare again."""
        with self.lease():
            for _ in range(_ATTEMPTS):
                at = delta.snapshot()
                rows, report = fresh(at)
                if rows.is_empty():
                    return report
                if "month" in delta.schema:
                    rows = rows.with_columns(month=pl.col("valid_at").dt.strftime("%Y-%m"))
                try:
                    delta.append(rows, onto=at.version)
                except ConflictError:
                    continue
                self._tidy(delta, rows.select(delta.partition_by).unique())
                return report
        raise WriterBusyError(
            f"{delta.uri} was written by others {_ATTEMPTS} times in a row.", remedy="Try again later.", store=self.root
        )

    def _tidy(self, delta: Delta, written: pl.DataFrame) -> None:
        """Merge small files of the partitions that were written, and trim the log, where it is time to."""
        for partition in written.to_dicts():
            if delta.files(partition, up_to_bytes=SMALL_FILE) >= COMPACT_AT:
                delta.compact(partition, up_to_bytes=SMALL_FILE)
        if delta.is_long:
            delta.trim(self._versions_kept(delta))
