"""The operator's forecast between the means of its intervals."""

import numpy as np
import pytest
from scipy.interpolate import CubicHermiteSpline

from power_nowcast.features.interpolation import Scale, forget, read, spread


@pytest.mark.parametrize("step", [15, 60])
def test_a_straight_forecast_is_read_straight(step: int) -> None:
    line = 10.0 + 2.0 * np.arange(8)
    for at in range(2 * step, 5 * step, 5):  # minutes after the first interval's end
        value = read(line, 2 * at, step)
        assert value == pytest.approx(10 + 2 * (at + step / 2) / step, abs=1e-9)
    assert read(np.full(8, 7.0), 4 * step, step) == 7
    assert np.isnan(read(line, 100 * step, step))


@pytest.mark.parametrize("unknown", [(), (0,), (6,), (0, 6)])
def test_a_forecast_is_read_along_a_cubic_through_the_middles(unknown: tuple[int, ...]) -> None:
    forecast, step = np.random.default_rng(2).normal(100, 10, 7), 30
    forecast[list(unknown)] = np.nan
    known = np.flatnonzero(np.isfinite(forecast))
    slope = np.gradient(forecast[known])  # at the ends, that of the line to the neighbour
    curve = CubicHermiteSpline(known.astype(float), forecast[known], slope)
    for twice in range(-2 * step, 2 * step * 9, 7):
        place = (twice / 2 + step / 2) / step  # an interval's mean stands at its middle
        value = read(forecast, twice, step)
        if known[0] <= place < known[-1]:
            assert value == pytest.approx(float(curve(place)), abs=1e-9)
        else:
            assert np.isnan(value)


@pytest.mark.parametrize(
    ("step", "forecast_step", "twice_shift"), [(5, 60, -5), (30, 60, 90), (15, 15, 0), (60, 15, -60)]
)
def test_what_depends_on_a_change_is_read_again_and_nothing_else(
    step: int, forecast_step: int, twice_shift: int
) -> None:
    """After a change of the forecast the slots that were forgotten are those whose reading differs."""
    scale, slots = Scale(twice_shift, step, forecast_step), 24 * 60 // step
    forecast = np.random.default_rng(7).normal(size=(2, 24 * 60 // forecast_step + 4))
    columns, everywhere = np.array([1]), np.array([[-5, slots + 5]])

    def fresh(values: np.ndarray) -> np.ndarray:
        out = np.full((2, slots), np.nan)
        spread(out, np.ones(slots, np.bool_), values, scale, columns, everywhere)
        return out

    before = fresh(forecast)
    assert np.isnan(before[0]).all(), "columns that nobody reads are left alone"
    changed = forecast.copy()
    changed[:, [0, 9]] += 1.0
    missing = np.zeros(slots, np.bool_)
    forget(missing, np.array([0, 9]), scale)
    kept = before.copy()
    spread(kept, missing.copy(), changed, scale, columns, everywhere)
    np.testing.assert_array_equal(kept, fresh(changed))
    assert missing.sum() <= 2 * 4 * -(-forecast_step // step), "two changes, each read by four intervals"
