"""A replay: at every replayed moment the new store knows what the old one knew then, and nothing else."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from power_nowcast import regions
from power_nowcast.collect import rebuild, write, write_all
from power_nowcast.collect.follow import Follower
from power_nowcast.contracts import VALUES, Batch, Table
from power_nowcast.errors import ConfigurationError
from power_nowcast.ingest import ReplayClock, replayed
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.store import Store
from tests.faults import Clock
from tests.toy import toy_region

FIRST = datetime(2024, 3, 4, tzinfo=UTC)
REAL = datetime(2026, 11, 2, 8, 0, 13, tzinfo=UTC)
SLOTS = 30
MINUTE = timedelta(minutes=1)
SERIES = {
    Table.POWER: ("N.E.", "SOUTH 1"),
    Table.FORECAST: ("N.E.", "ALL"),
    Table.WEATHER: ("KTOY.temperature_c",),
    Table.WEATHER_FORECAST: ("KTOY.temperature_c",),
}


@pytest.fixture(scope="module")
def region() -> Region:
    ahead = SourceSpec(source="files", variables=SERIES[Table.WEATHER_FORECAST])
    return toy_region().model_copy(update={"forecast": SourceSpec(source="files"), "weather_forecast": ahead})


def rows_of(table: Table, told: list[tuple[int, int, float]], known: datetime | None) -> pl.DataFrame:
    """Rows of (series, slot, value), known then; without a time each when it was measured."""
    valid = [FIRST + slot * 30 * MINUTE for _, slot, _ in told]
    return pl.DataFrame(
        {
            "region": ["toy"] * len(told),
            "series": [SERIES[table][number % len(SERIES[table])] for number, _, _ in told],
            "valid_at": valid,
            "value": [value for _, _, value in told],
            "available_at": [known or time + 3 * MINUTE for time in valid],
            "basis": ["seen" if known else "delay"] * len(told),
            "source": ["test"] * len(told),
        },
        schema={name: dtype for name, dtype in VALUES.items() if name != "first_seen_at"},
    )


def played(store: Store, table: Table, at: datetime | None = None) -> pl.DataFrame:
    return store.as_of(table, "toy", at=at).drop("first_seen_at")


def replay_of(
    original: Store, region: Region, into: Store, start: datetime, speed: float = 60
) -> tuple[Follower, Clock]:
    real = Clock(REAL)
    clock = ReplayClock(start, speed, real, real.sleep)
    return Follower(into, replayed(region, original.root), clock=clock, sleep=clock.sleep), real


_rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, SLOTS), st.sampled_from([1.0, 2.0, 3.0])), min_size=1, max_size=12
)
_told = st.lists(
    st.tuples(st.integers(0, 60 * 24), st.sampled_from(list(Table)), st.booleans(), _rows), min_size=1, max_size=10
)


@settings(max_examples=5, deadline=None)
@given(
    told=_told,
    polls=st.lists(st.integers(0, 60 * 25), min_size=1, max_size=4).map(sorted),
    asked=st.lists(st.integers(0, 60 * 25), min_size=8, max_size=8),
)
def test_as_of_reads_of_any_moment_are_the_originals(
    tmp_path_factory: pytest.TempPathFactory,
    region: Region,
    told: list[tuple[int, Table, bool, list[tuple[int, int, float]]]],
    polls: list[int],
    asked: list[int],
) -> None:
    folder = tmp_path_factory.mktemp("replayed")
    original, copy = Store(folder / "original"), Store(folder / "copy")
    original.append(Table.POWER, rows_of(Table.POWER, [(0, 0, 9.0)], FIRST), now=FIRST)
    for minute, table, is_live, rows in sorted(told, key=lambda one: one[0]):
        now = FIRST + minute * MINUTE
        original.append(table, rows_of(table, rows, now if is_live else None), now=now)
    for poll in polls:
        now = FIRST + poll * MINUTE
        write_all(copy, replayed(region, original.root), clock=lambda now=now: now)
        for table in SERIES:
            for minute in (poll, *(minute for minute in asked if minute < poll)):
                at = FIRST + minute * MINUTE
                assert played(copy, table, at).equals(played(original, table, at))
            assert (copy.versions(table, "toy")["available_at"] <= now).all()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A day and a half of all tables, with rows that were late and values that were corrected, by hours or by a day."""
    store, chance = Store(tmp_path_factory.mktemp("replay") / "the original"), random.Random(3)
    for slot in range(72):
        now = FIRST + slot * 30 * MINUTE + 2 * MINUTE
        for table, series in SERIES.items():
            numbers = range(len(series))
            # A quarter comes an hour late or with the next day; some of what is there is told otherwise now.
            told = [(number, slot, 100.0 + slot) for number in numbers if chance.random() > 0.25]
            told += [(number, slot - 2, 98.0 + slot) for number in numbers if slot >= 2]
            told += [(number, slot - back, chance.choice([7.0, 8.0])) for number in numbers for back in (3, 48)]
            told = [row for row in told if row[1] >= 0]
            if table.is_forecast:
                told = [(number, ahead + 10, value) for number, ahead, value in told]
            store.append(table, rows_of(table, told, now), now=now)
    return store


def test_it_knows_at_each_moment_what_was_known_then(original: Store, region: Region, tmp_path: Path) -> None:
    copy = Store(tmp_path / "copy")
    follower, real = replay_of(original, region, copy, FIRST + timedelta(hours=20))
    moments: list[datetime] = []
    every = {table: original.versions(table, "toy") for table in SERIES}

    def sleep(seconds: float) -> None:
        now = follower.clock()
        # Between intervals only power is asked for, as long as its newest value is late.
        between = bool(moments) and (now.minute % 30 != 0 or now - moments[0] <= MINUTE)
        if not between:
            moments.append(now)
        for table in [Table.POWER] if between else SERIES:
            known = every[table].filter(pl.col("available_at") <= now).drop("first_seen_at")
            assert copy.versions(table, "toy").drop("first_seen_at").equals(known)
        real.sleep(seconds / 60)

    report = Follower(copy, follower.region, clock=follower.clock, sleep=sleep).run(FIRST + timedelta(hours=23))
    assert len(moments) == 6
    assert report.tables[Table.POWER].corrected > 6
    assert (real.now - REAL).total_seconds() == pytest.approx(3 * 60, abs=31), "three hours in three minutes"
    chance = random.Random(4)
    for _ in range(60):
        at = FIRST + timedelta(hours=chance.uniform(0, 22.5))
        for table in SERIES:
            assert played(copy, table, at).equals(played(original, table, at))


def test_it_goes_on_where_it_was_left(original: Store, region: Region, tmp_path: Path) -> None:
    copy, half = Store(tmp_path / "copy"), FIRST + timedelta(hours=27)
    replay_of(original, region, copy, FIRST + timedelta(hours=24))[0].run(half)
    until = FIRST + timedelta(hours=34)
    replay_of(original, region, Store(copy.root), half - timedelta(hours=3), 600)[0].run(until)
    whole = Store(tmp_path / "whole")
    replay_of(original, region, whole, until, 600)[0].run(until + MINUTE)
    at = until - timedelta(minutes=30)
    for table in SERIES:
        assert played(copy, table, at).equals(played(whole, table, at))
        assert copy.versions(table, "toy").is_duplicated().sum() == 0


def test_all_of_it_has_the_digests_of_the_original(original: Store, region: Region, tmp_path: Path) -> None:
    copy = Store(tmp_path / "copy")
    write_all(copy, replayed(region, original.root), clock=lambda: REAL)
    for table in SERIES:
        assert copy.manifest(table, "toy").sha256 == original.manifest(table, "toy").sha256
    again = rebuild(copy, replayed(region, original.root), Store(tmp_path / "again"))
    assert all(one.is_same for one in again)
    assert write_all(copy, replayed(region, original.root), clock=lambda: REAL).stored == 0


def test_it_does_not_mix_with_what_came_otherwise(original: Store, tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    write_all(store, regions.load("victoria"))
    with pytest.raises(ConfigurationError, match="tables of its own") as caught:
        write_all(store, replayed(regions.load("victoria")))
    assert "NOWCAST_DATA" in caught.value.remedy


@pytest.mark.parametrize("table", list(Table))
def test_no_table_alone_is_played_into_what_came_otherwise(
    table: Table, region: Region, original: Store, tmp_path: Path
) -> None:
    store = Store(tmp_path / "data")
    now = datetime(2024, 3, 5, tzinfo=UTC)
    rows = rows_of(Table.POWER, [(0, 0, 9.0)], now)
    write(store, Batch("toy", Table.POWER, rows, "power.csv", "key"), now=now)
    replay = SourceSpec(source="replay", options={"folder": original.root})
    alone = region.model_copy(update={table.value: replay})
    with pytest.raises(ConfigurationError, match="tables of its own"):
        write_all(store, alone, tables=[table])


@pytest.mark.slow
def test_the_sample_of_new_york_is_played(tmp_path: Path) -> None:
    region, whole, copy = regions.load("nyiso"), Store(tmp_path / "whole"), Store(tmp_path / "copy")
    write_all(whole, region)
    real = Clock(REAL)
    begin = datetime(2019, 6, 10, tzinfo=UTC)
    clock = ReplayClock(begin, 60, real, real.sleep)
    report = Follower(copy, replayed(region), clock=clock, sleep=clock.sleep).run(begin + timedelta(hours=2))
    assert report.tables[Table.POWER].added > 400_000
    for hours in (-1000.0, 0.0, 0.5, 1.25, 1.99):
        at = begin + timedelta(hours=hours)
        for table in Table:
            assert (
                copy.as_of(table, "nyiso", at=at)
                .drop("first_seen_at")
                .equals(whole.as_of(table, "nyiso", at=at).drop("first_seen_at"))
            )


def test_the_sample_of_victoria_is_played(tmp_path: Path) -> None:
    region, whole, copy = regions.load("victoria"), Store(tmp_path / "whole"), Store(tmp_path / "copy")
    write_all(whole, region)
    real = Clock(REAL)
    begin = datetime(2014, 10, 1, tzinfo=UTC)
    clock = ReplayClock(begin, 60, real, real.sleep)
    Follower(copy, replayed(region), clock=clock, sleep=clock.sleep).run(begin + timedelta(hours=12))
    for hours in (-1000.0, 0.0, 3.3, 11.9):
        at = begin + timedelta(hours=hours)
        for table in (Table.POWER, Table.WEATHER):
            assert (
                copy.as_of(table, "victoria", at=at)
                .drop("first_seen_at")
                .equals(whole.as_of(table, "victoria", at=at).drop("first_seen_at"))
            )
    assert copy.last(Table.POWER, "victoria") == begin + timedelta(hours=11, minutes=30)
