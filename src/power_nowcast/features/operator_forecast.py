"""The operator's own forecast as known at the issue time: its ramp, and how its error moves. Never its level, which
drifts.

Between the means of its intervals it is read by a local cubic (Catmull-Rom) through their middles, so that a value
depends
on four of them only.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

ERROR_LAGS = np.array([15, 30, 60, 120, 180])
"""Minutes over which the change of its error is taken."""
MISSED_DAYS = 7


def common_names() -> list[str]:
    """Columns that serve every horizon."""
    return [f"operator_error_change_{lag}m" for lag in ERROR_LAGS]


def knot_names() -> list[str]:
    """Columns of one knot."""
    return ["operator_ramp", "operator_missed_day1", "operator_missed_week", "operator_missed_type"]


@njit(cache=True, nogil=True)
def read(forecast: NDArray[np.float64], twice: int, step: int, s: int) -> float:  # pragma: no cover - compiled
    """The forecast of series column `s`, `twice` half minutes after the grid's first `valid_at`; NaN beyond its end."""
    # The mean of an interval stands at its middle. Whole numbers, so that the place in the grid cannot change the bits.
    halves = twice + step
    k = halves // (2 * step)
    w = (halves % (2 * step)) / (2.0 * step)
    if k < 0 or k + 1 >= forecast.shape[0]:
        return np.nan
    b, c = forecast[k, s], forecast[k + 1, s]
    a = forecast[k - 1, s] if k >= 1 else np.nan
    d = forecast[k + 2, s] if k + 2 < forecast.shape[0] else np.nan
    if a != a:
        a = 2 * b - c
    if d != d:
        d = 2 * c - b
    return float(b + 0.5 * w * (c - a + w * (2 * a - 5 * b + 4 * c - d + w * (3 * (b - c) + d - a))))


@njit(cache=True, nogil=True)
def fill(
    out: NDArray[np.float32],
    power: NDArray[np.float64],
    smoothed: NDArray[np.float64],
    forecast: NDArray[np.float64],
    twice_shift: int,
    forecast_step: int,
    origin: NDArray[np.int64],
    columns: NDArray[np.int64],
    offset: NDArray[np.int64],
    day_type: NDArray[np.int8],
    per_day: int,
    step: int,
    knots: NDArray[np.int64],
    error_lags: NDArray[np.int64],
    missed_days: int,
    reach: int,
) -> None:  # pragma: no cover - compiled
    """Write `common_names`, then `knot_names` of each knot. Spans in slots; `twice_shift` is twice the minutes from the
    forecast's start to the time that slot 0 of power stands for, the middle of its interval for means.
    """
    slot = np.empty(reach + 1, np.int64)
    told_then = np.empty(reach + 1)
    for n in range(out.shape[0]):
        for c in range(columns.shape[0]):
            i, s = origin[n, c], columns[c]
            row = out[n, c]
            if i < 0:
                continue
            here = read(forecast, twice_shift + 2 * i * step, forecast_step, s)
            k = 0
            for lag in error_lags:
                if i >= lag:
                    before = read(forecast, twice_shift + 2 * (i - lag) * step, forecast_step, s)
                    row[k] = (power[i, s] - here) - (power[i - lag, s] - before)
                k += 1
            for d in range(1, reach + 1):
                j = i - d * per_day
                if j >= 0:
                    j += offset[i] - offset[j]
                usable = (
                    j >= 0 and smoothed[j, s] == smoothed[j, s] and (d <= missed_days or day_type[j] == day_type[i])
                )
                slot[d] = j if usable else -1
                if usable:
                    told_then[d] = read(forecast, twice_shift + 2 * j * step, forecast_step, s)
            for knot in knots:
                row[k] = read(forecast, twice_shift + 2 * (i + knot) * step, forecast_step, s) - here
                week_total, week_count, type_total, type_count = 0.0, 0, 0.0, 0
                for d in range(1, reach + 1):
                    j = slot[d]
                    if j < 0:
                        continue
                    told = read(forecast, twice_shift + 2 * (j + knot) * step, forecast_step, s) - told_then[d]
                    missed = smoothed[j + knot, s] - smoothed[j, s] - told
                    if missed != missed:
                        continue
                    if d == 1:
                        row[k + 1] = missed
                    if d <= missed_days:
                        week_total += missed
                        week_count += 1
                    if day_type[j] == day_type[i]:
                        type_total += missed
                        type_count += 1
                if week_count > 0:
                    row[k + 2] = week_total / week_count
                if type_count > 0:
                    row[k + 3] = type_total / type_count
                k += 4
