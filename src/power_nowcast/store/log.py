"""The log of a Delta table in a folder: what may go from it, and what has to stay."""

import re
from collections.abc import Collection
from pathlib import Path

CHECKPOINT_EVERY = 50
"""Commits from one checkpoint to the next."""
RECENT = 200
"""The last so many versions can be opened again without being kept: readers may still be at one of them."""
_NAME = re.compile(r"(\d{20})\.(checkpoint\.parquet)?")


def has_checkpoint(folder: Path, version: int) -> bool:
    """Whether a version opens without the commits before it."""
    return (folder / f"{version:020}.checkpoint.parquet").exists()


def trim(folder: Path, version: int, kept: Collection[int]) -> int:
    """Delete what neither versions from `RECENT` before `version` on nor the kept ones need; returns how many files.

    A checkpoint holds all that the commits up to it say, so commits before the last checkpoint that is old enough can
    go, and so can earlier checkpoints, but for those of kept versions.
    """
    files = [(int(match[1]), bool(match[2]), file) for file in folder.iterdir() if (match := _NAME.match(file.name))]
    checkpoints = [number for number, is_checkpoint, _ in files if is_checkpoint and number <= version - RECENT]
    if not checkpoints:
        return 0
    first = max(checkpoints)
    gone = [file for number, is_checkpoint, file in files if number < first and not (is_checkpoint and number in kept)]
    for file in gone:
        file.unlink(missing_ok=True)
    return len(gone)
