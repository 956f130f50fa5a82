"""Tables of features for training, validation and test; every version is kept."""

import hashlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import polars as pl
from deltalake import CommitProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from power_nowcast.errors import MissingDataError
from power_nowcast.store import log
from power_nowcast.store.datafiles import address, snapshot
from power_nowcast.store.delta import AFTERWARDS, reported

ATTEMPTS = 5
RECENT = 20
"""So many of the newest commits may be of other processes that wrote in between."""


def write(uri: str, frame: pl.DataFrame, options: dict[str, str] | None) -> int:
    """Write a frame as the newest version unless the newest one is equal. Returns the version with the frame.

    In an object store, where there is no lease, another process may write at the same time: then it is tried again.

    Raises:
        StoreError: the table cannot be written.
    """
    digest = _digest(frame)
    with reported(uri, "written"):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return _write_once(uri, frame, digest, options)
            except CommitFailedError:
                if attempt == ATTEMPTS:
                    raise
    raise AssertionError  # the last attempt returns or raises


def _write_once(uri: str, frame: pl.DataFrame, digest: str, options: dict[str, str] | None) -> int:
    with suppress(TableNotFoundError):
        table = DeltaTable(uri, storage_options=options)
        if table.history(1)[0].get("sha256") == digest:
            return table.version()
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
    # Another process may have written a newer version since.
    commits = DeltaTable(uri, storage_options=options).history(RECENT)
    version = int(next(one["version"] for one in commits if one.get("sha256") == digest))
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
