"""Live ingests from a server that misbehaves: nothing lost, nothing twice, everything told, and later all is there."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.collect import write
from power_nowcast.contracts import Table
from power_nowcast.errors import DataError, SourceFormatError, SourceUnavailableError
from power_nowcast.ingest import fetch, with_source
from power_nowcast.ingest.web import Http
from power_nowcast.regions import Region
from power_nowcast.store import AppendReport, Store
from tests.faults import Clock, Reply, Server

from .conftest import LOAD_HEADER, load_line

NOW = datetime(2025, 2, 19, 15, 7, tzinfo=UTC)
YESTERDAY, TODAY, PATH = "02/18/2025", "02/19/2025", "/pal/20250219pal.csv"
type Rows = list[tuple[str, datetime, float]]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as started:
        yield started


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def http(clock: Clock, tmp_path: Path) -> Iterator[Http]:
    with Http(tmp_path / "raw", clock=clock, sleep=clock.sleep, chance=lambda: 1.0, timeout=0.3) as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


@pytest.fixture
def region(nyiso: Region, server: Server) -> Region:
    """New York's load, live from the server."""
    return with_source(nyiso.model_copy(update={"forecast": None, "weather": None}), "nyiso_live", url=server.url)


def day(region: Region, date: str, slots: int, first: int = 600, zones: int = 11, zone: str = "EST") -> bytes:
    """A file of load of the first slots of a day's tenth hour, each value its own."""
    lines = [
        load_line(f"{date} 09:{5 * slot:02d}:00", zone, name=place.name, load=float(first + 20 * slot + number))
        for slot in range(slots)
        for number, place in enumerate(region.zones[:zones])
    ]
    return "".join(f"{line}\r\n" for line in (LOAD_HEADER, *lines)).encode()


def ingest(store: Store, region: Region, http: Http) -> AppendReport:
    report = AppendReport()
    for batch in fetch(region, known=store.delivered(region.name), http=http):
        report += write(store, batch, now=http.clock())[0]
    return report


def stored(store: Store) -> Rows:
    rows = store.versions(Table.POWER, "nyiso").sort("valid_at", "series")
    return list(rows.select("series", "valid_at", "value").iter_rows())


def expected(region: Region, *days: tuple[str, int], first: int = 600) -> Rows:
    """What files of these days and slots hold."""
    rows = [
        (
            zone.name,
            datetime.strptime(date, "%m/%d/%Y").replace(tzinfo=UTC) + timedelta(hours=14, minutes=5 * slot),
            value,
        )
        for date, slots in days
        for slot in range(slots)
        for number, zone in enumerate(region.zones)
        for value in [float(first + 20 * slot + number)]
    ]
    return sorted(rows, key=lambda row: (row[1], row[0]))


@pytest.fixture
def whole(server: Server, region: Region) -> Reply:
    """Today's file; yesterday's is on the server already."""
    server.serve("/pal/20250218pal.csv", Reply(day(region, YESTERDAY, 2)))
    return Reply(day(region, TODAY, 3))


def test_what_is_there_arrives_once(
    server: Server, region: Region, whole: Reply, store: Store, http: Http, clock: Clock
) -> None:
    server.serve(PATH, whole)
    assert ingest(store, region, http) == AppendReport(added=55)
    assert ingest(store, region, http) == AppendReport()
    assert server.statuses == [200, 200, 304, 304]
    assert stored(store) == expected(region, (YESTERDAY, 2), (TODAY, 3))
    rows = store.versions(Table.POWER, "nyiso")
    basis = {row["valid_at"].day: (row["basis"], row["available_at"]) for row in rows.iter_rows(named=True)}
    assert basis[18][0] == "delay"
    assert basis[19] == ("seen", NOW + timedelta(seconds=0.5)), "the second request waits its turn"


PASSING = [
    (Reply(status=503), [1]),
    (Reply(status=503, headers={"Retry-After": "7"}), [7]),
    (Reply(status=429), [1]),
    (Reply(status=429, headers={"Retry-After": "Wed, 19 Feb 2025 15:07:40 GMT"}), [39.5]),
    (Reply(b"x" * 100, cut=True), [1]),
    (Reply(hang=True), [1]),
    (Reply(b"<html><title>Maintenance</title></html>", content_type="text/html"), [1]),
    (Reply(b""), [1]),
]


@pytest.mark.parametrize(("fault", "waits"), PASSING)
def test_a_fault_that_passes_costs_a_moment(
    server: Server,
    region: Region,
    whole: Reply,
    store: Store,
    http: Http,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
    fault: Reply,
    waits: list[float],
) -> None:
    server.serve(PATH, fault, whole)
    assert ingest(store, region, http) == AppendReport(added=55)
    assert [wait for wait in clock.slept if wait > 0.5] == waits
    assert stored(store) == expected(region, (YESTERDAY, 2), (TODAY, 3))
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told.startswith(f"nyiso_live: {server.url}{PATH} ")
    assert "at 2025-02-19T15:07:" in told
    assert "attempt 1 of 4, the next in" in told


LASTING = [
    (Reply(status=503), SourceUnavailableError, "answered 503 Service Unavailable"),
    (Reply(status=429, headers={"Retry-After": "7200"}), SourceUnavailableError, "wait until 2025-02-19T17:07:00Z"),
    (Reply(b"x" * 100, cut=True), SourceUnavailableError, "peer closed connection"),
    (Reply(hang=True), SourceUnavailableError, "timed out"),
    (Reply(b"<!doctype html><title>Sorry</title>"), SourceFormatError, r"web page \(Sorry\)"),
    (Reply(b"GIF89a", content_type="image/gif"), SourceFormatError, "image/gif in place of csv"),
    (Reply(b"\r\n"), SourceFormatError, "empty body"),
    (Reply(b'"Time Stamp","Name","MW"\r\n'), SourceFormatError, 'found "Time Stamp","Name","MW"'),
]


@pytest.mark.parametrize(("fault", "kind", "message"), LASTING)
def test_a_fault_that_stays_is_told_and_what_was_whole_is_kept(
    server: Server,
    region: Region,
    whole: Reply,
    store: Store,
    http: Http,
    clock: Clock,
    fault: Reply,
    kind: type[DataError],
    message: str,
) -> None:
    server.serve(PATH, fault)
    with pytest.raises(kind, match=message) as caught:
        ingest(store, region, http)
    fields = caught.value.fields
    assert (fields["source"], fields["url"]) == ("nyiso_live", f"{server.url}{PATH}")
    time = fields["time"]
    assert isinstance(time, datetime)
    assert NOW <= time <= clock.now
    assert f"{time:%Y-%m-%dT%H:%M:%SZ}" in str(caught.value)
    assert "nyiso_live: " in str(caught.value)
    assert f"{server.url}{PATH}" in str(caught.value)
    assert caught.value.remedy
    assert stored(store) == expected(region, (YESTERDAY, 2))
    server.serve(PATH, whole)
    clock.now += timedelta(hours=2)
    assert ingest(store, region, http) == AppendReport(added=33)
    assert stored(store) == expected(region, (YESTERDAY, 2), (TODAY, 3))


def test_a_day_that_has_not_begun_on_the_server_is_no_error(
    server: Server, region: Region, whole: Reply, store: Store, http: Http
) -> None:
    assert ingest(store, region, http) == AppendReport(added=22)
    server.serve(PATH, whole)
    assert ingest(store, region, http) == AppendReport(added=33)
    server.replies.clear()
    with pytest.raises(SourceUnavailableError, match=r"20250218pal.csv answered 404 Not Found.*Check the address"):
        ingest(store, region, http)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.55, 0.8, 0.99])
def test_a_file_that_is_half_written_is_read_to_its_last_whole_line(
    server: Server, region: Region, whole: Reply, store: Store, http: Http, share: float
) -> None:
    half = Reply(whole.body[: round(share * len(whole.body))])
    server.serve(PATH, half, whole)
    if share < 0.05:
        with pytest.raises(SourceFormatError):
            ingest(store, region, http)
    else:
        ingest(store, region, http)
    complete = expected(region, (YESTERDAY, 2), (TODAY, 3))
    assert set(stored(store)) <= set(complete), "half a number is no number"
    ingest(store, region, http)
    assert stored(store) == complete


def test_a_value_that_is_corrected_later_counts_from_then(
    server: Server, region: Region, whole: Reply, store: Store, http: Http, clock: Clock
) -> None:
    server.serve(PATH, whole, Reply(day(region, TODAY, 3, first=700)))
    ingest(store, region, http)
    clock.now += timedelta(hours=1)
    assert ingest(store, region, http) == AppendReport(corrected=33)
    before = store.as_of(Table.POWER, "nyiso", at=clock.now - timedelta(minutes=1))
    after = store.as_of(Table.POWER, "nyiso", at=clock.now)
    today = pl.col("valid_at") > NOW - timedelta(hours=3)
    assert before.filter(today)["value"].min() == 600
    assert after.filter(today)["value"].min() == 700
    assert ingest(store, region, http) == AppendReport(), "the correction is not new a second time"


def test_a_zone_that_is_missing_is_told_and_comes_later(
    server: Server, region: Region, whole: Reply, store: Store, http: Http, caplog: pytest.LogCaptureFixture
) -> None:
    server.serve(PATH, Reply(day(region, TODAY, 3, zones=10)), whole)
    assert ingest(store, region, http) == AppendReport(added=22 + 30)
    (told,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told.startswith("nyiso_live: 20250219pal.csv has no row of WEST. ")
    assert f"from {server.url}{PATH} at 2025-02-19T15:07:00Z" in told
    assert "compare the region file's zones" in told
    assert ingest(store, region, http) == AppendReport(added=3, unchanged=30)
    assert stored(store) == expected(region, (YESTERDAY, 2), (TODAY, 3))


@pytest.mark.parametrize(("day_of_change", "hours", "offset"), [("2025-03-09", 23, "EST"), ("2025-11-02", 25, "EDT")])
def test_days_of_23_and_25_hours_are_whole(
    server: Server, nyiso: Region, store: Store, clock: Clock, http: Http, day_of_change: str, hours: int, offset: str
) -> None:
    zone = nyiso.model_copy(update={"zones": nyiso.zones[:1], "total": None, "forecast": None, "weather": None})
    region = with_source(zone, "nyiso_live", url=server.url)
    start = datetime.fromisoformat(day_of_change).replace(tzinfo=region.tz).astimezone(UTC)
    times = [start + timedelta(minutes=5 * slot) for slot in range(12 * hours)]
    local = [time.astimezone(region.tz) for time in times]
    lines = [
        load_line(f"{time:%m/%d/%Y %H:%M:%S}", time.tzname() or "", name="CAPITL", load=1000.0 + number)
        for number, time in enumerate(local)
    ]
    body = "".join(f"{line}\r\n" for line in (LOAD_HEADER, *lines)).encode()
    clock.now = start + timedelta(hours=30)
    assert local[0].tzname() == offset
    server.serve(f"/pal/{day_of_change.replace('-', '')}pal.csv", Reply(body))
    ingest(store, region, http)
    rows = store.versions(Table.POWER, "nyiso").sort("valid_at")
    assert rows["valid_at"].to_list() == times
    assert rows["value"].to_list() == [1000.0 + number for number in range(12 * hours)]


def test_a_slot_over_midnight_survives_a_failure_between_its_files(
    server: Server, region: Region, store: Store, http: Http
) -> None:
    lines = [load_line(f"{YESTERDAY} 23:5{minute}:00", name=zone.name) for minute in (5, 7) for zone in region.zones]
    yesterday = "".join(f"{line}\r\n" for line in (LOAD_HEADER, *lines)).encode()
    server.serve("/pal/20250218pal.csv", Reply(yesterday))
    server.serve(PATH, Reply(status=503))
    with pytest.raises(SourceUnavailableError):
        ingest(store, region, http)
    server.serve(PATH, Reply(day(region, TODAY, 1)))
    ingest(store, region, http)
    midnight = store.as_of(Table.POWER, "nyiso").filter(pl.col("valid_at") == datetime(2025, 2, 19, 5, tzinfo=UTC))
    assert midnight["value"].to_list() == [600.0] * 11


def test_days_back_are_counted_from_the_newest_value_on_the_server(
    server: Server, region: Region, whole: Reply, http: Http
) -> None:
    server.serve(PATH, whole)
    server.serve("/pal/20250218pal.csv", Reply(day(region, YESTERDAY, 4)))
    batches = list(fetch(region, days=1, http=http))
    assert [len(batch.rows) for batch in batches] == [22, 33], "from 09:10 of yesterday to 09:10 of today"


@pytest.fixture
def tables(tmp_path: Path, http: Http) -> Callable[[str, Region], list[str]]:
    """Digests of power and forecast after an ingest into a store of this name."""

    def digests(name: str, region: Region) -> list[str]:
        store = Store(tmp_path / name)
        ingest(store, region, http)
        return [store.manifest(table, region.name).sha256 for table in (Table.POWER, Table.FORECAST)]

    return digests


def test_a_second_store_is_filled_from_what_was_kept(
    server: Server, region: Region, whole: Reply, clock: Clock, tables: Callable[[str, Region], list[str]]
) -> None:
    server.serve(PATH, whole)
    first = tables("first", region)
    clock.now += timedelta(hours=1)
    assert tables("second", region) == first
    assert server.statuses == [200, 200, 304, 304], "nothing was sent twice"
