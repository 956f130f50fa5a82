"""What is acknowledged is on the disk; what a killed write left goes after a time."""

import os
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

STRAY_AFTER = timedelta(days=1)
"""Age from which a file under a temporary name is of a write that was killed: none takes so long."""
# Of a raw delivery, of object_store's files before they get their names, of delta-rs' commits.
_TEMPORARY = re.compile(r"\..+\.\d+|.+#\d+|_commit_.+\.tmp")


def sync(paths: Iterable[Path]) -> None:
    """Have files, or the names in folders, written to the disk.

    Raises:
        OSError: the system could not.
    """
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_strays(root: Path, now: datetime) -> int:
    """Delete files under temporary names below a folder that are older than `STRAY_AFTER`; returns how many."""
    before = (now - STRAY_AFTER).timestamp()
    names = (folder / name for folder, _, files in root.walk() for name in files if _TEMPORARY.fullmatch(name))
    strays = [file for file in names if file.stat().st_mtime < before]
    for file in strays:
        file.unlink(missing_ok=True)
    return len(strays)
