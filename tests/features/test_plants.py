"""Wind and solar power as a region has it: kinds, limits, nights and the scale."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.features import plants
from tests.features.families.test_generation import plants as made
from tests.features.history import region


@given(power=st.lists(st.floats(0, 900) | st.just(float("nan")), min_size=1, max_size=40), span=st.integers(1, 20))
def test_the_scale_is_the_largest_recent_output(power: list[float], span: int) -> None:
    grid = np.array(power)[None]
    origin = np.arange(len(power))[:, None]
    found = plants.peaks(grid, origin, np.array([0]), np.array([1], np.int8), np.array([10.0]), span)
    for i in range(len(power)):
        known = [value for value in power[max(0, i - span + 1) : i + 1] if value == value]
        assert found[i, 0] == max([10.0, *known])


def test_kinds_bounds_and_totals() -> None:
    series = ("ALL", "A", "B")
    assert plants.kinds(made(), series).tolist() == [0, 2, 1]
    assert plants.kinds(made("wind", "wind"), series).tolist() == [1, 1, 1]
    assert not plants.is_generation(region())
    least, most = plants.bounds(made(), series)
    assert least.tolist() == [0, 0, 0]
    assert most.tolist() == [10_000, 5000, 5000]
    idle = made("wind", "wind").model_copy(
        update={"power": made().power.model_copy(update={"options": {"allow_negative": True}})}
    )
    assert (plants.bounds(idle, series)[0] == -np.inf).all()


def test_nights_are_dark_for_the_sun_alone() -> None:
    noon, midnight = np.datetime64("2024-03-05T17:00", "m"), np.datetime64("2024-03-05T05:00", "m")
    times = np.array([[[noon, midnight, np.datetime64("NaT", "m")]] * 2])
    assert plants.dark(made(), ("A", "B"), times).tolist() == [[[False, True, False], [False] * 3]]
