"""One Delta table: open, read, and append, if no other writer has committed since the read."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any

import polars as pl
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Schema,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from power_nowcast.errors import StoreError
from power_nowcast.store import log
from power_nowcast.store.datafiles import FileCache, Snapshot, address, rows_of, snapshot

APP_ID = "power-nowcast"
CONFIGURATION: dict[str, str | None] = {
    "delta.appendOnly": "true",
    # With an append every five minutes, a reader replays at most this many commits.
    "delta.checkpointInterval": str(log.CHECKPOINT_EVERY),
    # `log.trim` trims the log, because it knows the kept versions.
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 400 days",
    "delta.deletedFileRetentionDuration": "interval 30 days",
}
SMALL_FILE = 256 * 1024
"""The writer merges files up to this size: it must not rewrite a whole month every two hours."""
_WRITER = WriterProperties(compression="ZSTD")
_LONGEST = 600
# A search for expired commits after every commit takes longer than the commit.
AFTERWARDS = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)


class ConflictError(Exception):
    """Another writer has committed since the read of this table: read again."""


@contextmanager
def reported(uri: str, doing: str) -> Iterator[None]:
    """Turn errors of Delta, Polars and the system into StoreError: the table cannot be `doing` (read, written)."""
    try:
        yield
    except (DeltaError, TableNotFoundError, OSError, pl.exceptions.PolarsError) as error:
        raise StoreError(
            f"The table {uri} cannot be {doing}: {_cause(error)}.",
            remedy="Check that the folder exists, is writable and not full, or ingest into a new one (NOWCAST_DATA).",
            table=uri,
        ) from error


class Delta:
    """A Delta table at `uri`. The first write creates it.

    Args:
        uri: folder or s3:// address.
        schema: columns and types of the rows.
        partition_by: columns that name the folders.
        storage_options: for object stores; their usual environment variables also count.
        time: time column; a read skips files outside its span.
        cache: cache of rows; several tables may share one. None: every read opens the files.
    """

    def __init__(
        self,
        uri: str,
        schema: pl.Schema,
        partition_by: tuple[str, ...],
        storage_options: Mapping[str, str] | None = None,
        *,
        time: str | None = None,
        cache: FileCache | None = None,
    ) -> None:
        self.uri = uri
        self.schema = schema
        self.partition_by = partition_by
        self._options = dict(storage_options) if storage_options else None
        self._time = time
        self._cache = cache
        self._lock = RLock()
        self._table: DeltaTable | None = None
        self._listed: Snapshot | None = None
        self._trimmed = self._checked = -1
        self._opened = 0
        self._folders: set[Path] = set()

    @property
    def name(self) -> str:
        return self.uri.rsplit("/", 1)[-1]

    @property
    def version(self) -> int:
        """Version of the newest commit, -1 before the first.

        Raises:
            StoreError: the table exists and cannot be read.
        """
        table = self._newest()
        return -1 if table is None else table.version()

    def snapshot(self, version: int | None = None) -> Snapshot:
        """The newest version, or an earlier one.

        Raises:
            StoreError: the table exists and cannot be read, or no longer has that version.
        """
        if version is not None:
            with reported(self.uri, f"read in version {version}"):
                return self._list(self._open(version) if version >= 0 else None)
        with self._lock:
            return self._current(self._newest())

    def read(
        self,
        *conditions: pl.Expr,
        first: datetime | None = None,
        last: datetime | None = None,
        of: Snapshot | None = None,
    ) -> pl.DataFrame:
        """Rows of the newest version, or of version `of`, that satisfy the conditions, with a time in first..last.

        Raises:
            StoreError: the table or one of its files is damaged.
        """
        times = []
        if self._time is not None:
            times += [pl.col(self._time) >= first] if first is not None else []
            times += [pl.col(self._time) <= last] if last is not None else []

        def matching(rows: pl.LazyFrame) -> pl.LazyFrame:
            return rows.filter(*conditions, *times) if conditions or times else rows

        return self.read_lazily(matching, *conditions, first=first, last=last, of=of)

    def read_lazily(
        self,
        query: Callable[[pl.LazyFrame], pl.LazyFrame],
        *conditions: pl.Expr,
        first: datetime | None = None,
        last: datetime | None = None,
        of: Snapshot | None = None,
    ) -> pl.DataFrame:
        """The result of a query on the newest version, or version `of`; conditions and span only skip files.

        Raises:
            StoreError: the table or one of its files is damaged.
        """
        at = of or self.snapshot()
        folders = [one for one in conditions if set(one.meta.root_names()) <= set(self.partition_by)]
        with reported(self.uri, "read"):
            files = at.needed(folders, first, last)
            return query(rows_of(files, self.uri, self.schema, self.partition_by, self._cache, self._options)).collect()

    def append(self, rows: pl.DataFrame, *, onto: int) -> None:
        """Add rows in one commit, if version `onto` is still the newest: the rows were compared with that version.

        Raises:
            ConflictError: another writer was faster.
            StoreError: the table cannot be written.
        """
        with self._lock, reported(self.uri, "written"):
            table = self._table or self._create()
            if max(table.version(), 0) != max(onto, 0):
                raise ConflictError(self.uri)
            serial = (table.transaction_version(APP_ID) or 0) + 1
            try:
                write_deltalake(
                    table,
                    rows.select(self.schema.names()),
                    mode="append",
                    # An older table may lack a column.
                    schema_mode="merge" if len(self.schema) > len(table.schema().fields) else None,
                    writer_properties=_WRITER,
                    # No retry: delta-rs would append after the other writer's rows without a new comparison.
                    commit_properties=CommitProperties(
                        max_commit_retries=0, app_transactions=[Transaction(APP_ID, serial)]
                    ),
                    post_commithook_properties=AFTERWARDS,
                )
            except CommitFailedError as error:
                self._table = None
                raise ConflictError(self.uri) from error
            self._write_through(range(max(onto, 0) + 1, table.version() + 1))

    def compact(self, partition: Mapping[str, str] | None = None, *, up_to_bytes: int | None = None) -> int:
        """Merge small files, of one partition or all; returns the number of replaced files.

        It does not touch files of `up_to_bytes` or more. Kept versions stay readable.
        """
        with self._lock:
            table = self._newest()
            if table is None:
                return 0
            filters, before = _equal(partition) if partition else None, table.version()
            with reported(self.uri, "compacted"):
                done = table.optimize.compact(
                    partition_filters=filters,
                    target_size=up_to_bytes,
                    writer_properties=_WRITER,
                    post_commithook_properties=AFTERWARDS,
                )
                self._write_through(range(before + 1, table.version() + 1))
            return int(done["numFilesRemoved"])

    def files(self, partition: Mapping[str, str], *, up_to_bytes: int | None = None) -> int:
        """Number of data files of a partition, or of its smaller files, in the version that was read last."""
        with self._lock:
            chosen = [pl.col(name) == value for name, value in partition.items()]
            if up_to_bytes is not None:
                chosen.append(pl.col("bytes") < up_to_bytes)
            return len(self._current(self._table).files.filter(*chosen))

    def keep(self, version: int) -> None:
        """Make a version openable on its own, even if `trim` deletes commits before and after it.

        Raises:
            StoreError: the version no longer exists.
        """
        if version < 0 or (self._log is not None and log.has_checkpoint(self._log, version)):
            return
        with reported(self.uri, f"kept in version {version}"):
            self._open(version).create_checkpoint()
            self._write_through([version])

    @property
    def is_long(self) -> bool:
        """Whether the log needs trimming, by the number of commits since this process trimmed it."""
        with self._lock:
            return self._table is not None and self._table.version() - self._trimmed >= log.CHECKPOINT_EVERY

    def trim(self, kept: Collection[int]) -> int:
        """Delete commits that neither the newest versions nor the kept ones need; returns the number of files.

        The list of a folder with a month of commits takes longer than a commit. Object stores can list from a name on,
        so nothing is deleted there.
        """
        with self._lock:
            if self._table is None:
                return 0
            self._trimmed = self._table.version()
            with reported(self.uri, "cleaned"):
                return 0 if self._log is None else log.trim(self._log, self._trimmed, kept)

    def vacuum(self, kept: Collection[int] = ()) -> int:
        """Delete files that neither a version within the retention time nor a `kept` version needs; returns the number.

        Files of a killed writer, which no version has, are deleted after the same time.
        """
        with self._lock:
            table = self._newest()
            if table is None:
                return 0
            with reported(self.uri, "cleaned"):
                keep_versions = sorted(version for version in set(kept) if version >= 0)
                return len(table.vacuum(dry_run=False, keep_versions=keep_versions or None, full=True))

    @property
    def _log(self) -> Path | None:
        return None if "://" in self.uri else Path(self.uri, "_delta_log")

    def _write_through(self, versions: Iterable[int]) -> None:
        if self._log is not None:
            log.write_through(self._log, versions, self._folders)

    def _check(self, version: int) -> None:
        if self._log is not None and version > self._checked:
            log.check(self._log, max(self._checked + 1, version - log.CHECKPOINT_EVERY), version)
            self._checked = version

    def _open(self, version: int | None = None) -> DeltaTable:
        return DeltaTable(self.uri, version=version, storage_options=self._options)

    def _current(self, table: DeltaTable | None) -> Snapshot:
        version = -1 if table is None else table.version()
        if self._listed is None or self._listed.version != version:
            before, self._listed = self._listed, self._list(table)
            if self._cache is not None and before is not None:
                # Merged files would fill the memory of a service that follows the table for months.
                merged = set(before.files["path"]) - set(self._listed.files["path"])
                self._cache.drop(address(self.uri, path) for path in merged)
        return self._listed

    def _list(self, table: DeltaTable | None) -> Snapshot:
        folders = {name: self.schema[name] for name in self.partition_by}
        with reported(self.uri, "read"):
            return snapshot(table, folders, self._time)

    def _newest(self) -> DeltaTable | None:
        with self._lock:
            try:
                if self._table is None or self._table.version() - self._opened >= log.CHECKPOINT_EVERY:
                    # An open table keeps every step of its updates in memory; a new object starts at a checkpoint.
                    self._table = self._open()
                    self._opened = self._table.version()
                else:
                    self._table.update_incremental()
                self._check(self._table.version())
            except StoreError:
                self._table = None
                raise
            except TableNotFoundError:
                self._table = None
            except (DeltaError, OSError) as error:
                self._table = None
                raise StoreError(
                    f"The table {self.uri} cannot be read: {_cause(error)}.",
                    remedy="Restore the folder from a copy, or delete it and ingest again.",
                    table=self.uri,
                ) from error
            return self._table

    def _create(self) -> DeltaTable:
        arrow = self.schema.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest()).schema
        self._table = DeltaTable.create(
            self.uri,
            Schema.from_arrow(arrow),
            mode="ignore",
            partition_by=list(self.partition_by),
            configuration=CONFIGURATION,
            storage_options=self._options,
        )
        self._write_through([0])
        return self._table


def _cause(error: Exception) -> str:
    """An error's message in one line: object stores give the cause last, after arrows and colours."""
    plain = re.sub(r"\x1b\[\d+m|\u21b3", "", str(error))
    return " ".join(plain.split()).rstrip(".")[:_LONGEST]


def _equal(partition: Mapping[str, str]) -> list[tuple[str, str, Any]]:
    return [(name, "=", value) for name, value in partition.items()]
