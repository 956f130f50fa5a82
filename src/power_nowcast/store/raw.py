"""Answers as received: one compressed file for each, named by its content."""

import gzip
import hashlib
import zlib

from power_nowcast.errors import StoreError
from power_nowcast.store.files import Files

PACKED = (".zip", ".gz", ".xz", ".zst", ".parquet")


def keep(files: Files, folder: str, origin: str, data: bytes) -> str:
    """Write the bytes into a folder unless they exist there; returns their path below the root.

    The file's name is the beginning of their SHA-256 and the name of their origin; its time is the time of receipt.

    Raises:
        StoreError: the folder cannot be written.
    """
    name = f"{hashlib.sha256(data).hexdigest()[:16]}-{origin.rsplit('/', 1)[-1]}"
    is_packed = name.endswith(PACKED)
    path = f"{folder}/{name if is_packed else name + '.gz'}"
    try:
        if not files.exists(path):
            files.write(path, data if is_packed else gzip.compress(data, mtime=0))
    except OSError as error:
        uri = files.uri(path)
        raise StoreError(
            f"{uri} cannot be written: {error.strerror or error}.",
            remedy="Check that the folder is writable and not full.",
            path=uri,
        ) from error
    return path


def read(files: Files, path: str) -> bytes:
    """The bytes as received, written by `keep`.

    Raises:
        StoreError: the bytes are missing or damaged.
    """
    try:
        content = files.read(path)
        is_ours = path.endswith(".gz") and not _received_packed(path, content)
        return gzip.decompress(content) if is_ours else content
    except (OSError, EOFError, zlib.error) as error:
        uri, reason = files.uri(path), getattr(error, "strerror", None) or error
        raise StoreError(
            f"{uri} cannot be read: {reason}.",
            remedy="Restore it from a copy; tables cannot be rebuilt without it.",
            path=uri,
        ) from error


def _received_packed(path: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest()[:16] == path.rsplit("/", 1)[-1][:16]
