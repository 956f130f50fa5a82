"""Results of jobs next to the tables: small JSON documents and frames by name, in the same store."""

import json
from io import BytesIO
from typing import Any

import polars as pl

from power_nowcast.errors import StoreError
from power_nowcast.store.files import Files

FOLDER = "documents"


class Documents:
    """Documents of a store, by names such as `nyiso/features`.

    A document is complete or absent, and the last document written under a name counts. A machine without its own disk
    finds the results of other machines here.

    Args:
        files: the store's files.
    """

    def __init__(self, files: Files) -> None:
        self._files = files

    def read(self, name: str) -> Any | None:
        """The value that `write` stored, None if there is none.

        Raises:
            StoreError: the document cannot be read, or is not JSON.
        """
        content = self._read(f"{name}.json")
        if content is None:
            return None
        try:
            return json.loads(content)
        except ValueError as error:
            raise StoreError(
                f"{self._uri(f'{name}.json')} is no JSON: {error}.",
                remedy="Delete it: the command that wrote it makes it again.",
                path=self._uri(f"{name}.json"),
            ) from error

    def write(self, name: str, value: Any) -> None:
        """Store a value as JSON.

        Raises:
            StoreError: it cannot be written.
        """
        self._write(f"{name}.json", json.dumps(value, indent=1).encode())

    def read_frame(self, name: str) -> pl.DataFrame | None:
        """The frame that `write_frame` stored, None if there is none.

        Raises:
            StoreError: it cannot be read.
        """
        content = self._read(f"{name}.parquet")
        if content is None:
            return None
        try:
            return pl.read_parquet(BytesIO(content))
        except pl.exceptions.PolarsError as error:
            raise StoreError(
                f"{self._uri(f'{name}.parquet')} cannot be read: {str(error).splitlines()[0]}.",
                remedy="Delete it: the command that wrote it makes it again.",
                path=self._uri(f"{name}.parquet"),
            ) from error

    def write_frame(self, name: str, frame: pl.DataFrame) -> None:
        """Store a frame.

        Raises:
            StoreError: it cannot be written.
        """
        buffer = BytesIO()
        frame.write_parquet(buffer)
        self._write(f"{name}.parquet", buffer.getvalue())

    def read_bytes(self, name: str) -> bytes | None:
        """The bytes that `write_bytes` stored, None if there are none.

        Raises:
            StoreError: they cannot be read.
        """
        return self._read(name)

    def write_bytes(self, name: str, content: bytes) -> None:
        """Store the content of another program's file, such as a database.

        Raises:
            StoreError: it cannot be written.
        """
        self._write(name, content)

    def frames(self, folder: str) -> frozenset[str]:
        """Names of the frames directly in a folder; empty if the folder does not exist.

        Raises:
            StoreError: the folder cannot be listed.
        """
        try:
            files = self._files.names(f"{FOLDER}/{folder}")
        except OSError as error:
            raise self._unreadable(folder, error) from error
        return frozenset(f"{folder}/{file.removesuffix('.parquet')}" for file in files if file.endswith(".parquet"))

    def _uri(self, file: str) -> str:
        return self._files.uri(f"{FOLDER}/{file}")

    def _read(self, file: str) -> bytes | None:
        try:
            return self._files.read(f"{FOLDER}/{file}")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(file, error) from error

    def _unreadable(self, file: str, error: OSError) -> StoreError:
        uri = self._uri(file)
        return StoreError(
            f"{uri} cannot be read: {error.strerror or error}.",
            remedy="Check the path, its permissions and the keys of the object store.",
            path=uri,
        )

    def _write(self, file: str, content: bytes) -> None:
        try:
            self._files.write(f"{FOLDER}/{file}", content)
        except OSError as error:
            uri = self._uri(file)
            raise StoreError(
                f"{uri} cannot be written: {error.strerror or error}.",
                remedy="Check that the folder is writable and not full (NOWCAST_DATA).",
                path=uri,
            ) from error
