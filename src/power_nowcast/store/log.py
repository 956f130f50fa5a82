"""The log of a Delta table in a folder: delete the commits that nobody needs, and keep the others."""

import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from power_nowcast.errors import StoreError
from power_nowcast.store.durable import sync

CHECKPOINT_EVERY = 50
"""Commits from one checkpoint to the next."""
RECENT = 200
"""So many last versions can always be opened, as readers may still use one of them."""
_NAME = re.compile(r"(\d{20})\.(checkpoint\.parquet)?")


def has_checkpoint(folder: Path, version: int) -> bool:
    """Whether a version opens without the commits before it."""
    return (folder / f"{version:020}.checkpoint.parquet").exists()


def check(folder: Path, first: int, version: int) -> None:
    """Check that the existing commits of `first`..`version` are complete: delta-rs reads an empty commit as a commit
    without changes.

    Raises:
        StoreError: a commit is empty or cut off.
    """
    for number in range(max(first, 0), version + 1):
        file = _commit(folder, number)
        try:
            is_whole = file.stat().st_size > 0 and (number < version or _is_whole(file))
        except FileNotFoundError:
            continue
        if not is_whole:
            raise StoreError(
                f"The commit {file} is cut off: its content is not known.",
                remedy="Restore the file from a copy. Without one, delete it and what comes after it in that folder, "
                "and make the tables again from the deliveries as received: nowcast data rebuild.",
                table=str(folder.parent),
                file=str(file),
            )


def write_through(folder: Path, versions: Iterable[int], old: set[Path] | None = None) -> None:
    """Make the system write commits, their data files and their checkpoints to the disk, the commits last.

    `old` are folders whose own names are already on the disk; the folders of these versions are added to it.

    Raises:
        OSError: the system could not.
    """
    table, old = folder.parent, set() if old is None else old
    for number in versions:
        commit, checkpoint = _commit(folder, number), folder / f"{number:020}.checkpoint.parquet"
        if commit.exists():
            added = [table / unquote(action["add"]["path"]) for action in _actions(commit) if "add" in action]
            holders = {file.parent for file in added}
            new = {one for holder in holders for one in (holder, *holder.parents) if one.is_relative_to(table)} - old
            sync([*added, *sorted(holders | {one.parent for one in new}), commit])
            old |= new
        if checkpoint.exists():
            sync([checkpoint, folder / "_last_checkpoint"])
        sync([folder])


def _commit(folder: Path, version: int) -> Path:
    return folder / f"{version:020}.json"


def _actions(commit: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in commit.read_text().splitlines()]


def _is_whole(commit: Path) -> bool:
    try:
        actions = _actions(commit)
    except ValueError:
        return False
    infos: list[dict[str, Any]] = [one["commitInfo"] for one in actions if "commitInfo" in one]
    metrics = infos[0].get("operationMetrics", {}) if infos else {}
    # The actions of an append, and of a merge of small files.
    told = metrics.get("num_added_files", metrics.get("numFilesAdded"))
    return told is None or told == sum("add" in one for one in actions)


def trim(folder: Path, version: int, kept: Collection[int]) -> int:
    """Delete commits that neither the `RECENT` versions up to `version` nor the kept versions need; returns the number.

    A checkpoint has the content of all commits up to it. So commits before the last checkpoint that is old enough are
    not needed, and neither are earlier checkpoints, except those of kept versions.
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
