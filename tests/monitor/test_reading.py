"""The numbers of a followed region, read from its tables alone."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.windows import DAY, tally
from power_nowcast.contracts import UTC, VALUES, Table
from power_nowcast.contracts.times import aware
from power_nowcast.live.loop import jumps
from power_nowcast.live.records import published
from power_nowcast.live.scores import scores
from power_nowcast.monitor.numbers import Number
from power_nowcast.monitor.reading import Reading, moved, pairs
from power_nowcast.store import Store
from power_nowcast.store.events import Event, Kind, note
from tests.live.test_loop import BEGIN, HALF_HOUR, REGION, World
from tests.monitor.conftest import followed


def numbers_of(told: pl.DataFrame, number: Number) -> dict[str, float]:
    chosen = told.filter(pl.col("number") == number)
    if number is Number.FRESH:
        chosen = chosen.filter(pl.col("minutes") == DAY)
    return dict(zip(chosen["about"], chosen["value"], strict=True))


def test_a_new_region_has_an_age_of_its_data_only(tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    told = Reading(world.store, REGION).at(BEGIN + timedelta(minutes=4))
    assert numbers_of(told, Number.AGE) == {"power": 4.0, "weather": 4.0}
    assert set(told["number"]) == {Number.AGE, Number.HEARTBEAT}


def test_the_numbers_of_a_followed_day_are_those_of_its_scores(bundle: Bundle, tmp_path: Path) -> None:
    world = followed(bundle, tmp_path, hours=30)
    told = Reading(Store(world.store.root), REGION).at(world.now)
    assert numbers_of(told, Number.AGE) == {"power": 0.0, "weather": 0.0, "nowcast": 30.0}
    assert numbers_of(told, Number.FRESH) == {"": 1.0, "all inputs": 1.0}
    rows = scores(world.store, REGION, BEGIN, world.now).filter(
        pl.col("valid_at").is_between(world.now - timedelta(days=1), world.now, closed="right")
    )
    for series in REGION.series:
        own = rows.filter(pl.col("series") == series)
        persistence = (own["origin_mw"] - own["first_mw"]).abs().sum()
        assert numbers_of(told, Number.LOSS)[series] == pytest.approx(own["pinball_mw"].sum() / persistence * 2)
    assert not numbers_of(told, Number.COVERAGE), "it needs a week"
    assert numbers_of(told, Number.LOOP) == {"": 0.0}, "what is published here took no time"


def test_a_reading_that_goes_on_counts_as_one_that_begins(bundle: Bundle, tmp_path: Path) -> None:
    world = World(tmp_path / "data")
    goes_on, found = Reading(world.store, REGION), pl.DataFrame()
    for _ in range(4):
        followed(bundle, tmp_path, hours=3.5, world=world)
        found = goes_on.tallies(world.now)
    assert len(found) > 30
    new = Reading(Store(world.store.root), REGION).tallies(world.now)
    assert found.sort("series", "hour").equals(new.sort("series", "hour"))
    some = replace(Reading(world.store, REGION), horizons=(30,)).tallies(world.now)
    assert some["n"].sum() == pytest.approx(new["n"].sum() / 2, rel=0.1)


def test_an_interval_without_a_nowcast_is_missed_in_the_share(bundle: Bundle, tmp_path: Path) -> None:
    world = followed(bundle, tmp_path, hours=5)
    world.now += 2 * HALF_HOUR
    followed(bundle, tmp_path, hours=3, world=world)
    told = numbers_of(Reading(world.store, REGION).at(world.now), Number.FRESH)
    assert told[""] == pytest.approx(16 / 18), "two have none"


def test_a_nowcast_without_a_width_and_one_that_was_caught_up_are_no_pairs(bundle: Bundle, tmp_path: Path) -> None:
    world = followed(bundle, tmp_path, hours=4)
    rows = scores(world.store, REGION, BEGIN, world.now)
    assert not tally(pairs(rows), "UTC").is_empty()
    assert tally(pairs(rows.with_columns(is_live=pl.lit(False))), "UTC").is_empty()
    assert tally(pairs(rows.with_columns(q10=pl.lit(0.0), q90=pl.lit(0.0))), "UTC").is_empty()


def test_the_heartbeat_is_what_the_events_say(tmp_path: Path) -> None:
    world, minute = World(tmp_path / "data"), timedelta(minutes=1)
    reading = Reading(world.store, REGION)
    note(world.store, [Event("toy", BEGIN, Kind.BEAT_LOST, "The heartbeat is not taken.")])
    assert numbers_of(reading.at(BEGIN + 6 * minute), Number.HEARTBEAT) == {"": 6.0}
    note(world.store, [Event("toy", BEGIN + 7 * minute, Kind.BEAT_BACK, "The heartbeat is taken again.")])
    assert numbers_of(reading.at(BEGIN + 8 * minute), Number.HEARTBEAT) == {"": 0.0}


def test_a_zone_whose_values_do_not_change_has_an_age(bundle: Bundle, tmp_path: Path) -> None:
    world = followed(bundle, tmp_path, hours=2)
    end, last = world.now, world.now + 3 * HALF_HOUR
    before = world.store.as_of(Table.POWER, "toy", start=end, end=end, series="N.E.")
    same = [
        before.with_columns(pl.lit(time).cast(UTC).alias("valid_at"), pl.lit(time).cast(UTC).alias("available_at"))
        for time in (end + HALF_HOUR, end + 2 * HALF_HOUR, last)
    ]
    world.store.append(
        Table.POWER, pl.concat(same).select(name for name in VALUES if name != "first_seen_at"), now=last
    )
    ages = numbers_of(Reading(world.store, REGION).at(last), Number.AGE)
    assert ages["N.E."] == 90.0
    assert "SOUTH 1" not in ages
    assert "N.E." not in numbers_of(Reading(world.store, REGION).at(end + HALF_HOUR), Number.AGE), (
        "a repetition is usual"
    )


def test_a_jump_is_a_median_outside_of_what_was_said_a_spacing_before(bundle: Bundle, tmp_path: Path) -> None:
    """Held against the loop's own rule for two nowcasts that follow each other."""
    world = followed(bundle, tmp_path, hours=26)
    rows = scores(world.store, REGION, BEGIN, world.now)
    told = moved(rows, HALF_HOUR)
    nowcasts = [one.nowcast for one in published(world.store, "toy", BEGIN, world.now)]
    jumped = [
        (after.series[s], aware(after.issue_time)) for before, after in pairwise(nowcasts) for s in jumps(before, after)
    ]
    assert len(told) == 3 * (len(nowcasts) - 1)
    found = told.filter(~pl.col("is_inside")).select("series", "valid_at").rows()
    assert sorted(found) == sorted(jumped)
    assert found, "some have jumped"
    assert moved(rows.with_columns(is_live=pl.lit(False)), HALF_HOUR).is_empty()
    assert moved(rows, 3 * HALF_HOUR).is_empty(), "no step reaches so far"
    reading = Reading(world.store, REGION, None, HALF_HOUR)
    day = told.filter(pl.col("valid_at") > world.now - timedelta(days=1), pl.col("series") == "ALL")
    assert numbers_of(reading.at(world.now), Number.JUMPS)["ALL"] == pytest.approx(1 - day["is_inside"].mean())
