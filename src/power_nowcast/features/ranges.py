"""How far the last value lies from the least and the most of past hours, from their mean, and how much they vary.

They say little of where a series goes next and much of how far it may: a load that others switch on and off falls back.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.features.spec import FeatureSpec


def names(spec: FeatureSpec) -> list[str]:
    """Columns in the order in which `fill` writes them; means and spreads of `spec.rolling` are told already."""
    return [
        f"range_{kind}_{span}m"
        for span in spec.ranges
        for kind in ("lowest", "highest", *(() if span in spec.rolling else ("mean", "spread")))
    ]


@njit(cache=True, nogil=True)
def fill(
    out: NDArray[np.float32],
    power: NDArray[np.float64],
    origin: NDArray[np.int64],
    columns: NDArray[np.int64],
    spans: NDArray[np.int64],
    told: NDArray[np.bool_],
) -> None:  # pragma: no cover - compiled
    """Write `names` into `out` (issue, series, feature); `spans` ascend, in slots, `told` says of which mean and
    spread are known already; `origin` (issue, series) is a slot or -1.

    One walk back from each origin serves all spans: sums never run on from one row to the next.
    """
    for n in range(out.shape[0]):
        for c in range(columns.shape[0]):
            i, s = origin[n, c], columns[c]
            if i < 0:
                continue
            row, now = out[n, c], power[i, s]
            lowest, highest, count, total, square = 0.0, 0.0, 0, 0.0, 0.0
            done, k = 0, 0
            for p in range(spans.shape[0]):
                for j in range(i - done, max(-1, i - spans[p]), -1):
                    gap = power[j, s] - now
                    if gap == gap:
                        lowest, highest = min(lowest, gap), max(highest, gap)
                        count += 1
                        total += gap
                        square += gap * gap
                done = spans[p]
                row[k], row[k + 1] = lowest, highest
                k += 2
                if not told[p]:
                    mean = total / count
                    row[k], row[k + 1] = mean, np.sqrt(max(0.0, square / count - mean * mean))
                    k += 2
