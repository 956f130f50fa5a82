"""zones: a load is near zero by mistake only where few values lie between zero and its level."""

import numpy as np
import pytest

from power_nowcast.checks.zones import ZoneRows, by_zone

from .made_up import region, rows

LEVEL = 1000.0


def near_zero(values: list[float], level: float | None = LEVEL) -> list[int]:
    at = np.datetime64("2024-05-01T00:00", "us") + np.arange(len(values)) * np.timedelta64(15, "m")
    one = ZoneRows(region().zones[0], np.arange(len(values), dtype=np.uint32), at, np.array(values), level, None)
    return np.flatnonzero(one.near_zero).tolist()


def test_near_zero_is_up_to_a_hundredth_of_the_level() -> None:
    assert near_zero([900.0, 10.0, -10.0, 0.0, 10.1, -10.1]) == [1, 2, 3]
    assert near_zero([0.0, 5.0], None) == []


@pytest.mark.parametrize(
    ("near", "between", "believed"),
    [(1, 2, False), (1, 3, True), (4, 2, False), (4, 3, True), (12, 5, False), (12, 6, True)],
)
def test_a_load_that_passes_through_a_tenth_of_its_level_truly_falls(near: int, between: int, believed: bool) -> None:
    for value in (10.1, 99.9, -99.9):
        values = [900.0] * 20 + [value] * between + [1.0] * near
        assert near_zero(values) == ([] if believed else list(range(20 + between, len(values))))
    assert near_zero([900.0] * 20 + [100.0] * between + [1.0] * near) != []


def test_a_level_of_its_own_is_believed_from_a_three_hundredth_of_the_maximum_on() -> None:
    for value, level in ((10.0, 10.0), (9.99, None)):
        (one,) = by_zone(rows(A=[value] * 5).with_row_index("row"), region(max_mw=3000.0), None)
        assert one.level == level
    (one,) = by_zone(rows(A=[3000.0] * 5 + [3001.0] * 6).with_row_index("row"), region(max_mw=3000.0), None)
    assert one.level == 3000.0, "values beyond the maximum say nothing about it"
