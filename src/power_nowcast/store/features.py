"""Tables of features for training, validation and test; every version is kept."""

import hashlib
from io import BytesIO
from pathlib import Path

import polars as pl
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import TableNotFoundError

from power_nowcast.errors import MissingDataError
from power_nowcast.store import log
from power_nowcast.store.datafiles import address, snapshot
from power_nowcast.store.delta import AFTERWARDS, reported


def write(uri: str, frame: pl.DataFrame, options: dict[str, str] | None) -> int:
    """Write a frame as the newest version unless the newest one is equal. Returns the version with the frame."""
    digest = _digest(frame)
    with reported(uri, "written"):
        try:
            table = DeltaTable(uri, storage_options=options)
            if table.history(1)[0].get("sha256") == digest:
                return table.version()
        except TableNotFoundError:
            pass
        write_deltalake(
            uri,
            frame,
            mode="overwrite",
            schema_mode="overwrite",
            writer_properties=WriterProperties(compression="ZSTD"),
            commit_properties=CommitProperties(custom_metadata={"sha256": digest}),
            # Manifests also name versions of these tables, so all versions stay.
            configuration={"delta.enableExpiredLogCleanup": "false"},
            post_commithook_properties=AFTERWARDS,
            storage_options=options,
        )
        version = DeltaTable(uri, storage_options=options).version()
        if "://" not in uri:
            log.write_through(Path(uri, "_delta_log"), [version])
        return version


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
