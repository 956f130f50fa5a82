"""The watch over a followed region: what it raises, when, and that it is stored once."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.watch import LIMITS, WatchLimits
from power_nowcast.bundle.windows import DAY
from power_nowcast.contracts import Table
from power_nowcast.monitor.alarms import alarms
from power_nowcast.monitor.check import CRITICAL, FINE, WARNING, check
from power_nowcast.monitor.watch import Watch
from power_nowcast.store import Store
from power_nowcast.store.events import Kind, events
from tests.live import test_loop
from tests.live.test_loop import BEGIN, HALF_HOUR, REGION, World
from tests.monitor.conftest import followed, publications

MINUTE = timedelta(minutes=1)


def limits(*rows: tuple[object, ...]) -> WatchLimits:
    return WatchLimits((30, 60), pl.DataFrame(rows, LIMITS, orient="row"))


def watch_of(world: World, told: WatchLimits | None = None) -> Watch:
    return Watch(Store(world.store.root), REGION, lambda: told, world.clock)


def run(world: World, bundle: Bundle, folder: Path, watches: list[Watch], hours: float) -> None:
    """Each watch gets every publication of some hours."""
    told = publications(bundle, world, hours)
    followed(bundle, folder, hours, world)
    for one in told:
        for watch in watches:
            watch.step(one)


def test_a_quiet_day_raises_nothing(bundle: Bundle, tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    followed(bundle, tmp_path, 26, world)
    run(world, bundle, tmp_path, [watch_of(world, bundle.watch)], 4)
    assert alarms(world.store, "toy", world.now) == {}
    found = check(world.store, REGION, world.now)
    assert (found.code, found.line) == (
        FINE,
        "OK: toy: the nowcast of 2024-05-02 17:30 UTC is 30 minutes old; no alarm waits.",
    )


def test_a_loss_beyond_its_limit_is_raised_once_by_two_watches(bundle: Bundle, tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    strict = limits(("loss", "ALL", None, DAY, 0.0, 0.01))
    followed(bundle, tmp_path, 23, world)
    run(world, bundle, tmp_path, [watch_of(world, strict), watch_of(world, strict)], 3)
    (raised,) = [one for one in events(world.store, "toy", BEGIN, world.now) if one.kind is Kind.RAISED]
    # A day of values is whole a day after the first one came, and the delay is three intervals.
    assert raised.at == BEGIN + timedelta(hours=24) + 3 * HALF_HOUR
    assert raised.what.startswith("Loss of a day: ALL ")
    found = check(world.store, REGION, world.now)
    assert found.code == WARNING
    assert found.line.endswith("alarms: loss of a day since 2024-05-02 13:30 UTC.")


def test_a_dead_loop_is_told_by_the_watch_and_by_the_check(bundle: Bundle, tmp_path: Path) -> None:
    """The loop ends; the watch of its process, or of another one, looks at every interval."""
    world = followed(bundle, tmp_path, hours=3)
    watch, last = watch_of(world), world.now - HALF_HOUR
    told = []
    for minute in range(30, 120, 5):
        world.now = last + minute * MINUTE
        world.fill()
        watch.idle()
        stand = alarms(world.store, "toy", world.now)
        told.append((minute, list(stand), check(world.store, REGION, world.now).code))
    first = next(minute for minute, stand, _ in told if stand)
    assert first == 90, "at the third interval without a nowcast"
    assert told[-1][1] == ["no nowcast"]
    assert next(minute for minute, _, code in told if code == CRITICAL) == 80
    run(world, bundle, tmp_path, [watch], 0.5)
    assert alarms(world.store, "toy", world.now) == {}
    kinds = [one.kind for one in events(world.store, "toy", last, world.now) if one.kind in (Kind.RAISED, Kind.CLEARED)]
    assert kinds == [Kind.RAISED, Kind.CLEARED]


def test_a_watch_that_was_just_told_is_not_idle(bundle: Bundle, tmp_path: Path) -> None:
    world = followed(bundle, tmp_path, hours=1)
    watch = watch_of(world)
    watch.look(world.now)
    seen = watch.measured
    world.now += HALF_HOUR - MINUTE
    watch.idle()
    assert watch.measured is seen
    world.now += MINUTE
    watch.idle()
    assert watch.measured is not seen


def test_a_ramp_ahead_and_a_changed_forecast_come_from_the_published_rows(bundle: Bundle, tmp_path: Path) -> None:
    world = followed(bundle, tmp_path, hours=1)
    told = limits(
        ("rise", "ALL", None, 60, 0.0, 1e-6),
        ("fall", "ALL", None, 60, 0.0, 1e-6),
        ("change", "ALL", None, 0, 0.0, 1e-6),
    )
    watch_of(world, told).look(world.now)
    assert set(alarms(world.store, "toy", world.now)) == {"large ramp ahead", "changed forecast"}


def test_a_zone_that_is_an_hour_late_is_told_at_a_whole_hour(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The values of N.E. are those of an hour before, for a day and a half; limits are as of a region of such zones."""
    begin = BEGIN - timedelta(hours=36)
    power = test_loop.ROWS[Table.POWER]
    own = power.filter(pl.col("series") == "N.E.")
    late = own.select(valid_at=pl.col("valid_at") + timedelta(hours=1), late="value")
    is_late = (pl.col("series") == "N.E.") & (pl.col("valid_at") > begin)
    faulty = power.join(late, on="valid_at", how="left").with_columns(
        value=pl.when(is_late).then("late").otherwise("value")
    )
    rows = [("lateness", name, None, 960, 0.5, 1.2) for name in ("N.E.", "SOUTH 1")]
    for given, expected in ((power, []), (faulty.select(power.columns), ["zone an hour late"])):
        monkeypatch.setattr(test_loop, "ROWS", test_loop.ROWS | {Table.POWER: given})
        world = World(tmp_path / str(len(expected)))
        followed(bundle, tmp_path, 0.5, world)
        watch = watch_of(world, limits(*rows))
        watch.look(world.now)
        assert list(alarms(world.store, "toy", world.now)) == expected


def test_the_reading_follows_the_limits_of_the_version(bundle: Bundle, tmp_path: Path) -> None:
    world = followed(bundle, tmp_path, hours=26)
    given = limits()
    watch = Watch(world.store, REGION, lambda: given, world.clock)
    watch.look(world.now)
    both = watch.measured.filter(pl.col("number") == "loss")["n"].to_list()
    given = replace(given, horizons=(30,))
    watch.look(world.now)
    assert watch.measured.filter(pl.col("number") == "loss")["n"].to_list() == [count // 2 for count in both]


def test_the_check_of_a_region_without_a_nowcast(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    found = check(world.store, REGION, world.now)
    assert (found.code, found.line) == (
        CRITICAL,
        "CRITICAL: toy: nothing has been published: nowcast live; no alarm waits.",
    )
