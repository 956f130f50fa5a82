"""follow: what came bit by bit, through outages, is what a single ingest brings."""

import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from power_nowcast.collect import write_all
from power_nowcast.collect.follow import BEHIND, LONGEST_WAIT, Follower
from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, SourceUnavailableError
from power_nowcast.ingest.catalog import SOURCES
from power_nowcast.ingest.published import Delivery, Request
from power_nowcast.ingest.sources.files import Files
from power_nowcast.ingest.web import Http
from power_nowcast.regions import Region, SourceSpec, load
from power_nowcast.store import Store
from tests.faults import Clock, Reply, Server
from tests.ingest.conftest import FORECAST_HEADER, LOAD_HEADER, forecast_line, load_line
from tests.toy import toy_region, toy_rows

START = datetime(2024, 3, 4, tzinfo=UTC)
END = START + timedelta(hours=9)


class World:
    """A publisher that appends to a file, and a clock that moves when somebody sleeps."""

    def __init__(self, folder: Path, out: Sequence[tuple[int, int]] = (), late: timedelta = timedelta(0)) -> None:
        self.folder, self.out, self.late, self.now, self.waits = folder, out, late, START, []
        rows = toy_rows(8).drop("KTOY.temperature_c")
        self.rows = rows.with_columns(at=pl.col("valid_at").str.to_datetime(time_zone="UTC"))
        self.publish()

    @property
    def region(self) -> Region:
        spec = SourceSpec(source="files", options={"files": str(self.folder / "power*.csv")})
        return toy_region().model_copy(update={"power": spec, "weather": None})

    def publish(self) -> None:
        file = self.folder / "power.csv"
        hours = (self.now - START) / timedelta(hours=1)
        if any(first <= hours < last for first, last in self.out):
            file.unlink(missing_ok=True)
            return
        self.rows.filter(pl.col("at") <= self.now - self.late).drop("at").write_csv(file)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds)
        self.publish()

    def follower(self, store: Store, said: list[str] | None = None) -> Follower:
        told = [] if said is None else said
        return Follower(store, self.region, clock=lambda: self.now, sleep=self.sleep, progress=told.append)


OUTAGES = st.lists(
    st.tuples(st.integers(0, 7), st.integers(1, 2)).map(lambda one: (one[0], one[0] + one[1])), max_size=3
)


@settings(max_examples=3, deadline=None)
@given(out=OUTAGES)
def test_bit_by_bit_is_as_at_once(tmp_path_factory: pytest.TempPathFactory, out: list[tuple[int, int]]) -> None:
    folder = tmp_path_factory.mktemp("followed")
    world, store = World(folder, out), Store(folder / "data")
    world.follower(store).run(END)
    world.out = []
    world.publish()
    world.follower(store).run(world.now + timedelta(minutes=1))
    first, last = store.span(Table.POWER, "toy")
    assert last is not None
    assert last >= END
    whole = Store(folder / "whole")
    write_all(whole, world.region, start=first, end=last)
    columns = ["series", "valid_at", "value"]
    assert store.as_of(Table.POWER, "toy").select(columns).equals(whole.as_of(Table.POWER, "toy").select(columns))
    assert store.versions(Table.POWER, "toy").select(columns[:2]).is_duplicated().sum() == 0


def test_it_asks_shortly_after_each_interval(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.follower(Store(tmp_path / "data")).run(START + timedelta(hours=3))
    assert world.waits == [1830.0] + [1800.0] * 5


def test_an_outage_is_told_with_its_remedy_and_outlived(tmp_path: Path) -> None:
    said: list[str] = []
    world, store = World(tmp_path, [(1, 4)]), Store(tmp_path / "data")
    report = world.follower(store, said).run(START + timedelta(hours=6))
    outages = [text for text in said if "There is no file" in text]
    assert len(outages) >= 3
    assert all("Check the path" in text and "Again in" in text for text in outages)
    assert max(world.waits) <= max(1830.0, LONGEST_WAIT.total_seconds())
    last = store.last(Table.POWER, "toy")
    assert last is not None
    assert last >= START + timedelta(hours=5, minutes=30)
    assert report.stored == len(store.as_of(Table.POWER, "toy"))


def test_what_is_late_comes_with_the_next_one(tmp_path: Path) -> None:
    world, store = World(tmp_path), Store(tmp_path / "data")
    late = START + timedelta(hours=2)
    whole = world.rows
    world.rows = whole.filter(pl.col("at") != late)
    world.follower(store).run(late + BEHIND / 2)
    assert late not in store.as_of(Table.POWER, "toy")["valid_at"].to_list()
    world.rows = whole
    world.publish()
    world.follower(store).run(world.now + timedelta(minutes=31))
    assert late in store.as_of(Table.POWER, "toy")["valid_at"].to_list()


def test_a_wrong_region_file_ends_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    wrong = world.region.model_copy(update={"power": SourceSpec(source="fax")})
    with pytest.raises(ConfigurationError, match="fax"):
        Follower(Store(tmp_path / "data"), wrong, clock=lambda: world.now, sleep=world.sleep).run(END)


class Broken:
    """A source with a defect at one place."""

    reads_files: ClassVar[bool] = True

    def __init__(self, error: BaseException, place: str) -> None:
        self.error, self.place = error, place

    def check(self, request: Request) -> None:
        pass

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        self.fail("deliveries")
        yield Delivery("today.json", self.read)

    def read(self) -> Received:
        self.fail("read")
        return Received(b"{}", received_at=START, url="https://example.org/today.json")

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        self.fail("parse")
        raise AssertionError("it fails earlier")

    def fail(self, place: str) -> None:
        if place == self.place:
            raise self.error


DEFECTS = [
    OverflowError("date value out of range"),
    RecursionError("maximum recursion depth exceeded"),
    MemoryError(),
    ValueError("https://user:hunter2@example.org/?token=c0ffee"),
    KeyError("properties"),
    pl.exceptions.PanicException("index out of bounds"),
]


@pytest.mark.parametrize("place", ["deliveries", "read", "parse"])
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda error: type(error).__name__)
def test_a_defect_of_one_source_is_told_and_ends_no_other(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    defect: BaseException,
    place: str,
) -> None:
    monkeypatch.setitem(SOURCES, "broken", Broken(defect, place))
    world, said, store = World(tmp_path), list[str](), Store(tmp_path / "data")
    region = world.region.model_copy(update={"weather": SourceSpec(source="broken")})
    Follower(store, region, clock=lambda: world.now, sleep=world.sleep, progress=said.append).run(
        START + timedelta(hours=2)
    )
    last = store.last(Table.POWER, "toy")
    assert last is not None
    assert last >= START + timedelta(hours=1, minutes=30)
    told = [text for text in said if text.startswith("follow: weather: broken")]
    assert len(told) >= 4
    assert all(type(defect).__name__ in text and text.endswith("Again in 900 s.") for text in told)
    assert all("today.json" in text for text in told if place == "parse")
    assert "Traceback" in caplog.text
    assert "test_follow.py" in caplog.text, "where it happened"
    assert not [text for text in (*said, caplog.text) if "hunter2" in text or "c0ffee" in text]


def test_the_distance_between_attempts_grows_and_ends_at_its_longest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOURCES, "broken", Broken(SourceUnavailableError("Out.", remedy="Wait.", status=503), "read"))
    world = World(tmp_path)
    region = world.region.model_copy(update={"power": SourceSpec(source="broken"), "interval_minutes": 5})
    Follower(Store(tmp_path / "data"), region, clock=lambda: world.now, sleep=world.sleep).run(
        START + timedelta(hours=20)
    )
    assert world.waits[:2] == [300.0, 600.0]
    assert set(world.waits[2:]) == {900.0}
    assert len(world.waits) == 81, "more than a power of 2 fits into"


def test_a_busy_store_is_no_failure_of_the_source(tmp_path: Path) -> None:
    world, said, root = World(tmp_path), list[str](), tmp_path / "data"
    with ExitStack() as held:
        held.enter_context(Store(root).lease())

        def sleep(seconds: float) -> None:
            held.close()
            world.sleep(seconds)

        store = Store(root, wait_seconds=0)
        Follower(store, world.region, clock=lambda: world.now, sleep=sleep, progress=said.append).run(
            START + timedelta(hours=1)
        )
    assert "is being written by" in said[0]
    assert world.waits[0] == 1800.0, "an interval, not the distance of an outage"
    assert store.last(Table.POWER, "toy") == START + timedelta(minutes=30)


def test_a_setting_that_goes_wrong_later_does_not_end_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, said = World(tmp_path), list[str]()
    follower = world.follower(Store(tmp_path / "data"), said)
    monkeypatch.setitem(SOURCES, "files", Files())
    follower.run(START + timedelta(minutes=10))
    sleeps = iter([None, ConfigurationError("The key is gone.", remedy="Set it.")])

    def sleep(seconds: float) -> None:
        world.sleep(seconds)
        if (error := next(sleeps, None)) is not None:
            monkeypatch.setitem(SOURCES, "files", Broken(error, "deliveries"))

    Follower(follower.store, world.region, clock=lambda: world.now, sleep=sleep, progress=said.append).run(
        START + timedelta(hours=2)
    )
    assert any("The key is gone. Set it. Again in 900 s." in text for text in said)


NOON = datetime(2025, 2, 19, 15, tzinfo=UTC)


def report(time: datetime, celsius: int) -> dict[str, object]:
    temperature = {"unitCode": "wmoUnit:degC", "value": celsius}
    return {"station": "KLGA", "timestamp": f"{time:%Y-%m-%dT%H:%M:%S}+00:00", "temperature": temperature}


class Publishers:
    """Servers of load, reports and forecasts, of which some are out at times, and a clock that moves them on."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.clock, self.out, self.said = server, Clock(NOON), set[Table](), list[str]()
        self.http = Http(folder, contact="me@example.org", clock=self.clock, sleep=self.clock.sleep, attempts=1)
        self.zones, self.back_at = load("nyiso").zones, datetime.max.replace(tzinfo=UTC)
        self.broken = Reply(status=503)
        self.publish()

    @property
    def region(self) -> Region:
        live = SourceSpec(source="nyiso_live", label="instant", options={"url": self.server.url})
        told = live.model_copy(update={"label": "start", "interval_minutes": 60})
        reports = SourceSpec(source="nws", label="instant", options={"url": self.server.url, "stations": ["KLGA"]})
        sources = {"power": live, "forecast": told, "weather": reports}
        return load("nyiso").model_copy(update={"interval_minutes": 30, **sources})

    def publish(self) -> None:
        if self.clock.now >= self.back_at:
            self.out.clear()
        halves = range(int((self.clock.now - NOON) / timedelta(minutes=30)) + 5)
        times = [NOON + timedelta(hours=-2, minutes=30 * half) for half in halves]
        told = [load_line(f"{time - timedelta(hours=5):%m/%d/%Y %H:%M:%S}", name=zone.name, load=600.0 + number)
            for number, time in enumerate(times) for zone in self.zones]  # fmt: skip
        ahead = [forecast_line(f"02/19/2025 {hour:02d}:00", first=1000 + len(times)) for hour in range(24)]
        reports = {"features": [{"properties": report(time, number)} for number, time in enumerate(times)]}
        for day in ("17", "18", "19", "20"):
            self.serve(Table.POWER, f"/pal/202502{day}pal.csv", "\r\n".join((LOAD_HEADER, *told, "")))
            self.serve(Table.FORECAST, f"/isolf/202502{day}isolf.csv", "\r\n".join((FORECAST_HEADER, *ahead, "")))
        self.serve(Table.WEATHER, "/stations/KLGA/observations", json.dumps(reports), "application/geo+json")

    def serve(self, table: Table, path: str, body: str, content_type: str = "text/csv") -> None:
        reply = self.broken if table in self.out else Reply(body.encode(), content_type=content_type)
        self.server.serve(path, reply)

    def follow(self, store: Store, hours: float) -> None:
        Follower(store, self.region, http=self.http, clock=self.clock, sleep=self.sleep, progress=self.said.append).run(
            self.clock.now + timedelta(hours=hours)
        )

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.publish()


@pytest.fixture
def publishers(tmp_path: Path) -> Iterator[Publishers]:
    with Server() as server:
        made = Publishers(server, tmp_path / "raw")
        with made.http:
            yield made


@pytest.mark.parametrize("out", [Table.POWER, Table.WEATHER])
def test_a_source_that_is_out_holds_up_no_other_and_is_caught_up(
    publishers: Publishers, tmp_path: Path, out: Table
) -> None:
    store = Store(tmp_path / "data")
    others = {Table.POWER, Table.WEATHER, Table.FORECAST} - {out}
    publishers.follow(store, 0.5)
    publishers.out.add(out)
    publishers.publish()
    publishers.follow(store, 5)
    forecasts = store.versions(Table.FORECAST, "nyiso")["available_at"]
    newest = {table: store.last(table, "nyiso") for table in (Table.POWER, Table.WEATHER)}
    newest[Table.FORECAST] = forecasts.max()  # type: ignore[assignment]
    late = {table for table, time in newest.items() if publishers.clock.now - time > timedelta(hours=1)}  # type: ignore[operator]
    assert (late, set(newest) - late) == ({out}, others)
    told = [text for text in publishers.said if text.startswith(f"follow: {out}: ")]
    assert len(told) > 8
    source, path = {Table.POWER: ("nyiso_live", "/pal/"), Table.WEATHER: ("nws", "/stations/")}[out]
    assert all(f"{source}: {publishers.server.url}{path}" in text for text in told)
    assert all("503" in text and " at 2025-02-19T" in text and "Again in" in text for text in told)
    assert not any(text.startswith(f"follow: {table}: ") for text in publishers.said for table in others)
    publishers.out.clear()
    publishers.publish()
    publishers.follow(store, 0.5)
    rows = store.as_of(out, "nyiso")["valid_at"].unique().sort()
    assert rows[-1] >= NOON + timedelta(hours=5.5)
    assert rows.diff()[1:].max() == timedelta(minutes=30), "longer than what is asked again anyway"


MISBEHAVING = [
    Reply(status=503, headers={"Retry-After": "9" * 30}),
    Reply(status=503, headers={"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}),
    Reply(status=503, headers={"Retry-After": "Wed, 19 Feb 9999999 12:00:00 GMT"}),
    Reply(status=429, headers={"Retry-After": "-1"}),
    Reply(b"[" * 100_000, content_type="application/json"),
    Reply(gzip.compress(bytes(130 << 20), 1), headers={"Content-Encoding": "gzip"}, content_type="application/json"),
    Reply(b"{}", headers={"Content-Encoding": "br"}, content_type="application/json"),
]


@pytest.mark.parametrize(
    "broken",
    MISBEHAVING,
    ids=["seconds", "last date", "no date", "negative", "nested without an end", "gzip bomb", "coding"],
)
def test_a_server_that_misbehaves_ends_nothing_but_its_own_table(
    publishers: Publishers, tmp_path: Path, broken: Reply
) -> None:
    store = Store(tmp_path / "data")
    publishers.broken = broken
    publishers.out.add(Table.WEATHER)
    publishers.publish()
    publishers.follow(store, 1.5)
    assert store.last(Table.POWER, "nyiso") >= NOON + timedelta(hours=1)  # type: ignore[operator]
    told = [text for text in publishers.said if text.startswith("follow: weather: nws: ")]
    assert len(told) > 3
    assert all(f"{publishers.server.url}/stations/KLGA/observations" in text for text in told)


@pytest.mark.parametrize("out", [Table.POWER, Table.WEATHER])
def test_what_was_missed_is_asked_for_without_a_restart(publishers: Publishers, tmp_path: Path, out: Table) -> None:
    store = Store(tmp_path / "data")
    publishers.follow(store, 0.5)
    publishers.out.add(out)
    publishers.back_at = publishers.clock.now + timedelta(hours=5)
    publishers.publish()
    publishers.follow(store, 6)
    rows = store.as_of(out, "nyiso")["valid_at"].unique().sort()
    assert rows[-1] >= NOON + timedelta(hours=6)
    assert rows.diff()[1:].max() == timedelta(minutes=30)
