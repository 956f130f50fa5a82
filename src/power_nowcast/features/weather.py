"""Weather as last reported: its values, their trends and the mean of a day. Never what was observed later."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

TRENDS = np.array([60, 180, 1440])
"""Minutes over which a trend is taken; the last one also spans the mean."""


KINDS = 2 + len(TRENDS)
"""Features of one variable, side by side."""


def names(variables: tuple[str, ...]) -> list[str]:
    """Columns in the order in which `fill` writes them."""
    kinds = ("now", *(f"trend_{minutes}m" for minutes in TRENDS), "mean_1440m")
    return [f"{variable}_{kind}" for variable in variables for kind in kinds]


@njit(cache=True, nogil=True)
def fill(
    out: NDArray[np.float32],
    weather: NDArray[np.float64],
    origin: NDArray[np.int64],
    trends: NDArray[np.int64],
    every: int,
) -> None:  # pragma: no cover - compiled
    """Write `names` into `out` (issue, series, feature); spans in slots; the mean reads a slot in `every`."""
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            i = origin[n, c]
            if i < 0:
                continue
            row = out[n, c]
            k = 0
            for v in range(weather.shape[1]):
                now = weather[i, v]
                row[k] = now
                for t in range(trends.shape[0]):
                    if i >= trends[t]:
                        row[k + 1 + t] = now - weather[i - trends[t], v]
                k += 1 + trends.shape[0]
                total, count = 0.0, 0
                for back in range(0, trends[-1], every):
                    if i >= back and weather[i - back, v] == weather[i - back, v]:
                        total += weather[i - back, v]
                        count += 1
                if count > 0:
                    row[k] = total / count
                k += 1
