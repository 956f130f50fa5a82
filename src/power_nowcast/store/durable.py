"""Durable writes: acknowledged data are on the disk, and leftovers of killed writes are deleted after a time."""

import os
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

STRAY_AFTER = timedelta(days=1)
"""A file with a temporary name and this age is left from a killed write: no write takes so long."""
# Names of a raw delivery, of object_store's files before their final names, and of delta-rs' commits.
_TEMPORARY = re.compile(r"\..+\.\d+|.+#\d+|_commit_.+\.tmp")


def sync(paths: Iterable[Path]) -> None:
    """Make the system write files, or the names in folders, to the disk.

    Raises:
        OSError: the system could not.
    """
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_temporary(name: str) -> bool:
    """Whether a file of this name is not complete, or was left by a killed write."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_strays(root: Path, now: datetime) -> int:
    """Delete temporary files below a folder that are older than `STRAY_AFTER`; returns their number."""
    before = (now - STRAY_AFTER).timestamp()
    names = (folder / name for folder, _, files in root.walk() for name in files if is_temporary(name))
    strays = [file for file in names if file.stat().st_mtime < before]
    for file in strays:
        file.unlink(missing_ok=True)
    return len(strays)
