"""follow: a value that is late is asked for again soon, and one that is not due yet is not late."""

from datetime import timedelta
from pathlib import Path

import polars as pl

from power_nowcast.contracts import Table
from power_nowcast.regions import Region
from power_nowcast.store import Store
from tests.collect.test_follow import START, World


def test_a_late_value_is_asked_for_again_before_the_next_interval(tmp_path: Path) -> None:
    world, store = World(tmp_path, late=timedelta(seconds=100)), Store(tmp_path / "data")
    follower = world.follower(store)
    follower.step()
    world.sleep((follower.due - world.now).total_seconds())
    asked, newest = [], []
    while world.now <= START + timedelta(minutes=61):
        follower.step()
        if world.now > START + timedelta(minutes=30):
            asked.append((world.now - START).total_seconds())
            newest.append(store.last(Table.POWER, "toy"))
        world.sleep((follower.due - world.now).total_seconds())
    # 30 s after the interval, 30 s after that, and after twice as long; then with the next interval.
    assert asked == [1830.0, 1860.0, 1920.0, 3630.0, 3660.0]
    half, hour = START + timedelta(minutes=30), START + timedelta(minutes=60)
    assert newest == [START, START, half, half, half]
    follower.step()
    assert store.last(Table.POWER, "toy") == hour


def test_a_source_with_a_delay_is_not_late_before_its_delay_is_over(tmp_path: Path) -> None:
    class Delayed(World):
        @property
        def region(self) -> Region:
            spec = super().region.power.model_copy(update={"delay_minutes": 60})
            return super().region.model_copy(update={"power": spec})

    world = Delayed(tmp_path, late=timedelta(minutes=60))
    follower = world.follower(Store(tmp_path / "data"))
    follower.step()
    assert follower.due == START + timedelta(minutes=90, seconds=30)


def test_a_zone_that_comes_after_the_others_is_asked_for_again(tmp_path: Path) -> None:
    class OneByOne(World):
        def publish(self) -> None:
            whole = self.rows
            late = pl.col("at") > self.now - timedelta(seconds=100)
            self.rows = whole.with_columns(pl.when(late).then(None).otherwise("SOUTH 1").alias("SOUTH 1"))
            super().publish()
            self.rows = whole

    world, store = OneByOne(tmp_path), Store(tmp_path / "data")
    follower, asked = world.follower(store), list[float]()
    while world.now <= START + timedelta(minutes=59):
        follower.step()
        asked.append((world.now - START).total_seconds())
        world.sleep((follower.due - world.now).total_seconds())
    assert asked[-3:] == [1830.0, 1860.0, 1920.0]
    newest = store.as_of(Table.POWER, "toy", start=START + timedelta(minutes=30))
    assert set(newest["series"]) == {"N.E.", "SOUTH 1"}
