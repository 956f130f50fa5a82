"""The store: point-in-time tables of power, weather and forecasts, with records, raw deliveries and documents."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import polars as pl

from power_nowcast.checks.usual import USUAL_OVER, usual_of
from power_nowcast.contracts import Batch, Manifest, Table
from power_nowcast.errors import MissingDataError
from power_nowcast.regions import calendar
from power_nowcast.store import features, raw, tables
from power_nowcast.store.address import Address
from power_nowcast.store.datafiles import CACHE_BYTES, FileCache
from power_nowcast.store.delta import Delta
from power_nowcast.store.documents import Documents
from power_nowcast.store.durable import remove_strays
from power_nowcast.store.files import Files
from power_nowcast.store.lease import WAIT_SECONDS
from power_nowcast.store.looks import coverage
from power_nowcast.store.records import Records, RecordTable
from power_nowcast.store.values import STORED, Values
from power_nowcast.store.writer import Writer


class Store(Values):
    """A store under one root: the tables of values, and records, deliveries as received, features, documents.

    `interim/` has the tables of values and records, `raw/` the deliveries as received, `features/` the feature tables
    of models, and `documents/` the documents of jobs. The first write creates a folder. A read never waits for a writer
    and sees complete appends only.

    Args:
        root: folder or s3:// address.
        storage_options: for object stores; their usual environment variables also count.
        cache_bytes: maximum bytes of data files in memory.
        wait_seconds: maximum time that a write waits for another process.
        records: declarations of the record tables.

    Attributes:
        address: opens the same store in another process: `Store.open`.
        records: the records of each declared table.
        documents: small documents by name.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        storage_options: Mapping[str, str] | None = None,
        cache_bytes: int = CACHE_BYTES,
        wait_seconds: float = WAIT_SECONDS,
        records: Sequence[RecordTable] = tables.RECORDS,
    ) -> None:
        options = dict(storage_options) if storage_options else None
        self.address = Address(str(root).rstrip("/"), options, cache_bytes, wait_seconds)
        self._options = options
        self._cache = FileCache(cache_bytes)
        self._files = Files(self.address)
        self.documents = Documents(self._files)
        writer = Writer(self.address, self._versions_kept)
        values = {
            table: self._delta(table.value, STORED, ("region", "month"), "valid_at", self._cache) for table in Table
        }
        super().__init__(values, writer, self._noted)
        self.records = {
            one: Records(
                one,
                self._delta(one.name, one.schema, one.partition, one.time, self._cache if one.is_cached else None),
                writer,
            )
            for one in records
        }
        self._tables = [*values.values(), *(one.delta for one in self.records.values())]

    @classmethod
    def open(cls, address: Address) -> Self:
        """The store at an address, such as another process's `Store.address`."""
        return cls(
            address.root,
            storage_options=address.options,
            cache_bytes=address.cache_bytes,
            wait_seconds=address.wait_seconds,
        )

    @property
    def root(self) -> str:
        """The folder or s3:// address."""
        return self.address.root

    @property
    def place(self) -> str:
        """The root for messages: an absolute path, or the s3:// address."""
        return str(Path(self.root).absolute()) if self.address.is_local else self.root

    def check_exists(self) -> None:
        """Check that a local root exists; this makes nothing.

        Raises:
            MissingDataError: there is no such folder.
        """
        if self.address.is_local and not Path(self.root).is_dir():
            raise MissingDataError(
                f"There are no tables in {self.place}.",
                remedy="Ingest first: nowcast ingest; or run this in the folder that has them, or set NOWCAST_DATA.",
                path=self.place,
            )

    def no_power(self, region: str) -> MissingDataError:
        """The error for a region that has no power here."""
        return MissingDataError(
            f"The store in {self.place} holds no power of {region}.",
            remedy="Ingest it first: nowcast ingest; or run this in the folder that has it, or set NOWCAST_DATA.",
            region=region,
        )

    def lease(self) -> AbstractContextManager[None]:
        """The writer lease, for the length of a `with` block; every write also takes it by itself.

        Raises:
            WriterBusyError: another process held it for longer than `wait_seconds`.
            StoreError: the root cannot be written.
        """
        return self._writer.lease()

    def keep(self, region: str, manifests: Sequence[Manifest], *, now: datetime) -> None:
        """Record manifests that must stay valid: their versions can be opened as long as the store exists.

        Raises:
            StoreError: a version no longer exists, or the store cannot be written.
        """
        kept = self.records[tables.MANIFESTS]
        with self.lease():
            for one in manifests:
                self._values[Table(one.table)].keep(one.version)
            given = kept.table.given
            rows = pl.DataFrame([{"region": region} | asdict(one) for one in manifests], given)
            kept.add(rows, now=now)

    def kept(self, region: str) -> pl.DataFrame:
        """Manifests that `keep` recorded, oldest first: rows of `tables.MANIFESTS`."""
        return self.records[tables.MANIFESTS].read(region)

    def usual(self, region: str) -> pl.DataFrame:
        """The usual level of each zone's power by its newest values: rows of `checks.usual.USUAL`."""
        last = self.last(Table.POWER, region)
        start = None if last is None else last - USUAL_OVER
        return usual_of(self.as_of(Table.POWER, region, start=start))

    def quarantine(self, rows: pl.DataFrame, *, now: datetime) -> int:
        """Store rows of `contracts.QUARANTINE` without `first_seen_at`; returns the number of new rows."""
        return self.records[tables.QUARANTINE].add(rows, now=now)

    def read_quarantine(self, region: str) -> pl.DataFrame:
        """Rows in quarantine, oldest first."""
        return self.records[tables.QUARANTINE].read(region)

    def write_calendar(self, region: str, days: pl.DataFrame, *, now: datetime) -> int:
        """Store rows of `regions.calendar.CALENDAR`; returns the number of new or changed rows."""
        return self.records[tables.CALENDAR].add(days.with_columns(region=pl.lit(region)), now=now)

    def read_calendar(self, region: str) -> pl.DataFrame:
        """The days of a region: for each day, the row stored last."""
        days = self.records[tables.CALENDAR].read(region)
        return days.unique("date", keep="last", maintain_order=True).select(calendar.CALENDAR.names())

    def write_calibration(
        self, region: str, model_digest: str, calibration_id: str, as_of: datetime, state: str, *, now: datetime
    ) -> None:
        """Append a state of online calibration to a model version's records."""
        states = self.records[tables.CALIBRATIONS]
        row = (region, model_digest, calibration_id, as_of, state)
        states.add(pl.DataFrame([row], states.table.given, orient="row"), now=now)

    def read_calibration(self, region: str, model_digest: str, *, at: datetime | None = None) -> str | None:
        """The newest state of a model version with `as_of` up to `at`, None if there is none."""
        own = pl.col("model_digest") == model_digest
        newest = self.records[tables.CALIBRATIONS].newest(region, own, until=at)
        return str(newest["state"][0]) if len(newest) else None

    def delivered(self, region: str) -> frozenset[str]:
        """Keys of the deliveries that are completely in the tables."""
        return frozenset(self.deliveries(region)["key"])

    def deliveries(self, region: str) -> pl.DataFrame:
        """The deliveries, oldest first: rows of `tables.DELIVERIES`."""
        return self.records[tables.DELIVERIES].read(region)

    def note_delivery(self, batch: Batch, *, kept: str | None = None, now: datetime) -> None:
        """Record that a delivery is completely in the tables, with the path of its bytes from `keep_raw`."""
        row = {
            "region": batch.region,
            "table": batch.table.value,
            "key": batch.key,
            "origin": batch.origin,
            "rows": len(batch.rows),
            "quarantined": len(batch.quarantined),
            "superseded": batch.superseded,
            "raw": kept,
            **(asdict(batch.reading) if batch.reading else {}),
            **coverage(batch, now),
        }
        noted = self.records[tables.DELIVERIES]
        noted.add(pl.DataFrame([row], noted.table.given), now=now)

    def keep_raw(self, batch: Batch) -> str | None:
        """Write a delivery as received under `raw/`, once; returns its path below the root, None if the batch has no
        bytes.
        """
        if batch.raw is None:
            return None
        with self.lease():
            return raw.keep(self._files, f"raw/{batch.region}/{batch.table.value}", batch.origin, batch.raw)

    def read_raw(self, path: str) -> bytes:
        """The bytes of a delivery as received; `path` as in column `raw` of the deliveries.

        Raises:
            StoreError: the bytes are missing or cannot be read.
        """
        return raw.read(self._files, path)

    def write_features(self, name: str, frame: pl.DataFrame) -> int:
        """Write a frame as the newest version of the table `features/<name>`, unless the newest one is equal.

        Returns:
            The table's version with the frame.
        """
        with self.lease():
            return features.write(self.address.uri("features", name), frame, self._options)

    def read_features(self, name: str, *, version: int | None = None) -> pl.DataFrame:
        """A frame that `write_features` stored, the newest or an earlier version.

        Raises:
            MissingDataError: there is no table of this name.
        """
        return features.read(self.address.uri("features", name), version, self._options)

    def compact(self) -> int:
        """Merge the small files of all tables; returns the number of replaced files. Kept versions stay readable."""
        with self.lease():
            return sum(delta.compact() for delta in self._tables)

    def vacuum(self, *, now: datetime | None = None) -> int:
        """Delete files that neither versions within the retention time nor kept versions need, and files that killed
        writes left more than `durable.STRAY_AFTER` before `now`; returns the number of files.
        """
        with self.lease():
            deleted = remove_strays(Path(self.root), now or datetime.now(UTC)) if self.address.is_local else 0
            for delta in self._tables:
                versions = self._versions_kept(delta.name)
                deleted += delta.vacuum(versions) + delta.trim(versions)
            return deleted

    def _noted(self, table: Table, regions: pl.Expr) -> pl.DataFrame:
        return self.records[tables.DELIVERIES].delta.read(regions, pl.col("table") == table.value)

    def _versions_kept(self, table: str) -> frozenset[int]:
        kept = self.records[tables.MANIFESTS].delta.read(pl.col("table") == table)
        return frozenset(kept["version"].to_list())

    def _delta(
        self, name: str, schema: pl.Schema, partition_by: tuple[str, ...], time: str | None, cache: FileCache | None
    ) -> Delta:
        uri = self.address.uri("interim", name)
        return Delta(uri, schema, partition_by, self._options, time=time, cache=cache)
