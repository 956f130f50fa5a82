"""Whole ingests: once, twice, interrupted, two at a time."""

import signal
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from power_nowcast import regions
from power_nowcast.contracts import Table
from power_nowcast.errors import SourceFormatError, StoreError, WriterBusyError
from power_nowcast.ingest import fetch
from power_nowcast.ingest.batch import Batch
from power_nowcast.regions import Region
from power_nowcast.store import AppendReport, Store, raw, write, write_all

from .conftest import DAYS, manifests, rows_of, start_ingest

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_ingest_writes_rows_bad_rows_raw_files_and_the_calendar(region: Region, tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    seen: list[str] = []
    report = write_all(store, region, clock=lambda: NOW, progress=lambda batch, rows: seen.append(batch.origin))
    assert report.deliveries == len(seen) == DAYS
    assert report.tables == {Table.POWER: AppendReport(added=DAYS * 288 * 11, corrected=1)}
    assert report.quarantined == DAYS
    assert store.read_quarantine("nyiso")["reason"].unique().to_list() == ["unknown zone"]
    kept = sorted((tmp_path / "data/raw/nyiso/power").iterdir())
    assert len(kept) == DAYS
    assert raw.read(str(kept[0])).startswith(b"valid_at,series,value")
    days = store.read_calendar("nyiso")
    assert (str(days["date"][0]), str(days["date"][-1])) == ("2024-02-26", "2024-03-17")
    corrected = store.versions(Table.POWER, "nyiso").filter(pl.col("first_seen_at") == pl.col("available_at"))
    assert corrected["value"].to_list() == [501.0]


def test_a_second_ingest_finds_nothing_to_do(region: Region, tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    write_all(store, region)
    before, version = manifests(store), store.version(Table.POWER)
    report = write_all(Store(tmp_path / "data"), region)
    assert (report.deliveries, report.stored) == (0, 0)
    assert (manifests(store), store.version(Table.POWER)) == (before, version)


def test_the_sample_comes_in_like_any_other_source(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    report = write_all(store, regions.load("victoria"))
    assert report.tables[Table.POWER].added == 17520
    assert store.last(Table.POWER, "victoria") == datetime(2014, 12, 31, 13, 30, tzinfo=UTC)
    assert not (tmp_path / "data/raw").exists(), "its bytes are in the package"


def test_what_was_read_before_a_damaged_file_is_stored(region: Region, tmp_path: Path) -> None:
    (tmp_path / "2024-03-01.csv").write_text("valid_at,series\n")
    store = Store(tmp_path / "data")
    with pytest.raises(SourceFormatError):
        write_all(store, region)
    assert store.deliveries("nyiso")["origin"].to_list() == ["2024-02-27.csv", "2024-02-28.csv", "2024-02-29.csv"]


class KilledError(Exception):
    """Stands for whatever ends a process between two steps."""


@pytest.mark.parametrize("method", ["keep_raw", "quarantine", "append", "note_delivery", "write_calendar"])
def test_an_ingest_interrupted_at_any_step_goes_on(
    region: Region, tmp_path: Path, whole: tuple[int, str, int, int], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for after in (False, True):
        store = Store(tmp_path / f"data {after}")
        original = getattr(store, method)

        def interrupted(*args: object, original: object = original, after: bool = after, **kwargs: object) -> None:
            if after:
                original(*args, **kwargs)  # type: ignore[operator]
            raise KilledError

        monkeypatch.setattr(store, method, interrupted)
        with pytest.raises(KilledError):
            write_all(store, region)
        write_all(Store(store.root), region)
        assert manifests(Store(store.root)) == whole


@pytest.mark.integration
def test_a_killed_ingest_goes_on(region: Region, tmp_path: Path, whole: tuple[int, str, int, int]) -> None:
    root = tmp_path / "data"
    for files in (1, 3):
        process = start_ingest(root, tmp_path)
        assert process.stdout is not None
        for line in process.stdout:
            files -= "csv" in line
            if not files:
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert Store(root).as_of(Table.POWER, "nyiso").height % (288 * 11) == 0, "an append is there or not"
    write_all(Store(root, wait_seconds=0), region)
    assert manifests(Store(root)) == whole


@pytest.mark.integration
def test_ctrl_c_leaves_a_store_that_the_next_run_completes(
    region: Region, tmp_path: Path, whole: tuple[int, str, int, int]
) -> None:
    root = tmp_path / "data"
    process = start_ingest(root, tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if "csv" in line:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert "KeyboardInterrupt" in errors
    write_all(Store(root, wait_seconds=0), region)
    assert manifests(Store(root)) == whole


@pytest.mark.integration
@pytest.mark.parametrize("milliseconds", range(0, 900, 75))
def test_a_kill_at_any_moment_loses_and_doubles_nothing(
    region: Region, tmp_path: Path, whole: tuple[int, str, int, int], milliseconds: int
) -> None:
    root = tmp_path / "data"
    process = start_ingest(root, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(milliseconds / 1000)
    process.kill()
    process.communicate()
    write_all(Store(root, wait_seconds=0), region)
    assert manifests(Store(root)) == whole


def test_two_ingests_at_once_are_as_one(region: Region, tmp_path: Path, whole: tuple[int, str, int, int]) -> None:
    root = tmp_path / "data"
    processes = [start_ingest(root, tmp_path) for _ in range(2)]
    answers = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    stored = sorted(int(out.split("stored ")[1]) for out, _ in answers)
    assert stored == [0, whole[0]]
    assert manifests(Store(root)) == whole


def test_a_busy_store_is_told_after_the_waiting_time(region: Region, tmp_path: Path) -> None:
    root = tmp_path / "data"
    with Store(root).lease(), pytest.raises(WriterBusyError):
        write_all(Store(root, wait_seconds=0.1), region)


def test_without_the_lease_two_writers_still_compare_before_they_append(
    region: Region, tmp_path: Path, whole: tuple[int, str, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Object stores have no file lock: there the commit itself is the lock."""
    mine, theirs = Store(tmp_path / "data"), Store(tmp_path / "data")
    for store in (mine, theirs):
        monkeypatch.setattr(store, "_lease", nullcontext)
    batches = list(fetch(region))
    for batch in batches:
        delta = mine._values[Table.POWER]
        original = delta.append

        def late(rows: pl.DataFrame, *, onto: int, batch: Batch = batch, original: object = original) -> None:
            theirs.append(batch.table, batch.rows, now=NOW)
            original(rows, onto=onto)  # type: ignore[operator]

        monkeypatch.setattr(delta, "append", late)
        mine.append(batch.table, batch.rows, now=NOW)
        monkeypatch.setattr(delta, "append", original)
    assert mine.manifest(Table.POWER, "nyiso").sha256 == whole[1]


def test_one_batch_can_be_written_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    batch = Batch("nyiso", Table.POWER, rows_of(("NORTH", 0, 1.0)), "live", "key", raw=b"answer")
    assert write(store, batch, now=NOW) == (AppendReport(added=1), 0)
    assert write(store, batch, now=NOW) == (AppendReport(unchanged=1), 0)


def test_a_path_that_cannot_be_written_is_named(region: Region, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="NOWCAST_DATA"):
        write_all(Store(tmp_path / "file"), region)
