"""The last reported weather: values, trends and the mean of a day. Later observations are never read."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.features import stations
from power_nowcast.features.families.labels import Label
from power_nowcast.features.family import Family, Rows, Scope, View

TRENDS = (60, 180, 1440)
"""Minutes over which a trend is taken; the last one also spans the mean."""
KINDS = 2 + len(TRENDS)
"""Features of one variable, side by side."""


class Weather(Family):
    """Every variable of the reports: each station's or, where the region weights them, the stations' mean."""

    name = "weather"
    labels = {Label.WEATHER: r".*_(now|trend_\d+m|mean_\d+m)"}

    def applies(self, scope: Scope) -> bool:
        return scope.spec.weather and bool(scope.weather)

    def common_names(self, scope: Scope) -> list[str]:
        kinds = ("now", *(f"trend_{minutes}m" for minutes in TRENDS), "mean_1440m")
        return [f"{variable}_{kind}" for variable in stations.groups(scope.region, scope.weather) for kind in kinds]

    def fill(self, out: NDArray[np.float32], view: View) -> None:
        trends, variables = view.slots(TRENDS), view.panel.weather.names

        def each(out: NDArray[np.float32]) -> None:
            _fill(out, view.rows, view.state.weather, trends, view.hour)

        stations.fill(out, view.region, view.panel.series, view.rows.columns, variables, (KINDS,), each)


@njit(cache=True, nogil=True)
def _fill(
    out: NDArray[np.float32],
    rows: Rows,
    weather: NDArray[np.float64],
    trends: NDArray[np.int64],
    every: int,
) -> None:  # pragma: no cover - compiled
    """Spans in slots; the mean reads a slot in `every`."""
    for n in range(out.shape[0]):
        last = -1
        for c in range(out.shape[1]):
            i = rows.origin[n, c]
            if i < 0:
                continue
            row = out[n, c]
            if last >= 0 and rows.origin[n, last] == i:
                row[:] = out[n, last]  # series share the weather
                continue
            last = c
            k = 0
            for v in range(weather.shape[0]):
                now = weather[v, i]
                row[k] = now
                for t in range(trends.shape[0]):
                    if i >= trends[t]:
                        row[k + 1 + t] = now - weather[v, i - trends[t]]
                k += 1 + trends.shape[0]
                total, count = 0.0, 0
                for back in range(0, trends[-1], every):
                    if i >= back and weather[v, i - back] == weather[v, i - back]:
                        total += weather[v, i - back]
                        count += 1
                if count > 0:
                    row[k] = total / count
                k += 1
