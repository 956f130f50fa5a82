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


def jumps(values: list[float], times: list[datetime] | None = None) -> list[int]:
    """Places of the spikes."""
    at = times or [START + n * QUARTER for n in range(len(values))]
    rows = pl.DataFrame({"series": "A", "at": at, "value": values, "high": MAX_MW}).with_row_index("row")
    found = spikes(rows)
    assert found["reason"].unique().to_list() in ([], ["spike"])
    return found["row"].to_list()


@pytest.mark.parametrize(("jump", "found"), [(LEAST - 0.1, []), (LEAST + 0.1, [12]), (-LEAST - 0.1, [12])])
def test_a_spike_is_more_than_fifty_usual_deviations(jump: float, found: list[int]) -> None:
    assert jumps(calm(jump)) == found


@pytest.mark.parametrize(("count", "found"), [(23, []), (24, [12])])
def test_what_is_usual_shows_from_a_day_of_hours_on(count: int, found: list[int]) -> None:
    assert jumps(calm(500.0, count)) == found


@pytest.mark.parametrize("place", [12, 13], ids=["before it", "after it"])
@pytest.mark.parametrize(("apart", "found"), [(1, [12]), (3, [12]), (4, [])])
def test_a_spike_has_neighbours_within_three_intervals(apart: int, found: list[int], place: int) -> None:
    times = [START + n * QUARTER for n in range(24)]
    times[place:] = [time + (apart - 1) * QUARTER for time in times[place:]]
    assert jumps(calm(500.0), times) == found
