"""Forecasts of weather as known at the issue time: at the origin, how it missed there, and its change to each knot.

Of every time the vintage that was told last before it counts. Between the times of its grid a forecast is read like the
operator's, by a local cubic; it stands for instants, theirs for means.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.contracts import Part
from power_nowcast.features import stations
from power_nowcast.features.families.labels import Label
from power_nowcast.features.family import Family, Rows, Scope, View
from power_nowcast.features.interpolation import Scale, read

KINDS = 2
"""Features of one variable that serve every horizon, side by side."""


class WeatherForecast(Family):
    """Every variable that is forecast: each station's or, where the region weights them, the stations' mean."""

    name = "weather_forecast"
    labels = {Label.WEATHER_FORECAST: r".*_forecast(_error|_change)?"}

    def applies(self, scope: Scope) -> bool:
        return scope.spec.weather_forecast and bool(scope.weather_forecast)

    def common_names(self, scope: Scope) -> list[str]:
        about = stations.groups(scope.region, scope.weather_forecast)
        return [f"{variable}_forecast{kind}" for variable in about for kind in ("", "_error")]

    def knot_names(self, scope: Scope) -> list[str]:
        return [f"{variable}_forecast_change" for variable in stations.groups(scope.region, scope.weather_forecast)]

    def fill(self, out: NDArray[np.float32], view: View) -> None:
        panel, forecast = view.panel, view.state.columns(Part.WEATHER_FORECAST)
        grid = panel.weather_forecast
        shift = int((panel.start - grid.start).astype("timedelta64[m]").astype(np.int64))
        # `read` takes a value as the mean of the step before: an instant stands half a step later.
        scale = Scale(2 * shift - grid.step_minutes, view.step, grid.step_minutes)
        reports = observed(grid.names, panel.weather.names)

        def each(out: NDArray[np.float32]) -> None:
            _fill(out, view.rows, forecast, (view.state.weather, reports), scale, view.knots)

        kinds = (KINDS, *(1 for _ in view.knots))
        stations.fill(out, view.region, panel.series, view.rows.columns, grid.names, kinds, each)


def observed(variables: tuple[str, ...], reports: tuple[str, ...]) -> NDArray[np.int64]:
    """Column of the report that each variable is a forecast of, by its name, shape (variable,); -1 if there is none."""
    return np.array([reports.index(name) if name in reports else -1 for name in variables], np.int64)


@njit(cache=True, nogil=True)
def _fill(
    out: NDArray[np.float32],
    rows: Rows,
    forecast: NDArray[np.float64],
    reports: tuple[NDArray[np.float64], NDArray[np.int64]],
    scale: Scale,
    knots: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    """`reports` are the observed weather, by the slots of power, and its column for each variable; knots in slots."""
    if forecast.shape[1] == 0:
        return
    weather, column = reports
    variables = column.shape[0]
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            i = rows.origin[n, c]
            if i < 0:
                continue
            row = out[n, c]
            at = scale.twice_shift + 2 * i * scale.step
            for v in range(variables):
                here = read(forecast[v], at, scale.forecast_step)
                row[2 * v] = here
                if column[v] >= 0:
                    row[2 * v + 1] = here - weather[column[v], i]
                for k in range(knots.shape[0]):
                    then = read(forecast[v], at + 2 * knots[k] * scale.step, scale.forecast_step)
                    row[(2 + k) * variables + v] = then - here
