"""The loop: one row an interval and series, with the bits of a backtest, through restarts, gaps and swaps."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import VALUES, Table
from power_nowcast.errors import ConfigurationError, ModelError
from power_nowcast.features.panel import history
from power_nowcast.live.calibration import FollowedCalibration
from power_nowcast.live.loop import CATCH_UP, PATIENCE, Loop, jumps
from power_nowcast.live.nowcaster import Quality
from power_nowcast.live.records import published
from power_nowcast.live.scores import scores
from power_nowcast.live.slot import ModelSlot
from power_nowcast.store import Store
from power_nowcast.store.events import Kind, events
from power_nowcast.store.records import Records
from power_nowcast.store.tables import NOWCASTS
from tests.toy import toy_region, toy_rows

REGION = toy_region()
HALF_HOUR = timedelta(minutes=30)
BEGIN = datetime(2024, 5, 1, 12, tzinfo=UTC)
"""After the toy bundle's training."""


def values(wide: pl.DataFrame) -> dict[Table, pl.DataFrame]:
    """Wide rows as rows for the store."""
    rows = wide.with_columns(pl.col("valid_at").str.to_datetime(time_unit="us", time_zone="UTC"))
    long = rows.unpivot(index="valid_at", variable_name="series", value_name="value").with_columns(
        region=pl.lit("toy"), available_at="valid_at", basis=pl.lit("delay"), source=pl.lit("test")
    )
    long = long.select([name for name in VALUES if name != "first_seen_at"])
    weather = pl.col("series").str.contains("temperature")
    return {Table.POWER: long.filter(~weather), Table.WEATHER: long.filter(weather)}


ROWS = values(toy_rows(64))


class World:
    """A store that a collector fills as time goes by; `late` delays the rows of a span."""

    def __init__(self, folder: Path) -> None:
        self.store, self.now = Store(folder), BEGIN
        self.late: dict[datetime, timedelta] = {}
        self.silent = ""
        """A zone that has no values after the begin."""
        self.fill()

    def clock(self) -> datetime:
        return self.now

    def fill(self) -> None:
        for table, rows in ROWS.items():
            known = rows.filter(pl.col("valid_at") <= self.now)
            for valid_at, delay in self.late.items():
                if valid_at + delay > self.now:
                    known = known.filter(pl.col("valid_at") != valid_at)
                else:
                    late = pl.when(pl.col("valid_at") == valid_at).then(pl.lit(valid_at + delay))
                    known = known.with_columns(available_at=late.otherwise("available_at").cast(VALUES["available_at"]))
            spoken = (pl.col("series") != self.silent) | (pl.col("valid_at") <= BEGIN)
            self.store.append(table, known.filter(spoken), now=self.now)

    @property
    def due(self) -> datetime:
        return self.now

    def step(self) -> None:
        self.fill()

    def loop(self, slot: ModelSlot, *, collects: bool = True) -> Loop:
        return Loop(Store(self.store.root), REGION, slot, self if collects else None, self.clock)

    def run(self, loops: Callable[[datetime], list[Loop]], until: datetime) -> None:
        """Each interval, these loops step in turn."""
        while self.now < until:
            for one in loops(self.now):
                one.step()
            self.now += HALF_HOUR


def test_a_publication_says_how_new_each_source_was(world: World, slot_of) -> None:
    loop = world.loop(slot_of(1))
    world.now = BEGIN + timedelta(minutes=12)
    loop.step()
    assert loop.present is not None
    assert loop.present.sources == {"power": BEGIN, "weather": BEGIN}, "the newest times of values, not of deliveries"


def test_half_a_day_is_its_backtest_to_the_last_bit(world: World, slot_of, bundles: list[Bundle]) -> None:
    """With three restarts, and a second process that steps before or after the first one."""
    slot, until = slot_of(1), BEGIN + timedelta(hours=12)
    first, second = world.loop(slot), world.loop(slot)
    count = 0

    def loops(now: datetime) -> list[Loop]:
        nonlocal first, count
        count += 1
        if count in (4, 11, 20):
            first = world.loop(slot)
        return [first, second] if count % 3 else [second, first]

    world.run(loops, until)
    found = published(world.store, "toy", BEGIN, until)
    issues = np.arange(BEGIN.replace(tzinfo=None), until.replace(tzinfo=None), HALF_HOUR).astype("datetime64[m]")
    assert [one.nowcast.issue_time for one in found] == list(issues)
    assert all(one.is_live and one.revision == 0 and one.version == "1" for one in found)
    assert len(world.store.records[NOWCASTS].read("toy")) == 24 * 3

    panel = history(world.store, REGION, datetime(2024, 3, 1, tzinfo=UTC), until)
    replayed, _ = bundles[0].replay(panel, issues)
    np.testing.assert_array_equal(np.array([one.nowcast.values for one in found]), replayed.values)
    assert len({one.nowcast.calibration_id for one in found}) == 24
    assert [one.expires_at - one.issue_time for one in found] == [HALF_HOUR * (1 + PATIENCE)] * 24


@pytest.mark.parametrize("is_after", [False, True], ids=["before the commit", "after the commit"])
def test_a_kill_at_any_write_loses_and_doubles_nothing(
    world: World, slot_of, bundles: list[Bundle], monkeypatch: pytest.MonkeyPatch, is_after: bool
) -> None:
    """Every third write of records ends the process, before or after its commit; a new process goes on."""
    slot, until = slot_of(1), BEGIN + 12 * HALF_HOUR
    monkeypatch.setitem(FollowedCalibration.__init__.__kwdefaults__, "every", 2)
    whole, writes, kills = Records.add, 0, 0

    def add(records: Records, rows: pl.DataFrame, *, now: datetime) -> int:
        nonlocal writes, kills
        writes += 1
        if writes % 3 == 0:
            kills += 1
            if is_after:
                whole(records, rows, now=now)
            raise KeyboardInterrupt
        return whole(records, rows, now=now)

    monkeypatch.setattr(Records, "add", add)
    while world.now < until:
        loop = Loop(Store(world.store.root), REGION, slot, world, world.clock)
        try:
            while world.now < until:
                loop.step()
                world.now += HALF_HOUR
        except KeyboardInterrupt:
            continue
    assert kills >= 4
    found = published(world.store, "toy", BEGIN, until)
    assert [one.issue_time for one in found] == [BEGIN + n * HALF_HOUR for n in range(12)]
    assert all(one.is_live and one.revision == 0 for one in found)
    panel = history(world.store, REGION, datetime(2024, 3, 1, tzinfo=UTC), until)
    replayed, _ = bundles[0].replay(panel, np.array([one.nowcast.issue_time for one in found]))
    np.testing.assert_array_equal(np.array([one.nowcast.values for one in found]), replayed.values)


def test_it_waits_for_late_values_but_not_for_ever(world: World, slot_of) -> None:
    late, gone = BEGIN + HALF_HOUR, BEGIN + 2 * HALF_HOUR
    world.late = {late: timedelta(minutes=4), gone: timedelta(hours=2)}
    loop = world.loop(slot_of(1))
    loop.step()
    for minutes in range(31, 90, 1):
        world.now = BEGIN + timedelta(minutes=minutes)
        loop.step()
    one, other = published(world.store, "toy", late, gone)
    assert one.known_at == late + timedelta(minutes=4)
    assert one.nowcast.quality[1] is Quality.FULL
    assert one.nowcast.age_minutes.tolist() == [0.0, 0.0, 0.0]
    assert other.known_at == gone + PATIENCE * HALF_HOUR
    assert other.nowcast.age_minutes.tolist() == [30.0, 30.0, 30.0]
    assert other.is_live


def test_missed_intervals_are_caught_up_in_order_and_marked(world: World, slot_of) -> None:
    slot = slot_of(1)
    world.run(lambda _: [world.loop(slot)], BEGIN + HALF_HOUR)
    # Another process collected meanwhile.
    for _ in range(5):
        world.fill()
        world.now += HALF_HOUR
    world.loop(slot).step()
    found = published(world.store, "toy", BEGIN, world.now)
    assert [one.issue_time for one in found] == [BEGIN + n * HALF_HOUR for n in range(len(found))]
    assert [one.is_live for one in found] == [True] + [False] * (len(found) - 2) + [True]
    assert found[1].known_at == BEGIN + HALF_HOUR * (1 + PATIENCE)
    told = [one for one in events(world.store, "toy", BEGIN, world.now) if one.kind is Kind.CAUGHT_UP]
    assert [one.what[:11] for one in told] == [f"{len(found) - 2} intervals"]


def test_a_process_that_wakes_while_it_collects_asks_again_before_it_catches_up(
    world: World, slot_of, bundles: list[Bundle]
) -> None:
    """Frozen after it had asked, it would take what came meanwhile for what was not known in the missed intervals."""

    class Frozen:
        due, frozen_at, asked = BEGIN, BEGIN + HALF_HOUR, 0

        def step(self) -> None:
            world.fill()
            self.asked += 1
            if world.now == self.frozen_at:
                world.now += 3 * HALF_HOUR + timedelta(minutes=5)

    collector = Frozen()
    loop = Loop(world.store, REGION, slot_of(1), collector, world.clock)
    world.run(lambda _: [loop], BEGIN + 6 * HALF_HOUR)
    found = published(world.store, "toy", BEGIN, world.now)
    issues = np.array([one.nowcast.issue_time for one in found])
    assert list(np.diff(issues)) == [np.timedelta64(30, "m")] * (len(found) - 1)
    assert [one.is_live for one in found[:6]] == [True, False, False, False, True, True]
    assert collector.asked == len(found) - 3 + 1, "once an interval that was seen, and once more after the sleep"
    panel = history(world.store, REGION, datetime(2024, 3, 1, tzinfo=UTC), world.now)
    replayed, _ = bundles[0].replay(panel, issues)
    np.testing.assert_array_equal(np.array([one.nowcast.values for one in found]), replayed.values)


def test_what_lies_far_back_is_told_and_left_out(world: World, slot_of) -> None:
    slot = slot_of(1)
    world.loop(slot).step()
    world.now += CATCH_UP + 10 * HALF_HOUR
    world.loop(slot).step()
    found = published(world.store, "toy", BEGIN, world.now)
    assert found[1].issue_time == world.now - CATCH_UP
    (missed,) = [one for one in events(world.store, "toy", BEGIN, world.now) if one.kind is Kind.MISSED]
    assert missed.what == "No nowcast from 2024-05-01 12:30 to 2024-05-01 17:00 UTC."


def test_a_refusal_is_an_event_and_the_loop_goes_on(world: World, slot_of) -> None:
    world.late = {BEGIN + n * HALF_HOUR: timedelta(days=1) for n in range(1, 8)}
    loop = world.loop(slot_of(1))
    until = BEGIN + 9 * HALF_HOUR
    while world.now < until:
        loop.step()
        world.now += timedelta(minutes=15)
    refused = [one for one in events(world.store, "toy", BEGIN, until) if one.kind is Kind.REFUSED]
    assert refused
    assert all("newest observation" in one.what for one in refused)
    qualities = [one.nowcast.quality[0] for one in published(world.store, "toy", BEGIN, until)]
    assert Quality.PERSISTENCE in qualities
    assert qualities[-1] in (Quality.FULL, Quality.REDUCED)
    changed = [one for one in events(world.store, "toy", BEGIN, until) if one.kind is Kind.QUALITY]
    assert "ALL: full before, persistence now" in [one.what.partition(" (")[0].rstrip(".") for one in changed]


def test_a_new_version_supersedes_the_present_interval(world: World, slot_of) -> None:
    loop, told = world.loop(slot_of(1)), []
    loop.listeners = (told.append,)
    loop.step()
    loop.slot = slot_of(2)
    world.now += timedelta(minutes=3)
    loop.step()
    one, other = published(world.store, "toy", BEGIN, BEGIN)
    assert (one.version, other.version) == ("1", "2")
    assert (one.revision, other.revision) == (0, 1)
    assert not np.array_equal(one.nowcast.values, other.nowcast.values)
    assert [each.version for each in told] == ["1", "2"]
    (swap,) = [each for each in events(world.store, "toy", BEGIN, world.now) if each.kind is Kind.SWAPPED]
    assert swap.what == "Version 2 answers in place of version 1."
    world.now += HALF_HOUR
    loop.step()
    assert published(world.store, "toy", BEGIN + HALF_HOUR, world.now)[0].version == "2"


def test_a_running_loop_takes_a_new_version_at_once(world: World, slot_of) -> None:
    loop, slept = world.loop(slot_of(1)), []
    after = slot_of(2)

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        world.now += timedelta(seconds=seconds)
        if len(slept) == 3:
            loop.slot = after

    loop.sleep = sleep
    loop.collector = None
    loop.run(lambda: loop.present is not None and loop.present.version == "2")
    assert len(slept) == 3
    assert max(slept) <= 0.25
    assert world.now - BEGIN < timedelta(seconds=1)


def test_a_running_loop_takes_its_first_version_at_once(world: World, slot_of, tmp_path: Path) -> None:
    # A service steps before its model is loaded.
    loaded, slept = slot_of(1), []
    loop = world.loop(ModelSlot(REGION, lambda: pytest.fail("the loop loads nothing"), tmp_path))

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        world.now += timedelta(seconds=seconds)
        if len(slept) == 3:
            loop.slot = loaded

    loop.sleep = sleep
    loop.collector = None
    loop.run(lambda: loop.present is not None)
    assert len(slept) == 3
    assert world.now - BEGIN < timedelta(seconds=1)


def test_a_process_with_an_older_version_never_supersedes_a_newer_one(world: World, slot_of) -> None:
    newer, older = world.loop(slot_of(2)), world.loop(slot_of(1))
    for _ in range(3):
        for one in (newer, older, older):
            one.step()
        world.now += HALF_HOUR
    found = published(world.store, "toy", BEGIN, world.now)
    assert [(one.version, one.revision) for one in found] == [("2", 0)] * 3
    assert [one.kind for one in events(world.store, "toy", BEGIN, world.now) if one.kind is Kind.SWAPPED] == []


def test_a_source_that_is_set_up_wrongly_stops_no_nowcast(world: World, slot_of) -> None:
    class Wrong:
        due = BEGIN

        def step(self) -> None:
            raise ConfigurationError("A key is missing.", remedy="Set it.")

    loop = world.loop(slot_of(1))
    loop.collector = Wrong()
    due = loop.step()
    assert loop.present is not None
    assert due == BEGIN + timedelta(seconds=10)


def test_a_version_that_cannot_be_loaded_is_an_event_once(world: World, slot_of) -> None:
    loop = world.loop(slot_of(1))
    loop.slot.trouble = ModelError("Version 2 gives no nowcast.", remedy="Train it again.")
    for _ in range(3):
        loop.step()
        # Every attempt fails with an error of its own.
        loop.slot.trouble = ModelError("Version 2 gives no nowcast.", remedy="Train it again.")
        world.now += HALF_HOUR
    told = [one.what for one in events(world.store, "toy", BEGIN, world.now) if one.kind is Kind.NOT_LOADED]
    assert told == ["Version 2 gives no nowcast."]
    assert len(published(world.store, "toy", BEGIN, world.now)) == 3


def test_a_failure_of_a_step_does_not_end_the_loop(world: World, slot_of, caplog: pytest.LogCaptureFixture) -> None:
    loop, steps = world.loop(slot_of(1)), []
    whole = world.store.append

    def failing(*given: object, **more: object) -> object:
        steps.append(world.now)
        if len(steps) < 3:
            raise RuntimeError("a defect of a source")
        return whole(*given, **more)

    world.store.append = failing  # type: ignore[method-assign]

    def sleep(seconds: float) -> None:
        world.now += timedelta(seconds=seconds)

    loop.sleep = sleep
    loop.run(lambda: loop.present is not None)
    assert len(steps) >= 3
    assert "a defect of a source" in caplog.text


def test_scores_are_against_the_first_value_and_the_corrected_one(world: World, slot_of) -> None:
    slot, until = slot_of(1), BEGIN + 6 * HALF_HOUR
    world.run(lambda _: [world.loop(slot)], until)
    corrected = ROWS[Table.POWER].filter((pl.col("valid_at") == BEGIN + HALF_HOUR) & (pl.col("series") == "N.E."))
    before = corrected["value"][0]
    world.store.append(Table.POWER, corrected.with_columns(pl.col("value") + 50), now=until)
    found = scores(world.store, REGION, BEGIN, until)
    assert len(found) == 6 * 3 * 2
    one = found.filter((pl.col("issue_time") == BEGIN) & (pl.col("horizon_min") == 30))
    zone, total = (one.filter(pl.col("series") == name).row(0, named=True) for name in ("N.E.", "ALL"))
    told = published(world.store, "toy", BEGIN, BEGIN)[0].nowcast.values
    assert zone["first_mw"] == before
    assert zone["actual_mw"] == before + 50
    assert total["actual_mw"] - total["first_mw"] == pytest.approx(50)
    assert zone["error_mw"] == pytest.approx(told[1, 0, 3] - before)
    levels = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
    losses = np.maximum(levels * (before - told[1, 0]), (levels - 1) * (before - told[1, 0]))
    assert zone["pinball_mw"] == pytest.approx(losses.mean())
    assert zone["is_inside_80"] == (told[1, 0, 1] <= before <= told[1, 0, 5])
    waiting = found.filter(pl.col("valid_at") >= until)
    assert len(waiting)
    assert waiting["first_mw"].null_count() == len(waiting) == waiting["error_mw"].null_count()


def test_a_median_that_leaves_the_band_before_is_a_jump(world: World, slot_of) -> None:
    loop = world.loop(slot_of(1))
    loop.step()
    assert loop.present is not None
    old = loop.present.nowcast
    moved = old.values.copy()
    moved[1] += 10 * (old.values[1, 0, 5] - old.values[1, 0, 1])
    new = replace(old, issue_time=old.issue_time + np.timedelta64(30, "m"), values=moved)
    found = jumps(old, new)
    assert 1 in found
    assert found[1][0] == old.issue_time + np.timedelta64(60, "m")
    assert jumps(old, old) == {}
