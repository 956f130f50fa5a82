"""The shadow: a row of each interval from the same data, windows that are judged once, verdicts that are acted on."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.calibration_state import pack
from power_nowcast.contracts.times import aware, minute
from power_nowcast.errors import ModelError, RegistryUnavailableError
from power_nowcast.evaluate.promotion import Outcome
from power_nowcast.features.panel import history
from power_nowcast.live.loop import Loop
from power_nowcast.live.nowcaster import Nowcast, Nowcaster
from power_nowcast.live.records import Published, _rows, published
from power_nowcast.live.shadow import Judged, Role, Second, Shadow
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.store.events import Kind, events
from power_nowcast.store.tables import NOWCASTS, SHADOWS
from tests.live.test_loop import BEGIN, HALF_HOUR, REGION, World
from tests.toy import toy_bundle

DAY = timedelta(days=1)
UNKNOWN = 2
"""Intervals after a window until its last outcome is due."""


@pytest.fixture(scope="module")
def bundles() -> list[Bundle]:
    """A model of ramps, and one that knows the last value only: both are calibrated, the second is worse."""
    return [toy_bundle(REGION), toy_bundle(REGION, kind="persistence")]


class Registry:
    """What the shadow asks: version 1 or 2, or none; it keeps what it is told to settle."""

    def __init__(self, folder: Path, bundles: list[Bundle]) -> None:
        self.fetched = []
        for number, bundle in enumerate(bundles, 1):
            bundle.save(folder / f"v{number}")
            self.fetched.append(Fetched(folder / f"v{number}", str(number), bundle.digest))
        self.second: Second | None = None
        self.settled: list[Judged] = []
        self.down = False

    def ask(self) -> Second | None:
        return self.second

    def settle(self, judged: Judged) -> None:
        if self.down:
            raise RegistryUnavailableError("MLflow does not answer.", remedy="Start it.")
        self.settled.append(judged)


@pytest.fixture
def registry(tmp_path: Path, bundles: list[Bundle]) -> Registry:
    return Registry(tmp_path / "models", bundles)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "data")


@pytest.fixture
def make(world: World, registry: Registry, tmp_path: Path) -> Callable[..., tuple[Loop, Shadow]]:
    """A loop in which a version answers, with a shadow that takes each publication in the same thread."""

    def made(answers: int, length: timedelta | None = None) -> tuple[Loop, Shadow]:
        slot = ModelSlot(REGION, lambda: registry.fetched[answers - 1], tmp_path / "cache")
        slot.load()
        shadow = Shadow(world.store, REGION, registry.ask, registry.settle, length, tmp_path / "shadow")
        loop = world.loop(slot)
        loop.listeners = (shadow.step,)
        return loop, shadow

    return made


def shadows(world: World, bundle: Bundle) -> list[Published]:
    return published(world.store, "toy", BEGIN, world.now, digest=bundle.digest, is_shadow=True)


def judged(world: World) -> list[str]:
    return [one.what for one in events(world.store, "toy", BEGIN, world.now) if one.kind is Kind.JUDGED]


def fill(world: World, answers: Bundle, second: Bundle, *, intervals: int, shadows: int | None = None) -> None:
    """Store what both versions said at each interval since `BEGIN`, all at once; time goes on to the next interval."""
    world.now = BEGIN + intervals * HALF_HOUR
    world.fill()
    issues = np.array([minute(BEGIN + n * HALF_HOUR) for n in range(intervals)])
    panel = history(world.store, REGION, BEGIN - timedelta(days=60), world.now)
    for bundle, table, count in ((answers, NOWCASTS, intervals), (second, SHADOWS, shadows)):
        values, after = bundle.replay(panel, issues)
        # So that a service does not repeat the day.
        as_of = aware(after.as_of)
        world.store.write_calibration("toy", bundle.digest, after.id, as_of, pack(after), now=world.now)
        one = Nowcaster(bundle).nowcast(panel, issues[0])
        made = [replace(one, issue_time=issue, values=values.values[n]) for n, issue in enumerate(issues[:count])]
        world.store.records[table].add(pl.concat([_rows(_published(one)) for one in made]), now=world.now)


def _published(nowcast: Nowcast) -> Published:
    at = aware(nowcast.issue_time)
    return Published(nowcast, "toy", "1", 0, at, at + HALF_HOUR, at, is_live=True, data_version="", sources={})


def test_every_interval_has_the_bits_of_a_backtest_through_a_restart(
    world: World, registry: Registry, make, bundles: list[Bundle]
) -> None:
    registry.second = Second(registry.fetched[1], Role.CANDIDATE)
    for intervals in (3, 6):
        loop, _ = make(1)
        world.run(lambda _, loop=loop: [loop], BEGIN + intervals * HALF_HOUR)
    made = shadows(world, bundles[1])
    issues = np.array([one.nowcast.issue_time for one in made])
    assert len(made) == 6
    assert {one.version for one in made} == {"2"}
    panel = history(world.store, REGION, BEGIN - timedelta(days=60), world.now)
    replayed, _ = bundles[1].replay(panel, issues)
    np.testing.assert_array_equal(np.array([one.nowcast.values for one in made]), replayed.values)
    assert {one.version for one in published(world.store, "toy", BEGIN, world.now)} == {"1"}, "it publishes nothing"


def test_without_a_version_or_with_the_one_that_answers_there_is_no_row(
    world: World, registry: Registry, make, bundles: list[Bundle]
) -> None:
    loop, _ = make(1, DAY)
    loop.step()
    registry.second = Second(registry.fetched[0], Role.CANDIDATE)
    world.now += HALF_HOUR
    loop.step()
    assert [*shadows(world, bundles[0]), *shadows(world, bundles[1])] == []


def test_a_better_candidate_is_settled_once_when_its_window_is_over(
    world: World, registry: Registry, make, bundles: list[Bundle]
) -> None:
    registry.second = Second(registry.fetched[0], Role.CANDIDATE)
    fill(world, bundles[1], bundles[0], intervals=48 + UNKNOWN - 1)
    loop, shadow = make(2, DAY)
    loop.step()
    assert registry.settled == [], "the outcomes of the window are not known"
    loop.listeners = ()
    world.now += HALF_HOUR
    loop.step()
    registry.down = True
    with pytest.raises(RegistryUnavailableError):
        shadow.step(loop.present)
    assert judged(world) == [], "a verdict that could not be acted on is none"
    registry.down = False
    for _ in range(2):
        shadow.step(loop.present)
    (one,) = registry.settled
    assert (one.version, one.role, one.verdict.outcome) == ("1", Role.CANDIDATE, Outcome.BETTER)
    assert (one.first, one.last) == (BEGIN, BEGIN + DAY - HALF_HOUR)
    assert one.verdict.figures["issue_times"] == 48
    (told,) = judged(world)
    assert told.startswith(
        "Version 1 against the version that answers, over 1 days: better. Its pinball loss differs by"
    )


def test_a_promoted_version_that_is_worse_than_the_one_before_is_told_so(
    world: World, registry: Registry, make, bundles: list[Bundle]
) -> None:
    registry.second = Second(registry.fetched[0], Role.BEFORE)
    fill(world, bundles[1], bundles[0], intervals=48 + UNKNOWN)
    loop, _ = make(2, DAY)
    loop.step()
    (one,) = registry.settled
    assert (one.version, one.role, one.verdict.outcome) == ("2", Role.BEFORE, Outcome.WORSE)
    assert judged(world)[0].startswith("Version 2 against the version before it, over 1 days: worse.")


def test_a_window_with_few_intervals_decides_nothing_and_the_next_one_begins_after_it(
    world: World, registry: Registry, make, bundles: list[Bundle]
) -> None:
    registry.second = Second(registry.fetched[0], Role.CANDIDATE)
    fill(world, bundles[1], bundles[0], intervals=48 + UNKNOWN, shadows=10)
    loop, shadow = make(2, DAY)
    loop.step()
    (one,) = registry.settled
    assert one.verdict.outcome is Outcome.UNDECIDED
    assert one.verdict.reasons == ("Only 10 of 48 intervals have both nowcasts.",)
    begun = shadow._begin("1", bundles[0].digest, bundles[1].digest, world.now, DAY)
    assert BEGIN + DAY <= begun <= world.now
    assert judged(world)[0].endswith("Only 10 of 48 intervals have both nowcasts.")


def test_a_damaged_version_is_an_event_once_and_the_loop_goes_on(world: World, registry: Registry, make) -> None:
    wrong = registry.fetched[1]._replace(digest="0" * 64)
    registry.second = Second(wrong, Role.CANDIDATE)
    loop, shadow = make(1, DAY)
    loop.listeners = ()
    for _ in range(3):
        loop.step()
        with pytest.raises(ModelError):
            shadow.step(loop.present)
        world.now += HALF_HOUR
    told = [one for one in events(world.store, "toy", BEGIN, world.now) if one.kind is Kind.NOT_LOADED]
    assert len(told) == 1


def test_the_thread_outlives_failures_and_ends(world: World, registry: Registry, make, bundles: list[Bundle]) -> None:
    asked = []

    def second() -> Second | None:
        asked.append(1)
        if len(asked) == 1:
            raise RegistryUnavailableError("MLflow does not answer.", remedy="Start it.")
        if len(asked) == 2:
            raise RuntimeError("a defect")
        return Second(registry.fetched[1], Role.CANDIDATE)

    loop, shadow = make(1)
    shadow._second = second
    loop.listeners = (shadow.tell,)
    shadow.start()
    world.run(lambda _: [loop], BEGIN + 4 * HALF_HOUR)
    end = time.monotonic() + 60
    while len(shadows(world, bundles[1])) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    shadow.stop(30)
    assert not shadow._beside._thread.is_alive()
    assert [one.issue_time for one in shadows(world, bundles[1])] == [BEGIN + 2 * HALF_HOUR, BEGIN + 3 * HALF_HOUR]
