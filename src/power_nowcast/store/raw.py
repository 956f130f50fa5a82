"""Answers as received: one compressed file each, named by its content."""

import gzip
import hashlib
import os
import zlib
from pathlib import Path

from pyarrow import fs

from power_nowcast.errors import StoreError
from power_nowcast.store.durable import sync

PACKED = (".zip", ".gz", ".xz", ".zst", ".parquet")


def keep(folder: str, origin: str, data: bytes) -> str:
    """Write the bytes below a folder or s3:// address unless they are there; returns where they are.

    The name is that of their origin after the beginning of their SHA-256; the file's time is when it was received.

    Raises:
        StoreError: the folder cannot be written.
    """
    name = f"{hashlib.sha256(data).hexdigest()[:16]}-{origin.rsplit('/', 1)[-1]}"
    packed = name.endswith(PACKED)
    address = f"{folder}/{name if packed else name + '.gz'}"
    content = data if packed else gzip.compress(data, mtime=0)
    try:
        if "://" in address:
            _put(address, content)
        elif not (file := Path(address)).exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            # A file of this name is whole: it is renamed into place.
            part = file.with_name(f".{file.name}.{os.getpid()}")
            part.write_bytes(content)
            sync([part])
            part.replace(file)
            sync([file.parent])
    except OSError as error:
        raise StoreError(
            f"{address} cannot be written: {error.strerror or error}.",
            remedy="Check that the folder is writable and not full.",
            path=address,
        ) from error
    return address


def read(address: str) -> bytes:
    """The bytes as received that `keep` wrote.

    Raises:
        StoreError: they are gone or damaged.
    """
    try:
        if "://" in address:
            system, path = fs.FileSystem.from_uri(address)
            with system.open_input_stream(path, compression=None) as stream:
                content = stream.read()
        else:
            content = Path(address).read_bytes()
        own = address.endswith(".gz") and not _received_packed(address, content)
        return gzip.decompress(content) if own else content
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise StoreError(
            f"{address} cannot be read: {reason}.",
            remedy="Restore it from a copy; tables cannot be rebuilt without it.",
            path=address,
        ) from error


def _received_packed(address: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest()[:16] == address.rsplit("/", 1)[-1][:16]


def _put(address: str, content: bytes) -> None:
    system, path = fs.FileSystem.from_uri(address)
    if system.get_file_info(path).type is fs.FileType.NotFound:
        with system.open_output_stream(path, compression=None) as stream:
            stream.write(content)
