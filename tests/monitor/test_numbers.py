"""The nine numbers, each held against a value that was computed by hand."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from power_nowcast.bundle.windows import DAY, PAIRS, THREE_DAYS, WEEK, tally
from power_nowcast.contracts import QUARANTINE
from power_nowcast.monitor import numbers
from power_nowcast.monitor.numbers import MEASURED, Number
from power_nowcast.store.events import Event, Kind

NOW = datetime(2024, 5, 10, 12, 3, tzinfo=UTC)
FIVE = timedelta(minutes=5)
NOON = NOW - timedelta(minutes=3)
HEADS = pl.Schema(
    {
        "issue_time": pl.Datetime("us", "UTC"),
        "series": pl.String(),
        "revision": pl.Int64(),
        "published_at": pl.Datetime("us", "UTC"),
        "known_at": pl.Datetime("us", "UTC"),
        "is_live": pl.Boolean(),
        "rung": pl.String(),
    }
)


def heads(*rows: tuple[int, str, int, float, bool, str]) -> pl.DataFrame:
    """Of each: intervals before noon, series, revision, seconds from the issue time to the publication, live, rung."""
    told = []
    for back, series, revision, seconds, is_live, rung in rows:
        issue = NOON - back * FIVE
        published = issue + timedelta(seconds=seconds)
        told.append((issue, series, revision, published, published - timedelta(seconds=2), is_live, rung))
    return pl.DataFrame(told, HEADS, orient="row")


def values(told: pl.DataFrame) -> dict[str, float]:
    assert told.schema == MEASURED
    return dict(zip(told["about"], told["value"], strict=True))


def test_the_ages_count_from_the_newest_value_and_the_newest_nowcast() -> None:
    known = {"power": NOW - timedelta(minutes=8), "weather": NOW - timedelta(minutes=90), "forecast": None}
    told = numbers.ages(known, NOW - timedelta(seconds=90), NOW)
    assert values(told) == {"power": 8.0, "weather": 90.0, "nowcast": 1.5}
    assert values(numbers.ages({"power": None}, None, NOW)) == {}


def test_a_zone_stands_still_from_the_first_of_its_equal_values() -> None:
    """Four values of A are equal, up to the newest; B has changed, C is calm, D is no zone, E has a gap."""
    told = {
        "A": [5.0, 7.0, 7.0, 7.0, 7.0],
        "B": [7.0, 7.0, 7.0, 7.0, 8.0],
        "C": [0.5, 0.5, 0.5, 0.5, 0.5],
        "D": [3.0, 3.0, 3.0, 3.0, 3.0],
        "E": [3.0, 3.0, None, 3.0, 3.0],
    }
    rows = [(name, NOON + n * FIVE, value) for name, values in told.items() for n, value in enumerate(values)]
    frame = pl.DataFrame(
        rows, {"series": pl.String, "valid_at": pl.Datetime("us", "UTC"), "value": pl.Float64}, orient="row"
    )
    found = numbers.still(frame.sample(fraction=1.0, shuffle=True, seed=2), dict.fromkeys("ABCE", 100.0), FIVE)
    assert found.select("number", "about", "value", "n").rows() == [("age", "A", 15.0, 4)]
    assert numbers.still(frame.clear(), {"A": 100.0}, FIVE).is_empty()


def test_an_interval_is_fresh_if_its_nowcast_came_before_the_next_one_began() -> None:
    """Six intervals from 11:30 on are over; that of noon is not."""
    told = heads(
        (0, "A", 0, 20, True, "all inputs"),
        (1, "A", 0, 20, True, "all inputs"),
        (1, "A", 1, 40, True, "persistence"),  # a revision takes nothing from what was fresh
        (2, "A", 0, 301, True, "all inputs"),  # too late
        (3, "A", 0, 20, False, "all inputs"),  # caught up
        (4, "A", 0, 20, True, "load late"),
        (6, "A", 0, 299, True, "all inputs"),
    )
    found = numbers.fresh(told, FIVE, 34, NOW, since=NOON - 100 * FIVE)
    assert values(found) == {"": 0.5, "all inputs": pytest.approx(1 / 3), "load late": pytest.approx(1 / 6)}
    assert found["n"].to_list() == [6, 2, 1]
    begun = numbers.fresh(told, FIVE, 34, NOW, since=NOON - 2 * FIVE)
    assert values(begun) == {"": 0.5, "all inputs": 0.5}, "it began two intervals ago, and one of them was fresh"
    assert numbers.fresh(told, FIVE, 34, NOW, since=None).is_empty()


def test_the_share_that_rules_answered_is_of_intervals_and_series() -> None:
    told = heads(
        (1, "A", 0, 20, True, "all inputs"),
        (1, "B", 0, 20, True, "seasonal persistence"),
        (2, "A", 0, 20, True, "persistence"),
        (2, "B", 0, 20, True, "load late"),
    )
    assert numbers.by_rule(numbers.fresh(told, FIVE, 13, NOW, since=NOON - 9 * FIVE)) == 0.5


def test_loss_coverage_and_bias_are_of_the_hours_before() -> None:
    """Eight days at 1 pair an hour; in its last day the error is +2 MW in place of 1 MW; half lies outside."""
    rows = []
    for n in range(24 * 8):
        is_new = n < 24  # blocks end up to a day ago
        rows.append(("A", NOON - timedelta(hours=n), 2.0 if is_new else 1.0, 3.0 if is_new else 1.0, 4.0, n % 2 == 0))
    tallies = tally(pl.DataFrame(rows, PAIRS, orient="row"), "UTC")
    told = numbers.accuracy(tallies, 1, NOW)
    assert told.schema == MEASURED
    found = {(one["number"], one["minutes"], one["block"]): one["value"] for one in told.iter_rows(named=True)}
    assert found[Number.LOSS, DAY, None] == pytest.approx(3.0 / 2.0)
    assert found[Number.LOSS, WEEK, None] == pytest.approx((3.0 + 6 * 1.0) / 7 / 2.0)
    assert found[Number.COVERAGE, WEEK, None] == 0.5
    for block in range(6):
        assert found[Number.BIAS, WEEK, block] == pytest.approx((2.0 + 6 * 1.0) / 7 / 4.0)
    assert found[Number.COVERAGE, THREE_DAYS, None] == 0.5, "of all series together"
    assert len(found) == 10
    day = tallies.filter(pl.col("hour") > NOON - timedelta(days=1))
    assert numbers.accuracy(day, 1, NOW)["number"].to_list() == [Number.LOSS], "a day says nothing of a week"
    late = numbers.accuracy(tallies, 1, NOW + timedelta(hours=1))
    assert late["number"].unique().to_list() == [Number.BIAS], (
        "windows that ended an hour ago say nothing of the present"
    )
    assert numbers.accuracy(tallies.clear(), 1, NOW).is_empty()


def test_withheld_counts_the_quarantine_and_what_was_held_back() -> None:
    minute = timedelta(minutes=1)

    def row(series: str | None, at: datetime | None, seen: datetime) -> dict[str, object]:
        text = dict.fromkeys(("region", "table", "stamp", "value", "reason", "detail", "origin"), "x")
        return text | {"series": series, "at": at, "first_seen_at": seen}

    quarantine = pl.DataFrame(
        [
            row("A", NOW - 10 * minute, NOW - 9 * minute),
            row("A", NOW - 5 * minute, NOW - 4 * minute),
            row(None, None, NOW),
            row("B", NOW - 90 * minute, NOW - 4 * minute),  # of an old stamp: a backfill
            row("B", NOW - 65 * minute, NOW - 61 * minute),  # before the window
        ],
        QUARANTINE,
    )
    happened = [
        Event("toy", NOW - minute, Kind.HELD_BACK, "A: ...", "A"),
        Event("toy", NOW - 2 * minute, Kind.JUMP, "A: ...", "A"),
        Event("toy", NOW - 61 * minute, Kind.HELD_BACK, "A: ...", "A"),
    ]
    assert values(numbers.withheld(happened, quarantine, 60, NOW)) == {"": 1.0, "A": 3.0}
    assert numbers.withheld([], quarantine.clear(), 60, NOW).is_empty()


def test_jumps_are_a_share_of_publications() -> None:
    """One publication an hour for a day and an hour: six of A jumped, of which one before the day; none of B."""
    hours = [NOON - n * timedelta(hours=1) for n in range(25)]
    rows = [
        {"series": name, "valid_at": at, "error": 0.0, "pinball": 0.0, "persistence": 0.0, "is_inside": is_inside}
        for n, at in enumerate(hours)
        for name, is_inside in (("A", n not in (0, 1, 5, 9, 13, 24)), ("B", True))
    ]
    found = numbers.jumps(tally(pl.DataFrame(rows, PAIRS), "UTC"), 1.0, NOW)
    assert values(found) == pytest.approx({"A": 5 / 24, "B": 0.0})
    assert numbers.jumps(tally(pl.DataFrame(schema=PAIRS), "UTC"), 1.0, NOW).is_empty()


def test_the_time_of_the_loop_is_the_longest() -> None:
    told = heads((1, "A", 0, 20, True, "all inputs"), (2, "A", 0, 20, True, "all inputs"))
    slow = told.with_columns(
        known_at=pl.when(pl.col("issue_time") == NOON - FIVE)
        .then(pl.col("published_at") - timedelta(seconds=9.5))
        .otherwise("known_at")
    )
    assert values(numbers.loop_time(told, 60, NOW)) == {"": 2.0}
    assert values(numbers.loop_time(slow, 60, NOW)) == {"": 9.5}
    assert numbers.loop_time(told, 60, NOW + timedelta(hours=2)).is_empty()


def test_the_heartbeat_counts_from_when_it_was_lost() -> None:
    assert values(numbers.heartbeat(None, NOW)) == {"": 0.0}
    assert values(numbers.heartbeat(NOW - timedelta(minutes=7), NOW)) == {"": 7.0}
