"""Figures of rolling windows, held against sums by hand."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from power_nowcast.bundle.windows import DAY, PAIRS, rolling, tally

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def pairs(*rows: tuple[datetime, float | None, float, float, bool], series: str = "A") -> pl.DataFrame:
    return pl.DataFrame([(series, *row) for row in rows], PAIRS, orient="row")


def test_an_hour_has_its_values_and_the_one_at_its_end() -> None:
    minute = timedelta(minutes=1)
    told = tally(
        pairs(
            (NOON, 1.0, 2.0, 4.0, True),
            (NOON + minute, 3.0, 5.0, 7.0, False),
            (NOON + 60 * minute, -5.0, 1.0, 1.0, True),
            (NOON + 30 * minute, None, 9.0, 9.0, True),
        ),
        "America/New_York",
    )
    assert told.rows() == [
        ("A", NOON, 1, 1, 1.0, 2.0, 4.0, 1),
        ("A", NOON + 60 * minute, 2, 2, -2.0, 6.0, 8.0, 1),
    ], "8 o'clock in New York begins the third block; the hour to noon UTC is of the second"


def test_the_windows_slide_over_whole_days() -> None:
    """Thirty hours: seven windows of a day. Errors of 1 MW, from the 25th hour on of 3 MW."""
    rows = [
        (NOON + timedelta(hours=n), 1.0 if n < 24 else 3.0, 2.0 if n < 24 else 5.0, 8.0, n % 4 != 0) for n in range(30)
    ]
    told = rolling(tally(pairs(*rows), "UTC"), DAY, 1)
    assert told["hour"].to_list() == [NOON + timedelta(hours=23 + n) for n in range(7)]
    assert told["n"].to_list() == [24] * 7
    assert told["loss"].to_list() == pytest.approx([(2 * (24 - n) + 5 * n) / (8 * 24 / 2) for n in range(7)])
    assert told["bias"].to_list() == pytest.approx([((24 - n) + 3 * n) / (8 * 24) for n in range(7)])
    assert told["coverage"].to_list() == pytest.approx([18 / 24] * 7)


def test_the_blocks_of_the_local_day_have_their_own_bias() -> None:
    rows = [(NOON + timedelta(hours=n), float((n - 1) % 24 // 4), 1.0, 10.0, True) for n in range(1, 49)]
    told = rolling(tally(pairs(*rows), "UTC"), DAY, 1, by_block=True)
    last = told.group_by("block").last().sort("block")
    # The first hour after noon belongs to the fourth block of the day, which has the error 0.
    assert last["bias"].to_list() == pytest.approx([0.3, 0.4, 0.5, 0.0, 0.1, 0.2])
    assert last["n"].to_list() == [4] * 6


def test_a_window_with_few_pairs_and_a_ratio_by_zero_are_left_out() -> None:
    rows = [(NOON + timedelta(hours=n), 1.0, 1.0, 0.0, True) for n in range(30) if n in (0, *range(20, 30))]
    told = rolling(tally(pairs(*rows), "UTC"), DAY, 1)
    assert told["n"].to_list() == [6, 7, 8, 9, 10], "a quarter of the 24 pairs of a day is 6"
    assert told["loss"].to_list() == told["bias"].to_list() == [None] * 5
