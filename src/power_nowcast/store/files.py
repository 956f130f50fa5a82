"""Files below a store's address, in a folder or in an object store. They are written and read as a whole."""

import os
from pathlib import Path

from pyarrow import fs

from power_nowcast.store.address import Address
from power_nowcast.store.durable import sync

_S3_OPTIONS = {
    "access_key_id": "access_key",
    "secret_access_key": "secret_key",
    "session_token": "session_token",
    "token": "session_token",
    "region": "region",
    "default_region": "region",
    "endpoint": "endpoint_override",
    "endpoint_url": "endpoint_override",
}
"""Options of Delta's client, without `aws_` and in lower case, by Arrow's names for them."""


class Files:
    """The files of a store.

    A file in a folder gets its name when it is complete and on the disk; an object appears complete.
    """

    def __init__(self, address: Address) -> None:
        self._address = address

    def uri(self, path: str) -> str:
        """Address of a file; `path` is below the store's root."""
        return self._address.uri(path)

    def read(self, path: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: the file does not exist.
            OSError: the file cannot be read.
        """
        if self._address.is_local:
            return Path(self.uri(path)).read_bytes()
        system, place = self._remote(path)
        with system.open_input_stream(place, compression=None) as stream:
            return bytes(stream.read())

    def write(self, path: str, content: bytes) -> None:
        """Write a file; it replaces an existing one.

        Raises:
            OSError: it cannot be written.
        """
        if not self._address.is_local:
            system, place = self._remote(path)
            with system.open_output_stream(place, compression=None) as stream:
                stream.write(content)
            return
        file = Path(self.uri(path))
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.{os.getpid()}")
        part.write_bytes(content)
        sync([part])
        part.replace(file)
        sync([file.parent])

    def exists(self, path: str) -> bool:
        """Whether the file exists.

        Raises:
            OSError: the object store does not answer.
        """
        if self._address.is_local:
            return Path(self.uri(path)).is_file()
        system, place = self._remote(path)
        return bool(system.get_file_info(place).type is fs.FileType.File)

    def names(self, folder: str) -> list[str]:
        """Names of the files directly in a folder, sorted; empty if the folder does not exist.

        Raises:
            OSError: it cannot be listed.
        """
        if self._address.is_local:
            system, place = fs.LocalFileSystem(), self.uri(folder)
        else:
            system, place = self._remote(folder)
        found = system.get_file_info(fs.FileSelector(place, allow_not_found=True))
        # The name of an unfinished file begins with a dot.
        return sorted(one.base_name for one in found if one.is_file and not one.base_name.startswith("."))

    def _remote(self, path: str) -> tuple[fs.FileSystem, str]:
        uri = self.uri(path)
        scheme, _, place = uri.partition("://")
        if scheme not in ("s3", "s3a") or not self._address.options:
            found: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(uri)
            return found
        given = {name.lower().removeprefix("aws_"): value for name, value in self._address.options.items()}
        options = {own: given[name] for name, own in _S3_OPTIONS.items() if name in given}
        return fs.S3FileSystem(**options), place
