"""The data files of one version of a table: the files that a read needs, and their rows."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable

from power_nowcast.contracts import UTC

CACHE_BYTES = 512 * 2**20
"""Default of the maximum bytes of rows that a store keeps in memory."""
LARGE_READ = 250_000
"""A read of more rows than this is not cached: the whole history would replace the last weeks."""
_TEXT_BYTES = 16
PRECISION = timedelta(milliseconds=1)
"""Delta records a file's first and last time in whole milliseconds."""


class FileCache:
    """Cache of rows by file, up to a number of bytes; data files never change.

    It drops the least recently read files first. It does not keep a file that is larger than the whole cache.
    """

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self.most_bytes = most_bytes
        self._held_bytes = 0
        self._frames: OrderedDict[str, tuple[pl.DataFrame, int]] = OrderedDict()
        self._lock = Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes of the cached rows, by `bytes_of`."""
        return self._held_bytes

    def get(self, file: str) -> pl.DataFrame | None:
        """Rows of a file, None if they are not in the cache."""
        with self._lock:
            if file not in self._frames:
                return None
            self._frames.move_to_end(file)
            return self._frames[file][0]

    def put(self, file: str, rows: pl.DataFrame) -> None:
        """Cache the rows of a file."""
        size = bytes_of(rows)
        with self._lock:
            self._held_bytes -= self._frames.pop(file, (rows, 0))[1]
            if size > self.most_bytes:
                return
            self._frames[file] = rows, size
            self._held_bytes += size
            while self._held_bytes > self.most_bytes:
                _, (_, dropped) = self._frames.popitem(last=False)
                self._held_bytes -= dropped

    def drop(self, files: Iterable[str]) -> None:
        """Forget the rows of files."""
        with self._lock:
            for file in files:
                _, size = self._frames.pop(file, (None, 0))
                self._held_bytes -= size


def bytes_of(rows: pl.DataFrame) -> int:
    """Maximum bytes that rows take in memory: Polars does not count the pointers to the characters of texts."""
    texts = sum(dtype == pl.String for dtype in rows.dtypes)
    return int(rows.estimated_size()) + _TEXT_BYTES * texts * len(rows)


@dataclass(frozen=True)
class Snapshot:
    """One version of a table, -1 before the first: `files` has one row for each data file.

    Columns: `path` below the table as the log has it, `rows` and `bytes`, `first` and `last` time (null where unknown),
    and the columns that name the folders.
    """

    version: int
    files: pl.DataFrame

    def needed(self, conditions: Sequence[pl.Expr], first: datetime | None, last: datetime | None) -> pl.DataFrame:
        """Files that may have rows with a time in first..last, in folders for which the conditions are true."""
        kept = list(conditions)
        if first is not None:
            kept.append((pl.col("last") >= first - PRECISION).fill_null(True))
        if last is not None:
            kept.append((pl.col("first") <= last + PRECISION).fill_null(True))
        return self.files.filter(kept) if kept else self.files


def snapshot(table: DeltaTable | None, folders: Mapping[str, pl.DataType], time: str | None) -> Snapshot:
    """A table's files from Delta's log; `time` is the column of `first` and `last`."""
    schema = pl.Schema(
        {"path": pl.String(), "rows": pl.Int64(), "bytes": pl.Int64(), "first": UTC, "last": UTC, **folders}
    )
    if table is None:
        return Snapshot(-1, schema.to_frame())
    listed = pl.DataFrame(table.get_add_actions(flatten=True))
    found = {
        "path": "path",
        "rows": "num_records",
        "bytes": "size_bytes",
        "first": f"min.{time}",
        "last": f"max.{time}",
        **{name: f"partition.{name}" for name in folders},
    }
    columns = [
        (pl.col(column) if column in listed.columns else pl.lit(None)).cast(schema[name]).alias(name)
        for name, column in found.items()
    ]
    return Snapshot(table.version(), listed.select(columns))


def address(uri: str, path: str) -> str:
    """Address of a file of the table at `uri`; `path` as in the log."""
    # The log has encoded addresses: a space, for example, is escaped there but not in the file's name.
    name = unquote(path)
    return f"{uri}/{name}" if "://" in uri else str(Path(uri, name))


def rows_of(
    files: pl.DataFrame,
    uri: str,
    schema: pl.Schema,
    folders: Sequence[str],
    cache: FileCache | None,
    options: dict[str, str] | None,
) -> pl.LazyFrame:
    """All rows of some files of a snapshot of the table at `uri`.

    They come from the cache, unless there is none or they are too many for it: then the query itself reads only the
    parts of the files that it needs.
    """
    if files.is_empty():
        return schema.to_frame().lazy()
    files = files.with_columns(path=pl.Series([address(uri, path) for path in files["path"]]))
    names = files["path"].to_list()
    if cache is None or files["rows"].has_nulls() or files["rows"].sum() > LARGE_READ:
        hive = {name: schema[name] for name in folders}
        scanned = pl.scan_parquet(
            names,
            schema=_plain(schema, folders),
            missing_columns="insert",
            extra_columns="ignore",
            hive_schema=hive,
            hive_partitioning=True,
            glob=False,
            storage_options=options,
        )
        return scanned.select(schema.names())
    held = {name: cache.get(name) for name in names}
    missing = files.filter(pl.Series([rows is None for rows in held.values()]))
    for name, rows in _load(missing, schema, folders, options):
        cache.put(name, rows)
        held[name] = rows
    return pl.concat([rows for rows in held.values() if rows is not None]).lazy()


def _plain(schema: pl.Schema, folders: Sequence[str]) -> pl.Schema:
    """The columns inside the files; columns that an older file lacks are null."""
    return pl.Schema({name: dtype for name, dtype in schema.items() if name not in folders})


def _load(
    files: pl.DataFrame, schema: pl.Schema, folders: Sequence[str], options: dict[str, str] | None
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Each file with its rows."""
    if files.is_empty():
        return
    plain = _plain(schema, folders)
    # One scan of many small files is faster than many scans. The rows come in order, and each file gets its own memory.
    # For a column that an older file lacks, the scan gives nulls.
    scanned = pl.scan_parquet(
        files["path"].to_list(),
        schema=plain,
        missing_columns="insert",
        extra_columns="ignore",
        hive_partitioning=False,
        glob=False,
        storage_options=options,
    )
    rows = scanned.select(plain.names()).collect()
    begin = 0
    for file in files.iter_rows(named=True):
        constants = [pl.lit(file[name], schema[name]).alias(name) for name in folders]
        yield file["path"], rows.slice(begin, file["rows"]).with_columns(constants).select(schema.names())
        begin += file["rows"]
