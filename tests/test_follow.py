"""follow: what came bit by bit, through outages, is what a single ingest brings."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from power_nowcast.contracts import Table
from power_nowcast.errors import ConfigurationError
from power_nowcast.follow import BEHIND, LONGEST_WAIT, Follower
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.store import Store, write_all
from tests.toy import toy_region, toy_rows

START = datetime(2024, 3, 4, tzinfo=UTC)
END = START + timedelta(hours=9)


class World:
    """A publisher that appends to a file, and a clock that moves when somebody sleeps."""

    def __init__(self, folder: Path, out: list[tuple[int, int]] = []) -> None:  # noqa: B006 - read only
        self.folder, self.out, self.now, self.waits = folder, out, START, []
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
        self.rows.filter(pl.col("at") <= self.now).drop("at").write_csv(file)

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


@settings(max_examples=5, deadline=None)
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
