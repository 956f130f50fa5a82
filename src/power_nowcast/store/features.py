"""Tables of features for training, validation and test; every version is kept."""

import hashlib
from io import BytesIO
from pathlib import Path

import polars as pl
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from power_nowcast.errors import MissingDataError
from power_nowcast.store import log
from power_nowcast.store.datafiles import address, snapshot
from power_nowcast.store.delta import AFTERWARDS, reported


def write(uri: str, frame: pl.DataFrame, options: dict[str, str] | None) -> int:
    """Write a frame as the newest version unless the newest one is equal. Returns the version with the frame.

    In an object store, where there is no lease, another process may write at the same time: then it is tried again.

    Raises:
        StoreError: the table cannot be written.
    """
    digest = _digest(frame)
    with reported(uri, "written"):
        table = _open(uri, options)
        while True:
            before = _version(table)
            try:
                return _write_once(uri, table, frame, digest, options)
            except DeltaError:
                table = _open(uri, options)
                if _version(table) == before:  # nobody wrote in between, so the next attempt would fail alike
                    raise


def _write_once(
    uri: str, table: DeltaTable | None, frame: pl.DataFrame, digest: str, options: dict[str, str] | None
) -> int:
    if table is not None and table.history(1)[0].get("sha256") == digest:
        return table.version()
    write_deltalake(
        uri if table is None else table,
        frame,
        # If another process creates the table first, this fails. To overwrite would leave the rows of both.
        mode="error" if table is None else "overwrite",
        schema_mode=None if table is None else "overwrite",
        writer_properties=WriterProperties(compression="ZSTD"),
        # No retry: delta-rs would remove the files of the version that was read, and no newer ones.
        commit_properties=CommitProperties(max_commit_retries=0, custom_metadata={"sha256": digest}),
        # Manifests also name versions of these tables, so all versions stay.
        configuration={"delta.enableExpiredLogCleanup": "false"} if table is None else None,
        post_commithook_properties=AFTERWARDS,
        storage_options=options,
    )
    version = 0 if table is None else table.version()
    if "://" not in uri:
        log.write_through(Path(uri, "_delta_log"), [version])
    return version


def _version(table: DeltaTable | None) -> int | None:
    return None if table is None else table.version()


def _open(uri: str, options: dict[str, str] | None) -> DeltaTable | None:
    try:
        return DeltaTable(uri, storage_options=options)
    except TableNotFoundError:
        return None


def read(uri: str, version: int | None, options: dict[str, str] | None) -> pl.DataFrame:
    """A frame that `write` stored.

    Raises:
        MissingDataError: there is no table.
        StoreError: the table cannot be read, or has no such version.
    """
    with reported(uri, "read"):
        try:
            table = DeltaTable(uri, version=version, storage_options=options)
            files = [address(uri, path) for path in snapshot(table, {}, None).files["path"]]
            return pl.read_parquet(files, hive_partitioning=False, storage_options=options)
        except TableNotFoundError as error:
            raise MissingDataError(
                f"There are no features at {uri}.", remedy="Make them first: nowcast features.", uri=uri
            ) from error


def _digest(frame: pl.DataFrame) -> str:
    buffer = BytesIO()
    frame.rechunk().write_ipc(buffer, compression="uncompressed")
    return hashlib.sha256(buffer.getbuffer()).hexdigest()
