"""Faults that the loop outlives, each caused for real: clocks, nights of clock changes, disks, tables, sources."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.collect import write_all
from power_nowcast.collect.follow import Follower
from power_nowcast.contracts import Table
from power_nowcast.contracts.rungs import Rung
from power_nowcast.live.loop import Loop
from power_nowcast.live.records import Published, published
from power_nowcast.live.scores import scores
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.store import Store
from power_nowcast.store.tables import NOWCASTS
from tests.live import test_loop
from tests.live.test_loop import BEGIN, HALF_HOUR, REGION, World, values
from tests.toy import toy_rows


def one_row_an_interval(store: Store, first: datetime, last: datetime) -> list[Published]:
    """The publications from `first` to `last`, once it is sure that there is exactly one of each interval."""
    found = published(store, "toy", first, last)
    count = (last - first) // HALF_HOUR + 1
    assert [one.issue_time for one in found] == [first + n * HALF_HOUR for n in range(count)]
    assert len(store.records[NOWCASTS].read("toy")) >= 3 * count
    return found


def test_a_clock_that_goes_back_publishes_nothing_twice(world: World, slot_of) -> None:
    loop = world.loop(slot_of(1))
    world.run(lambda _: [loop], BEGIN + 3 * HALF_HOUR)
    newest = loop.present
    world.now = BEGIN + timedelta(minutes=20)
    for _ in range(6):
        loop.step()
        assert loop.present is newest
        world.now += timedelta(minutes=10)
    restarted = world.loop(slot_of(1))
    world.now = BEGIN + timedelta(minutes=40)
    restarted.step()
    assert restarted.present is not None
    assert restarted.present.issue_time == BEGIN + HALF_HOUR, (
        "what another clock published later is not the present yet"
    )
    world.now = BEGIN + 3 * HALF_HOUR
    world.run(lambda _: [loop, restarted], BEGIN + 5 * HALF_HOUR)
    found = one_row_an_interval(world.store, BEGIN, BEGIN + 4 * HALF_HOUR)
    assert all(one.revision == 0 and one.is_live for one in found)


@pytest.mark.parametrize(
    "evening",
    [datetime(2024, 11, 2, 22, tzinfo=UTC), datetime(2025, 3, 8, 22, tzinfo=UTC)],
    ids=["an hour twice", "an hour left out"],
)
def test_nights_on_which_the_clock_changes_have_every_interval(
    tmp_path: Path, slot_of, monkeypatch: pytest.MonkeyPatch, evening: datetime
) -> None:
    """New York's clock changes at 6 and at 7 o'clock UTC."""
    begin, until = evening + timedelta(hours=5), evening + timedelta(hours=12)
    recent = pl.col("valid_at").is_between(begin - timedelta(days=60), until)
    rows = {table: one.filter(recent) for table, one in values(toy_rows(380)).items()}
    monkeypatch.setattr(test_loop, "ROWS", rows)
    world = World(tmp_path / "nights")
    world.now = begin
    loop = world.loop(slot_of(1))
    world.run(lambda _: [loop], until)
    found = one_row_an_interval(world.store, begin, until - HALF_HOUR)
    assert all(one.is_live and not one.nowcast.flags for one in found)
    assert all(set(one.nowcast.rungs) == {Rung.ALL} for one in found)


@contextmanager
def full_disk() -> Iterator[None]:
    """While it lasts, this process can write no byte into any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def unreadable(store: Store) -> Iterator[None]:
    """While it lasts, the newest commit of the published nowcasts is damaged."""
    log = max(Path(store.root).rglob(f"{NOWCASTS.name}/_delta_log/*.json"))
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) // 2])
    try:
        yield
    finally:
        log.write_bytes(whole)


@pytest.mark.parametrize("is_full", [True, False], ids=["disk full", "table damaged"])
def test_tables_that_cannot_be_used_stop_the_loop_only_as_long_as_that_lasts(
    world: World, slot_of, caplog: pytest.LogCaptureFixture, is_full: bool
) -> None:
    loop, told = world.loop(slot_of(1), collects=False), list[Published]()
    loop.listeners = (told.append,)

    def sleep(seconds: float) -> None:
        world.now += timedelta(seconds=max(seconds, 5))

    loop.sleep = sleep
    loop.step()
    world.now += HALF_HOUR
    world.fill()
    before, again = loop.present, world.now + timedelta(minutes=3)
    with full_disk() if is_full else unreadable(world.store):
        loop.run(lambda: world.now >= again)
        assert loop.present is before
    assert [one.issue_time for one in told] == [BEGIN], "what is not stored is not told"
    assert [record.levelname for record in caplog.records] == ["WARNING"] * len(caplog.records)
    assert len(caplog.records) >= 2
    loop.run(lambda: loop.present is not before)
    first, second = one_row_an_interval(world.store, BEGIN, BEGIN + HALF_HOUR)
    assert second.is_live
    assert [one.issue_time for one in told] == [first.issue_time, second.issue_time]


class Publisher:
    """A file of both zones' power that its publisher rewrites as time goes by, with a fault while that lasts."""

    def __init__(self, folder: Path) -> None:
        self.file, self.now = folder / "power.csv", BEGIN
        rows = toy_rows(63)[-50 * 48 :].drop("KTOY.temperature_c")
        self.rows = rows.with_columns(at=pl.col("valid_at").str.to_datetime(time_unit="us", time_zone="UTC"))
        self.fault, self.since = "", BEGIN
        folder.mkdir()
        self.publish()

    @property
    def region(self) -> Region:
        spec = SourceSpec(source="files", options={"files": str(self.file)})
        return REGION.model_copy(update={"power": spec, "weather": None})

    def clock(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.publish()

    def publish(self) -> None:
        rows = self.rows.filter(pl.col("at") <= self.now)
        match self.fault:
            case "down":
                self.file.unlink(missing_ok=True)
                return
            case "a page":
                self.file.write_text("<!DOCTYPE html><html><body>We are back soon.</body></html>")
                return
            case "late":
                rows = rows.filter(pl.col("at") <= self.now - timedelta(minutes=50))
            case "the future":
                rows = self.rows.filter(pl.col("at") <= self.since)
                ahead = self.rows.filter(pl.col("at") > self.now + timedelta(hours=2)).head(4)
                rows = pl.concat([rows, ahead.with_columns(pl.col("N.E.", "SOUTH 1") * 1.1)])
            case "one value":
                last = self.rows.filter(pl.col("at") <= self.since).row(-1, named=True)
                stuck = pl.col("at") > self.since
                rows = rows.with_columns(
                    pl.when(stuck).then(last[name]).otherwise(name).alias(name) for name in ("N.E.", "SOUTH 1")
                )
            case "one by one":
                recent = pl.col("at") > self.now - timedelta(minutes=7)
                rows = rows.with_columns(pl.when(recent).then(None).otherwise("SOUTH 1").alias("SOUTH 1"))
        rows.drop("at").write_csv(self.file)


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "published")


@pytest.fixture
def following(publisher: Publisher, slot_of, tmp_path: Path) -> Loop:
    store = Store(tmp_path / "followed")
    write_all(store, publisher.region, end=BEGIN)
    follower = Follower(store, publisher.region, clock=publisher.clock, sleep=publisher.sleep)
    loop = Loop(store, publisher.region, slot_of(1), follower, publisher.clock, publisher.sleep)
    follow(loop, publisher, BEGIN + HALF_HOUR)
    return loop


def follow(loop: Loop, publisher: Publisher, until: datetime) -> None:
    """Step every four minutes."""
    while publisher.now < until:
        loop.step()
        publisher.sleep(240)


LATE = {Rung.LATE, Rung.OPERATOR, Rung.SEASONAL, Rung.PERSISTENCE}


@pytest.mark.parametrize("fault", ["down", "a page", "late", "the future", "one value", "one by one"])
def test_a_source_at_fault_misleads_nobody(publisher: Publisher, following: Loop, fault: str) -> None:
    begun = publisher.since = publisher.now
    publisher.fault = fault
    ended = begun + timedelta(hours=2, minutes=45)
    follow(following, publisher, ended)
    publisher.fault = ""
    publisher.publish()
    follow(following, publisher, ended + timedelta(minutes=75))
    found = {one.issue_time: one for one in published(following.store, "toy", BEGIN, publisher.now)}
    assert list(found) == [BEGIN + n * HALF_HOUR for n in range(len(found))]
    assert all(one.is_live and one.revision == 0 for one in found.values())
    during = [one for at, one in found.items() if begun + HALF_HOUR < at < ended]
    after = [one for at, one in found.items() if at > ended + HALF_HOUR / 2]
    rungs = [set(one.nowcast.rungs) for one in during]
    if fault == "one by one":
        assert all(one.nowcast.age_minutes.tolist() == [0, 0, 0] for one in during), "it waits for both"
        assert all(one.known_at >= one.issue_time + timedelta(minutes=7) for one in during)
    elif fault == "one value":
        assert rungs[-1] <= LATE, "values that repeat count as stuck after a while"
    else:
        assert all(one <= LATE for one in rungs)
    assert all(set(one.nowcast.rungs) <= {Rung.ALL, Rung.INPUTS} for one in after)
    truth = publisher.rows.filter(pl.col("at") == after[-1].issue_time).row(0, named=True)
    assert after[-1].nowcast.origin_mw.tolist() == pytest.approx(
        [truth["N.E."] + truth["SOUTH 1"], truth["N.E."], truth["SOUTH 1"]]
    )


def test_a_correction_an_hour_later_changes_the_score_and_not_the_nowcast(
    publisher: Publisher, following: Loop
) -> None:
    at = following.region.slot(publisher.now)
    follow(following, publisher, at + timedelta(hours=1, minutes=40))
    first = published(following.store, "toy", at, at)[0]
    corrected = pl.when(pl.col("at") == at).then(pl.col("N.E.") + 40).otherwise("N.E.").alias("N.E.")
    publisher.rows = publisher.rows.with_columns(corrected)
    follow(following, publisher, at + timedelta(hours=3))
    rows = following.store.versions(Table.POWER, "toy").filter(
        (pl.col("valid_at") == at) & (pl.col("series") == "N.E.")
    )
    assert len(rows) == 2
    told = scores(following.store, following.region, BEGIN, publisher.now)
    one = told.filter((pl.col("valid_at") == at) & (pl.col("series") == "N.E."))
    assert (one["actual_mw"] - one["first_mw"]).to_list() == pytest.approx([40] * len(one))
    assert published(following.store, "toy", at, at)[0].nowcast.values.tolist() == first.nowcast.values.tolist()
