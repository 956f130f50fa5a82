"""Whole ingests: once, twice, interrupted, two at a time."""

import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest

from power_nowcast import regions
from power_nowcast.collect import write, write_all
from power_nowcast.contracts import Batch, Received, Table
from power_nowcast.errors import SourceFormatError, StoreError, WriterBusyError
from power_nowcast.ingest import fetch, with_source
from power_nowcast.ingest.published import Request
from power_nowcast.ingest.reading import keys_of
from power_nowcast.ingest.web import Http
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.store import AppendReport, Store
from tests.faults import Clock
from tests.store.conftest import DAYS, manifests, new_york, rows_of, start_ingest

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a store", wait_seconds=0.2)


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return new_york(tmp_path)


@pytest.fixture
def whole(region: Region, tmp_path: Path) -> tuple[int, str, int, int]:
    store = Store(tmp_path / "whole")
    write_all(store, region)
    return manifests(store)


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
    assert store.read_raw(f"raw/nyiso/power/{kept[0].name}").startswith(b"valid_at,series,value")
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


LATER = [pytest.param(one, marks=pytest.mark.slow) for one in ("keep_raw", "quarantine", "write_calendar")]


@pytest.mark.parametrize("method", ["append", "note_delivery", *LATER])
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
@pytest.mark.parametrize("milliseconds", [0, 20])
@pytest.mark.parametrize("files", range(DAYS - 1))
def test_a_kill_at_any_moment_loses_and_doubles_nothing(
    region: Region, tmp_path: Path, whole: tuple[int, str, int, int], files: int, milliseconds: int
) -> None:
    root = tmp_path / "data"
    process = start_ingest(root, tmp_path)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(1 + files)]
    assert told[0] == "ready\n"
    time.sleep(milliseconds / 1000)
    process.kill()
    rest, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert "stored" not in rest, "it must be killed at work"
    assert files <= len(Store(root).deliveries("nyiso")) < DAYS
    write_all(Store(root, wait_seconds=0), region)
    assert manifests(Store(root)) == whole


def test_two_ingests_at_once_are_as_one(region: Region, tmp_path: Path, whole: tuple[int, str, int, int]) -> None:
    root = tmp_path / "data"
    processes = [start_ingest(root, tmp_path) for _ in range(2)]
    answers = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    stored = sorted(int(out.split("stored ")[1]) for out, _ in answers)
    assert sum(stored) == whole[0], "each row is stored by one of them"
    assert manifests(Store(root)) == whole


def test_a_busy_store_is_told_after_the_waiting_time(region: Region, tmp_path: Path) -> None:
    root = tmp_path / "data"
    with Store(root).lease(), pytest.raises(WriterBusyError):
        write_all(Store(root, wait_seconds=0.1), region)


def live(region: Region, *contents: str, meanwhile: Callable[[], object] = lambda: None) -> tuple[Region, Http]:
    """The region's load from a server that answers in turn, and what asks it; `meanwhile` runs before each answer."""
    bodies, clock = list(contents), Clock(NOW)

    def answer(request: httpx.Request) -> httpx.Response:
        body = bodies.pop(0)
        clock.now += timedelta(seconds=1)
        meanwhile()
        return httpx.Response(200, stream=httpx.ByteStream(body.encode()), headers={"Content-Type": "text/csv"})

    http = Http(transport=httpx.MockTransport(answer), clock=clock, sleep=clock.sleep)
    spec = SourceSpec(source="nyiso_live", label="instant", options={"url": "http://example.org"})
    return region.model_copy(update={"power": spec}), http


def load_of(region: Region, value: float) -> str:
    """New York's file of a day with one time."""
    lines = [f'"12/31/2025 09:00:00","EST","{zone.name}",{number},{value}' for number, zone in enumerate(region.zones)]
    return "\r\n".join(['"Time Stamp","Time Zone","Name","PTID","Load"', *lines, ""])


def test_the_lease_is_free_while_a_source_is_asked(region: Region, tmp_path: Path) -> None:
    free = []

    def meanwhile() -> None:
        with Store(tmp_path / "data", wait_seconds=0).lease():
            free.append(True)

    asked, http = live(region, load_of(region, 600), load_of(region, 601), meanwhile=meanwhile)
    with http:
        assert write_all(Store(tmp_path / "data"), asked, http=http, clock=http.clock).deliveries == 2
    assert free == [True, True]


def test_an_answer_that_another_writer_has_outrun_is_no_correction(region: Region, tmp_path: Path) -> None:
    """Asked first and stored last, the older answer would replace the newer one."""
    newer, other = live(region, load_of(region, 700), load_of(region, 700))
    other.clock.now = NOW + timedelta(minutes=1)  # type: ignore[attr-defined]

    def meanwhile() -> None:
        if len(Store(tmp_path / "data").deliveries(region.name)) == 0:
            write_all(Store(tmp_path / "data"), newer, http=other, clock=other.clock)

    asked, http = live(region, load_of(region, 600), load_of(region, 700), meanwhile=meanwhile)
    with http, other:
        report = write_all(Store(tmp_path / "data"), asked, http=http, clock=http.clock)
    rows = Store(tmp_path / "data").versions(Table.POWER, "nyiso")
    assert rows["value"].unique().to_list() == [700.0]
    assert (len(rows), report.stored) == (11, 0)


def test_files_that_another_writer_has_read_whole_are_not_read_back(tmp_path: Path) -> None:
    zone = regions.load("nyiso").zones[:1]
    region = regions.load("nyiso").model_copy(update={"zones": zone, "total": None, "forecast": None, "weather": None})
    for number, (minute, value) in enumerate([(0, 1001.0), (5, 1002.0), (5, 1003.0)]):
        text = f"valid_at,series,value\n2024-02-27T00:{minute:02d}:00+00:00,{zone[0].name},{value}\n"
        (tmp_path / f"{number}.csv").write_text(text)
    region = with_source(region, "files", files=str(tmp_path / "*.csv"))
    store, others = Store(tmp_path / "data"), list[int]()

    def meanwhile(batch: Batch, rows: AppendReport) -> None:
        if not others:
            others.append(write_all(Store(tmp_path / "data"), region).deliveries)

    report = write_all(store, region, start=datetime(2024, 1, 1, tzinfo=UTC), progress=meanwhile)
    assert (report.deliveries, others) == (1, [3])
    assert store.versions(Table.POWER, "nyiso").sort("first_seen_at")["value"].to_list() == [1001.0, 1002.0, 1003.0]


def test_without_the_lease_two_writers_still_compare_before_they_append(
    region: Region, tmp_path: Path, whole: tuple[int, str, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Object stores have no file lock: there the commit itself is the lock."""
    mine, theirs = Store(tmp_path / "data"), Store(tmp_path / "data")
    for store in (mine, theirs):
        monkeypatch.setattr(store._writer, "lease", nullcontext)
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


def test_a_key_of_a_span_begins_with_that_of_the_whole(region: Region) -> None:
    request = Request(region, Table.POWER, region.power, start=NOW)
    whole, key = keys_of(request, Received(b"x"))
    assert key != whole
    assert Batch("nyiso", Table.POWER, rows_of(), "x", key).whole_key == whole


def test_one_batch_can_be_written_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    batch = Batch("nyiso", Table.POWER, rows_of(("NORTH", 0, 1.0)), "live", "key", raw=b"answer")
    assert write(store, batch, now=NOW) == (AppendReport(added=1), 0)
    assert write(store, batch, now=NOW) == (AppendReport(unchanged=1), 0)


def test_a_path_that_cannot_be_written_is_named(region: Region, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="NOWCAST_DATA"):
        write_all(Store(tmp_path / "file"), region)


@pytest.fixture
def toy(tmp_path: Path) -> Region:
    """A region of one load that reads the files of a folder."""
    (tmp_path / "in").mkdir()
    return regions.Region.model_validate(
        {
            "name": "toy",
            "title": "Toy",
            "timezone": "Europe/Berlin",
            "interval_minutes": 60,
            "model": "toy",
            "holidays": {"country": "DE"},
            "zones": [{"name": "A", "latitude": 50.0, "longitude": 8.0, "max_mw": 3000}],
            "power": {"source": "files", "label": "start", "options": {"files": str(tmp_path / "in/*.csv")}},
        }
    )


def hours(day: int, *values: float) -> str:
    return "valid_at,A\n" + "".join(f"2024-05-0{day}T0{hour}:00Z,{value}\n" for hour, value in enumerate(values))


def test_a_file_of_which_no_row_can_be_used_is_an_error_and_holds_up_no_other(toy: Region, tmp_path: Path) -> None:
    (tmp_path / "in/1.csv").write_text("valid_at,A\n01/05/2024 00:00,1000\n01/05/2024 01:00,1001\n")
    (tmp_path / "in/2.csv").write_text("valid_at,A\nyesterday,1000\n")
    (tmp_path / "in/3.csv").write_text(hours(3, 1000, 1010) + "Total,2010\n")
    store = Store(tmp_path / "data")
    with pytest.raises(
        SourceFormatError, match=r"1\.csv: none of its 2 rows.*The same is true of 1 more: 2\.csv"
    ) as caught:
        write_all(store, toy, clock=lambda: NOW)
    assert "%d/%m/%Y" in caught.value.remedy
    assert store.as_of(Table.POWER, "toy")["value"].to_list() == [1000.0, 1010.0]
    assert len(store.read_quarantine("toy")) == 4
    assert store.deliveries("toy")["origin"].to_list() == ["3.csv"]
    with pytest.raises(SourceFormatError, match="none of its 2 rows"):
        write_all(store, toy, clock=lambda: NOW)
    (tmp_path / "in/2.csv").unlink()
    options = {**toy.power.options, "stamp_format": "%d/%m/%Y %H:%M", "time_zone": "UTC"}
    mended = toy.model_copy(update={"power": toy.power.model_copy(update={"options": options})})
    (tmp_path / "in/3.csv").unlink()
    assert write_all(store, mended, clock=lambda: NOW).stored == 2


def test_the_summary_names_reasons_and_counts(toy: Region, tmp_path: Path) -> None:
    (tmp_path / "in/1.csv").write_text(hours(1, 1000, 1010, -5) + "Total,98765\nSum,1\n")
    report = write_all(Store(tmp_path / "data"), toy, clock=lambda: NOW)
    assert report.reasons == {"unreadable stamp": 2, "negative": 1}
    assert str(report) == (
        "1 files read, 2 rows stored, 3 in quarantine (unreadable stamp 2, negative 1), "
        "0 replaced by a later value of their slot."
    )


def test_two_files_that_contradict_each_other_are_told(
    toy: Region, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "in/1.csv").write_text(hours(1, 1000, 1010, 1020))
    (tmp_path / "in/2.csv").write_text(hours(1, 1000, 1011, 1021))
    (tmp_path / "in/3.csv").write_text(hours(2, 1000, 1010, 1020))
    store = Store(tmp_path / "data")
    report = write_all(store, toy, clock=lambda: NOW)
    assert report.contradictions == 2
    assert str(report).endswith("2 values differ from those of another file: the last one read counts.")
    assert "2.csv contradicts 1.csv in 2 values, such as A at 2024-05-01T02:00Z: 1011.0 and 1010.0." in caplog.text
    assert store.as_of(Table.POWER, "toy", end=datetime(2024, 5, 1, 12, tzinfo=UTC))["value"].to_list() == [
        *(1000.0, 1011.0, 1021.0)
    ]
    (tmp_path / "in/4.csv").write_text(hours(1, 1000, 1012, 1021))
    later = write_all(store, toy, clock=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    assert (later.tables[Table.POWER].corrected, later.contradictions) == (1, 0), "a correction that comes later"
