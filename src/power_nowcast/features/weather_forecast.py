"""Forecasts of weather as known at the issue time: at the origin, how it missed there, and its change to each knot.

Of every time the vintage that was told last before it counts. Between the times of its grid a forecast is read like the
operator's, by a local cubic; it stands for instants, theirs for means.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.features.operator_forecast import read

KINDS = 2
"""Features of one variable that serve every horizon, side by side."""


def common_names(variables: tuple[str, ...]) -> list[str]:
    """Columns that serve every horizon."""
    return [f"{variable}_forecast{kind}" for variable in variables for kind in ("", "_error")]


def knot_names(variables: tuple[str, ...]) -> list[str]:
    """Columns of one knot."""
    return [f"{variable}_forecast_change" for variable in variables]


def observed(variables: tuple[str, ...], reports: tuple[str, ...]) -> NDArray[np.int64]:
    """Column of the report that each variable is a forecast of, by its name, shape (variable,); -1 if there is none."""
    return np.array([reports.index(name) if name in reports else -1 for name in variables], np.int64)


@njit(cache=True, nogil=True)
def fill(
    out: NDArray[np.float32],
    forecast: NDArray[np.float64],
    shift: int,
    forecast_step: int,
    weather: NDArray[np.float64],
    observed: NDArray[np.int64],
    origin: NDArray[np.int64],
    step: int,
    knots: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    """Write `common_names`, then `knot_names` of each knot, into `out` (issue, series, feature).

    `shift` is the minutes from the forecast's start to slot 0 of power; knots in slots. `observed` is a column of
    `weather` for each variable.
    """
    if forecast.shape[0] == 0:
        return
    variables = observed.shape[0]
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            i = origin[n, c]
            if i < 0:
                continue
            row = out[n, c]
            # `read` takes a value as the mean of the step before: an instant stands half a step later.
            at = 2 * (shift + i * step) - forecast_step
            for v in range(variables):
                here = read(forecast, at, forecast_step, v)
                row[2 * v] = here
                if observed[v] >= 0:
                    row[2 * v + 1] = here - weather[i, observed[v]]
                for k in range(knots.shape[0]):
                    then = read(forecast, at + 2 * knots[k] * step, forecast_step, v)
                    row[(2 + k) * variables + v] = then - here
