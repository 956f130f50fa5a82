"""The operator's own forecast as known at the issue time: its ramp, and how its error moves. Never its level, which
drifts.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.features.families.labels import Label
from power_nowcast.features.family import Family, Rows, Scope, View
from power_nowcast.features.local_time import LocalSlots
from power_nowcast.features.spec import ERROR_LAGS, TYPE_DAYS

MISSED_DAYS = 7
"""Number of past days, of any type, whose missed ramps are features; further back, only days of the same type are."""


class OperatorForecast(Family):
    """Ramps of the operator's forecast, and how it missed the ramps of past days."""

    name = "forecast"
    labels = {Label.OPERATOR: r"operator_.*"}
    in_mw = True

    def applies(self, scope: Scope) -> bool:
        return scope.spec.forecast and scope.has_forecast

    def common_names(self, scope: Scope) -> list[str]:  # noqa: ARG002
        return [f"operator_error_change_{lag}m" for lag in ERROR_LAGS]

    def knot_names(self, scope: Scope) -> list[str]:  # noqa: ARG002
        return ["operator_ramp", "operator_missed_day1", "operator_missed_week", "operator_missed_type"]

    def fill(self, out: NDArray[np.float32], view: View) -> None:
        state = view.state
        choice = _Choice(
            view.per_day, view.knots, view.slots(ERROR_LAGS), MISSED_DAYS, min(TYPE_DAYS, view.spec.reach_days)
        )
        _fill(out, view.rows, (state.power, state.smoothed, state.told), view.local, choice)


class _Choice(NamedTuple):
    """The days and spans that are read; spans in slots."""

    per_day: int
    knots: NDArray[np.int64]
    error_lags: NDArray[np.int64]
    missed_days: int
    reach: int


@njit(cache=True, nogil=True)
def _fill(
    out: NDArray[np.float32],
    rows: Rows,
    grids: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    local: LocalSlots,
    choice: _Choice,
) -> None:  # pragma: no cover - compiled
    """`grids` are power, power smoothed, and the forecast, all by the slots of power."""
    power, smoothed, forecast = grids
    slot, day = np.empty(choice.reach, np.int64), np.empty(choice.reach, np.int64)
    same = np.empty(choice.reach, np.bool_)
    for c in range(out.shape[1]):
        s = rows.columns[c]
        own, smooth, told = power[s], smoothed[s], forecast[s]
        for n in range(out.shape[0]):
            i = rows.origin[n, c]
            if i < 0:
                continue
            row, here = out[n, c], told[i]
            k = 0
            for lag in choice.error_lags:
                if i >= lag:
                    row[k] = (own[i] - here) - (own[i - lag] - told[i - lag])
                k += 1
            count = 0
            for d in range(1, choice.reach + 1):
                j = i - d * choice.per_day
                if j >= 0:
                    j += local.offset[i] - local.offset[j]
                if j >= 0 and smooth[j] == smooth[j]:
                    is_same = local.day_type[j] == local.day_type[i]
                    if d <= choice.missed_days or is_same:
                        slot[count], day[count], same[count] = j, d, is_same
                        count += 1
            for knot in choice.knots:
                row[k] = told[i + knot] - here
                week_total, week_count, type_total, type_count = 0.0, 0, 0.0, 0
                for m in range(count):
                    j = slot[m]
                    missed = smooth[j + knot] - smooth[j] - (told[j + knot] - told[j])
                    if missed != missed:
                        continue
                    if day[m] == 1:
                        row[k + 1] = missed
                    if day[m] <= choice.missed_days:
                        week_total += missed
                        week_count += 1
                    if same[m]:
                        type_total += missed
                        type_count += 1
                if week_count > 0:
                    row[k + 2] = week_total / week_count
                if type_count > 0:
                    row[k + 3] = type_total / type_count
                k += 4
