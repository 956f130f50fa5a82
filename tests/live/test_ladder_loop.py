"""The ladder and what people decide, through the live loop: rows, events, scores, all append-only."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import MEDIAN, Table
from power_nowcast.contracts.rungs import Rung
from power_nowcast.errors import ConfigurationError, UnknownSeriesError
from power_nowcast.live.interventions import ADJUST, MARK, Intervention, intervene
from power_nowcast.live.nowcaster import Nowcaster
from power_nowcast.live.records import published
from power_nowcast.live.scores import adjusted_skill, scores
from power_nowcast.store.events import Kind, events
from power_nowcast.store.tables import INTERVENTIONS
from tests.live.test_loop import BEGIN, HALF_HOUR, REGION, World


def test_a_missing_zone_is_an_event_and_the_total_goes_on(world: World, slot_of) -> None:
    """From the others and their usual share, for longer than a last value counts."""
    loop = world.loop(slot_of(1))
    world.silent = "N.E."
    until = BEGIN + 9 * HALF_HOUR
    while world.now < until:
        loop.step()
        world.now += timedelta(minutes=15)
    found = published(world.store, "toy", BEGIN, until)
    assert [one.nowcast.rungs[0] for one in found] == [Rung.ALL] + [Rung.ZONES] * (len(found) - 1)
    assert found[-1].nowcast.rungs[1] is Rung.REFUSED
    assert np.isfinite(found[-1].nowcast.values[0]).all()
    told = [one.what for one in events(world.store, "toy", BEGIN, until) if one.kind is Kind.RUNG]
    assert "ALL: all inputs before, zones missing now." in told
    assert "N.E.: seasonal persistence before, refused now." in told


def test_what_is_held_back_is_an_event(world: World, slot_of, bundles: list[Bundle]) -> None:
    slot = slot_of(1)
    ladder = bundles[0].ladder
    assert ladder is not None
    still = replace(ladder, limits=replace(ladder.limits, rise=np.zeros((3, 3)), fall=np.zeros((3, 3))))
    nowcaster = Nowcaster(replace(bundles[0], ladder=still))
    slot._loaded = replace(slot.current, nowcaster=nowcaster)
    world.loop(slot).step()
    (one,) = published(world.store, "toy", BEGIN, BEGIN)
    assert not any(rung.is_model for rung in one.nowcast.rungs)
    told = [each for each in events(world.store, "toy", BEGIN, world.now) if each.kind is Kind.HELD_BACK]
    assert [each.about for each in told] == ["ALL", "N.E.", "SOUTH 1"]
    assert told[0].what.startswith("ALL: a ramp of ")
    assert told[0].what.endswith(f"The rung is {one.nowcast.rungs[0]}.")


def decide(world: World, kind: str, series: str, until: datetime, mw: float = 0.0, reason: str = "a reason") -> None:
    given = Intervention(kind, series, world.now, min(world.now, until), until, mw, reason, "tester")
    intervene(world.store, REGION, given)


def step(world: World, loop, count: int = 1) -> None:
    for _ in range(count):
        loop.step()
        world.now += HALF_HOUR


def test_a_marked_zone_counts_as_missing_until_the_mark_ends(world: World, slot_of) -> None:
    loop = world.loop(slot_of(1))
    step(world, loop)
    decide(world, MARK, "N.E.", world.now + 2 * HALF_HOUR, reason="the meter drifts")
    step(world, loop, 5)
    found = published(world.store, "toy", BEGIN, world.now)
    # The value of the moment of the mark still counts, the next two do not.
    zones = [one.nowcast.rungs[1] for one in found]
    assert zones == [Rung.ALL, Rung.ALL, Rung.LATE, Rung.SEASONAL, Rung.INPUTS, Rung.INPUTS]
    assert [one.nowcast.rungs[0] for one in found] == [Rung.ALL] * 2 + [Rung.ZONES] * 2 + [Rung.INPUTS] * 2
    assert found[-1].nowcast.reasons[1] == ("gaps in the recent hours",), "what was taken out stays out"
    assert found[-1].nowcast.age_minutes.tolist() == [0.0, 0.0, 0.0]
    (told,) = [one for one in events(world.store, "toy", BEGIN, world.now) if one.kind is Kind.MARKED]
    assert told.what == ("N.E.: the telemetry does not count until 2024-05-01 13:30 UTC, by tester: the meter drifts.")
    assert len(world.store.read_quarantine("toy")) == 0, "nothing is taken out of the tables"
    kept = world.store.as_of(Table.POWER, "toy", start=BEGIN, end=world.now)
    assert kept.filter(pl.col("series") == "N.E.")["value"].null_count() == 0


def test_a_later_mark_ends_the_one_before(world: World, slot_of) -> None:
    loop = world.loop(slot_of(1))
    decide(world, MARK, "N.E.", world.now + 20 * HALF_HOUR)
    step(world, loop, 2)
    assert published(world.store, "toy", BEGIN, world.now)[-1].nowcast.rungs[1] is Rung.LATE
    decide(world, MARK, "N.E.", world.now)
    world.now += HALF_HOUR
    step(world, loop)
    last = published(world.store, "toy", BEGIN, world.now)[-1].nowcast
    assert last.age_minutes.tolist() == [0.0, 0.0, 0.0]
    assert len(world.store.records[INTERVENTIONS].read("toy")) == 2


def test_a_restart_repeats_what_was_known_of_marks(world: World, slot_of) -> None:
    """The calibration after a restart is that of the process that saw the mark come."""
    one, two = world.loop(slot_of(1)), world.loop(slot_of(1))
    step(world, one, 3)
    decide(world, MARK, "N.E.", world.now + 2 * HALF_HOUR)
    step(world, one, 3)
    world.now -= HALF_HOUR
    two.step()
    world.now += HALF_HOUR
    two.step()
    one.step()
    (own,), (other,) = one._followings.values(), two._followings.values()
    assert own.calibration.id == other.calibration.id


def test_an_adjusted_series_stands_beside_the_models_and_is_scored_apart(world: World, slot_of) -> None:
    loop = world.loop(slot_of(1))
    step(world, loop)
    decide(world, ADJUST, "SOUTH 1", world.now + 2.5 * HALF_HOUR, mw=20.0, reason="a plant starts")
    step(world, loop, 5)
    found = published(world.store, "toy", BEGIN, world.now)
    assert [sorted(one.adjusted) for one in found] == [[], ["SOUTH 1"], ["SOUTH 1"], ["SOUTH 1"], [], []]
    first, last = found[1], found[3]
    model = first.nowcast.values[2]
    np.testing.assert_allclose(first.adjusted["SOUTH 1"].values, model + 20.0)
    assert first.adjusted["SOUTH 1"].why == "a plant starts (tester, until 2024-05-01 13:45 UTC)"
    np.testing.assert_array_equal(
        last.adjusted["SOUTH 1"].values, last.nowcast.values[2], "its moments come after the end"
    )
    world.fill()
    rows = scores(world.store, REGION, BEGIN, world.now).filter(pl.col("adjusted_mw").is_not_null())
    assert rows["series"].unique().to_list() == ["SOUTH 1"]
    moved = rows.filter(pl.col("issue_time") == first.issue_time)
    np.testing.assert_allclose(moved["adjusted_error_mw"], moved["error_mw"] + 20.0)
    table = adjusted_skill(rows)
    assert table["horizon_min"].to_list() == [30, 60]
    assert table["n"].to_list() == [3, 3]
    told = [one.what for one in events(world.store, "toy", BEGIN, world.now) if one.kind is Kind.ADJUSTED]
    assert told == ["SOUTH 1: adjusted by +20 MW until 2024-05-01 13:45 UTC, by tester: a plant starts."]


def test_an_adjustment_makes_no_ramp_that_history_does_not_have(world: World, slot_of, bundles: list[Bundle]) -> None:
    ladder = bundles[0].ladder
    assert ladder is not None
    loop = world.loop(slot_of(1))
    decide(world, ADJUST, "ALL", world.now + 20 * HALF_HOUR, mw=50_000.0)
    step(world, loop)
    (one,) = published(world.store, "toy", BEGIN, BEGIN)
    ramp = one.adjusted["ALL"].values[:, MEDIAN] - one.nowcast.origin_mw[0]
    np.testing.assert_allclose(ramp, ladder.limits.rise[0, :2])
    assert (np.diff(one.adjusted["ALL"].values, axis=1) >= 0).all()


def test_decisions_that_cannot_be_are_refused(world: World) -> None:
    with pytest.raises(UnknownSeriesError, match="no series"):
        decide(world, MARK, "MOON", world.now + HALF_HOUR)
    with pytest.raises(UnknownSeriesError, match="sum of the zones"):
        decide(world, MARK, "ALL", world.now + HALF_HOUR)
    with pytest.raises(ConfigurationError, match="needs a reason"):
        decide(world, ADJUST, "ALL", world.now + HALF_HOUR, mw=1.0, reason=" ")
    given = Intervention(MARK, "N.E.", world.now, world.now, world.now - HALF_HOUR, 0.0, "why", "tester")
    with pytest.raises(ConfigurationError, match="before it begins"):
        intervene(world.store, REGION, given)
    assert world.store.records[INTERVENTIONS].read("toy").is_empty()
