"""Tables of features: each version kept, an equal one not written again, and on the disk when its number is told."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import polars as pl
import pytest
from deltalake.exceptions import DeltaError

from power_nowcast.errors import StoreError
from power_nowcast.store import features

FIRST, SECOND = pl.DataFrame({"x": [1.0, 2.0]}), pl.DataFrame({"x": [3.0]})


def test_a_frame_that_equals_the_newest_is_not_written_again(tmp_path: Path) -> None:
    table = str(tmp_path / "table")
    versions = [features.write(table, frame, None) for frame in (FIRST, FIRST, SECOND, SECOND, FIRST, FIRST)]
    assert versions == [0, 0, 1, 1, 2, 2], "only the newest version counts"
    assert features.read(table, None, None).equals(FIRST)
    assert features.read(table, 1, None).equals(SECOND)


def test_a_version_is_on_the_disk_when_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []

    def noted(descriptor: int) -> None:
        synced.append(os.path.relpath(Path(f"/proc/self/fd/{descriptor}").readlink(), tmp_path))

    monkeypatch.setattr(os, "fsync", noted)
    for version, frame in enumerate((FIRST, SECOND)):
        synced.clear()
        assert features.write(str(tmp_path / "table"), frame, None) == version
        data = [name for name in synced if name.endswith(".parquet")]
        assert len(data) == 1
        assert {"table", "table/_delta_log", f"table/_delta_log/{version:020}.json"} <= set(synced)


def test_writers_at_the_same_time_get_a_version_each_with_their_own_rows_only(tmp_path: Path) -> None:
    frames = [pl.DataFrame({"x": [float(number)] * (number + 1)}) for number in range(3)]
    for attempt in range(10):
        table, together = str(tmp_path / str(attempt)), Barrier(len(frames))

        def write(frame: pl.DataFrame, table: str = table, together: Barrier = together) -> int:
            together.wait()
            return features.write(table, frame, None)

        with ThreadPoolExecutor(len(frames)) as threads:
            versions = list(threads.map(write, frames))
        assert sorted(versions) == [0, 1, 2]
        for version, frame in zip(versions, frames, strict=True):
            assert features.read(table, version, None).equals(frame)


def test_a_write_that_fails_by_itself_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, tried = str(tmp_path / "table"), []
    features.write(table, FIRST, None)

    def write(*_: object, **__: object) -> None:
        tried.append(table)
        raise DeltaError("no more room")

    monkeypatch.setattr(features, "write_deltalake", write)
    with pytest.raises(StoreError, match="no more room"):
        features.write(table, SECOND, None)
    assert len(tried) == 1
