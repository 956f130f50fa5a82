"""Recent ramps: how the series, and the others beside it, moved to the last known value."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.features.spec import FeatureSpec


def names(spec: FeatureSpec, series: tuple[str, ...]) -> list[str]:
    """Columns in the order in which `fill` writes them."""
    return [
        *(f"ramp_{lag}m" for lag in spec.lags),
        *(f"{kind}_{window}m" for window in spec.rolling for kind in ("mean", "spread")),
        *(f"ramp_{lag}m[{name}]" for name in (series if len(series) > 1 else ()) for lag in spec.neighbour_lags),
    ]


@njit(cache=True, nogil=True)
def fill(
    out: NDArray[np.float32],
    power: NDArray[np.float64],
    origin: NDArray[np.int64],
    columns: NDArray[np.int64],
    lags: NDArray[np.int64],
    windows: NDArray[np.int64],
    neighbour_lags: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    """Write `names` into `out` (issue, series, feature); spans in slots, `origin` (issue, series) as slot, -1 for none.

    Sums run over each window on its own, never on, so a row does not depend on the rows before it.
    """
    series = power.shape[1]
    for n in range(out.shape[0]):
        for c in range(columns.shape[0]):
            i, s = origin[n, c], columns[c]
            row = out[n, c]
            if i < 0:
                continue
            now = power[i, s]
            k = 0
            for lag in lags:
                if i >= lag:
                    row[k] = now - power[i - lag, s]
                k += 1
            for window in windows:
                count, total, square = 0, 0.0, 0.0
                for j in range(max(0, i - window + 1), i + 1):
                    gap = power[j, s] - now
                    if gap == gap:
                        count += 1
                        total += gap
                        square += gap * gap
                mean = total / count
                row[k] = mean
                row[k + 1] = np.sqrt(max(0.0, square / count - mean * mean))
                k += 2
            if series > 1:
                for other in range(series):
                    for lag in neighbour_lags:
                        if i >= lag:
                            row[k] = power[i, other] - power[i - lag, other]
                        k += 1
