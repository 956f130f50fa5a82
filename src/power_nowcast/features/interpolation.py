"""A forecast read between the means of its intervals: a local cubic (Catmull-Rom) through their middles.

A value depends on four intervals only.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Scale(NamedTuple):
    """The position of slots of power on a forecast's grid: slot `i` is `twice_shift + 2 * i * step` half minutes
    after the first time of the forecast, whose intervals last `forecast_step` minutes.
    """

    twice_shift: int
    step: int
    forecast_step: int


@njit(cache=True, nogil=True)
def read(forecast: NDArray[np.float64], twice: int, step: int) -> float:  # pragma: no cover - compiled
    """A forecast (slot,) `twice` half minutes after its first `valid_at`; NaN beyond its end."""
    # The mean of an interval stands at its middle. Whole numbers, so that the place in the grid cannot change the bits.
    halves = twice + step
    k = halves // (2 * step)
    w = (halves % (2 * step)) / (2.0 * step)
    if k < 0 or k + 1 >= forecast.shape[0]:
        return np.nan
    b, c = forecast[k], forecast[k + 1]
    a = forecast[k - 1] if k >= 1 else np.nan
    d = forecast[k + 2] if k + 2 < forecast.shape[0] else np.nan
    if a != a:
        a = 2 * b - c
    if d != d:
        d = 2 * c - b
    return float(b + 0.5 * w * (c - a + w * (2 * a - 5 * b + 4 * c - d + w * (3 * (b - c) + d - a))))


@njit(cache=True, nogil=True)
def spread(
    out: NDArray[np.float64],
    missing: NDArray[np.bool_],
    forecast: NDArray[np.float64],
    scale: Scale,
    columns: NDArray[np.int64],
    spans: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    """Read the forecast at those slots of power within `spans` (n, 2) that are `missing`, into `out` (series, slot)."""
    for n in range(spans.shape[0]):
        for i in range(max(0, spans[n, 0]), min(spans[n, 1], out.shape[1])):
            if missing[i]:
                missing[i] = False
                for s in columns:
                    out[s, i] = read(forecast[s], scale.twice_shift + 2 * i * scale.step, scale.forecast_step)


@njit(cache=True, nogil=True)
def forget(missing: NDArray[np.bool_], changed: NDArray[np.int64], scale: Scale) -> None:  # pragma: no cover - compiled
    """Mark the slots of power whose reading depends on the `changed` slots of the forecast."""
    wide, double = 2 * scale.forecast_step, 2 * scale.step
    for k in changed:
        first = wide * (k - 2) - scale.forecast_step - scale.twice_shift
        last = wide * (k + 2) - 1 - scale.forecast_step - scale.twice_shift
        for i in range(max(0, -(-first // double)), min(last // double + 1, missing.shape[0])):
            missing[i] = True
