"""One Delta table: open, read, and append where nobody else has written since it was read."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any
from urllib.parse import urlsplit

import polars as pl
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from power_nowcast.errors import StoreError

APP_ID = "power-nowcast"
CONFIGURATION: dict[str, str | None] = {
    "delta.appendOnly": "true",
    # Five-minute appends: a reader replays at most this many commits.
    "delta.checkpointInterval": "50",
    # Manifests name table versions: those of the last year can be opened again.
    "delta.logRetentionDuration": "interval 400 days",
    "delta.deletedFileRetentionDuration": "interval 400 days",
}
_WRITER = WriterProperties(compression="ZSTD")


class ConflictError(Exception):
    """Another writer has committed since this table was read: read again."""


@contextmanager
def reported(uri: str, doing: str) -> Iterator[None]:
    """Turn what Delta, Polars and the system raise into StoreError: the table cannot be `doing` (read, written)."""
    try:
        yield
    except (DeltaError, TableNotFoundError, OSError, pl.exceptions.PolarsError) as error:
        first_line = str(error).strip().split("\n")[0]
        raise StoreError(
            f"The table {uri} cannot be {doing}: {first_line}.",
            remedy="Check that the folder exists, is writable and not full, or ingest into a new one (NOWCAST_DATA).",
            table=uri,
        ) from error


class Delta:
    """A Delta table at `uri`, made when it is first written.

    Args:
        uri: folder or s3:// address.
        schema: columns and types of what is read and written.
        partition_by: columns that name the folders.
        storage_options: for object stores; their customary environment variables count too.
    """

    def __init__(
        self,
        uri: str,
        schema: pl.Schema,
        partition_by: tuple[str, ...],
        storage_options: Mapping[str, str] | None = None,
    ) -> None:
        self.uri = uri
        self.schema = schema
        self.partition_by = partition_by
        self._options = dict(storage_options) if storage_options else None
        self._lock = RLock()
        self._table: DeltaTable | None = None

    @property
    def version(self) -> int:
        """Version of the newest commit, -1 before the first.

        Raises:
            StoreError: the table is there and cannot be read.
        """
        table = self._newest()
        return -1 if table is None else table.version()

    def read(self, *conditions: pl.Expr) -> pl.DataFrame:
        """Rows of the newest version that satisfy the conditions; those on partition columns spare files.

        Raises:
            StoreError: the table or one of its files is damaged.
        """
        return self.read_lazily(
            lambda rows: (rows.filter(*conditions) if conditions else rows).select(self.schema.names())
        )

    def read_lazily(self, query: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.DataFrame:
        """The result of a query on the newest version.

        Raises:
            StoreError: the table or one of its files is damaged.
        """
        with self._lock:
            table = self._newest()
            with reported(self.uri, "read"):
                rows = self.schema.to_frame().lazy() if table is None else self._scan(table)
        with reported(self.uri, "read"):
            return query(rows).collect()

    def _scan(self, table: DeltaTable) -> pl.LazyFrame:
        if not (files := files_of(table, self.uri)):
            return self.schema.to_frame().lazy()
        folders = {name: self.schema[name] for name in self.partition_by}
        return pl.scan_parquet(files, hive_schema=folders, hive_partitioning=True, storage_options=self._options)

    def append(self, rows: pl.DataFrame, *, onto: int) -> None:
        """Add rows in one commit, if version `onto` is still the newest: what was compared with is what is there.

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
                    writer_properties=_WRITER,
                    # No retry: delta-rs would append behind the other writer's rows without comparing again.
                    commit_properties=CommitProperties(
                        max_commit_retries=0, app_transactions=[Transaction(APP_ID, serial)]
                    ),
                )
            except CommitFailedError as error:
                self._table = None
                raise ConflictError(self.uri) from error

    def compact(self, partition: Mapping[str, str] | None = None) -> int:
        """Merge small files, of one partition or all; returns how many were replaced. Old versions stay readable."""
        with self._lock:
            table = self._newest()
            if table is None:
                return 0
            filters = _equal(partition) if partition else None
            with reported(self.uri, "compacted"):
                done = table.optimize.compact(partition_filters=filters, writer_properties=_WRITER)
            return int(done["numFilesRemoved"])

    def files(self, partition: Mapping[str, str]) -> int:
        """Number of data files of a partition in the version that was read last."""
        with self._lock:
            if self._table is None:
                return 0
            return len(self._table.file_uris(file_pruning_predicate=_equal(partition)))

    def vacuum(self) -> int:
        """Delete files that no version within the retention time needs; returns how many."""
        with self._lock:
            table = self._newest()
            if table is None:
                return 0
            with reported(self.uri, "cleaned"):
                return len(table.vacuum(dry_run=False))

    def _newest(self) -> DeltaTable | None:
        with self._lock:
            try:
                if self._table is None:
                    self._table = DeltaTable(self.uri, storage_options=self._options)
                else:
                    self._table.update_incremental()
            except TableNotFoundError:
                self._table = None
            except (DeltaError, OSError) as error:
                self._table = None
                raise StoreError(
                    f"The table {self.uri} cannot be read: {str(error).strip().splitlines()[0]}.",
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
        return self._table


def files_of(table: DeltaTable, uri: str) -> list[str]:
    """Paths or addresses of a table's data files; `uri` is how the table was opened."""
    files = table.file_uris()
    if "://" in uri:
        return files
    # For folders delta-rs escapes what a URL cannot hold, such as a space, and so do Polars' own Delta readers.
    escaped = urlsplit(table.table_uri).path
    return [str(Path(uri, name.removeprefix(escaped))) for name in files]


def _equal(partition: Mapping[str, str]) -> list[tuple[str, str, Any]]:
    return [(name, "=", value) for name, value in partition.items()]
