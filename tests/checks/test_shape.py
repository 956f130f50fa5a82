"""Rules about the shape of a series at their limits: what just counts as a spike, and what just does not."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from power_nowcast.checks.shape import spikes

from .made_up import START

MAX_MW = 3000.0
LEAST = 45.0
"""A calm series has a usual deviation of .0003 of the maximum, .9 MW; a spike is more than fifty times that."""
QUARTER = timedelta(minutes=15)


def calm(jump: float, count: int = 24, place: int = 12) -> list[float]:
    """A still series with one value that jumps."""
    values = [100.0] * count
    values[place] += jump
    return values


def jumps(values: list[float], times: list[datetime] | None = None, high: float = MAX_MW) -> list[int]:
    """Places of the spikes."""
    at = times or [START + n * QUARTER for n in range(len(values))]
    rows = pl.DataFrame({"series": "A", "at": at, "value": values, "high": high}).with_row_index("row")
    found = spikes(rows)
    assert found["reason"].unique().to_list() in ([], ["spike"])
    return found["row"].to_list()


@pytest.mark.parametrize(("jump", "found"), [(LEAST - 0.1, []), (LEAST + 0.1, [12]), (-LEAST - 0.1, [12])])
def test_a_spike_is_more_than_fifty_usual_deviations(jump: float, found: list[int]) -> None:
    assert jumps(calm(jump)) == found


@pytest.mark.parametrize(("jump", "found"), [(99.9, []), (100.1, [12]), (-99.9, []), (-100.1, [12])])
def test_a_spike_is_more_than_a_tenth_of_the_level(jump: float, found: list[int]) -> None:
    assert jumps([900 + value for value in calm(jump)]) == found


@pytest.mark.parametrize(("back", "found"), [(19.9, [12]), (20.1, []), (-24.9, [12]), (-25.1, [])])
def test_a_spike_returns_to_within_a_quarter_of_its_jump(back: float, found: list[int]) -> None:
    values = calm(100.0)
    values[13:] = [100 + back] * 11
    assert jumps(values) == found


@pytest.mark.parametrize("place", [11, 14], ids=["before it", "after it"])
@pytest.mark.parametrize(("moved", "found"), [(24.9, [12]), (25.1, [])])
def test_a_spike_is_four_times_what_the_series_moves_beside_it(moved: float, found: list[int], place: int) -> None:
    values = calm(100.0)
    if place == 11:
        values[:11] = [100 + moved] * 11
    else:
        values[14:] = [100 + moved] * 10
    assert jumps(values) == found


@pytest.mark.parametrize("place", [1, 22])
def test_a_spike_shows_from_one_value_on_each_side(place: int) -> None:
    low = [value - 90 for value in calm(2.0, place=place)]
    assert jumps(low, high=100.0) == [place]
    assert jumps(low[place:] if place == 1 else low[: place + 1], high=100.0) == []


def test_a_spike_is_told_by_its_smaller_jump() -> None:
    values = [100.0] * 24
    values[11:14] = [100.0, 400.0, 120.0]
    values[14:] = [120.0] * 10
    rows = pl.DataFrame(
        {"series": "A", "at": [START + n * QUARTER for n in range(24)], "value": values, "high": MAX_MW}
    )
    assert spikes(rows.with_row_index("row"))["detail"].to_list() == ["jumps by 280.0 MW and returns"]


@pytest.mark.parametrize(("count", "found"), [(23, []), (24, [12])])
def test_what_is_usual_shows_from_a_day_of_hours_on(count: int, found: list[int]) -> None:
    assert jumps(calm(500.0, count)) == found


@pytest.mark.parametrize("place", [12, 13], ids=["before it", "after it"])
@pytest.mark.parametrize(("apart", "found"), [(1, [12]), (3, [12]), (4, [])])
def test_a_spike_has_neighbours_within_three_intervals(apart: int, found: list[int], place: int) -> None:
    times = [START + n * QUARTER for n in range(24)]
    times[place:] = [time + (apart - 1) * QUARTER for time in times[place:]]
    assert jumps(calm(500.0), times) == found
