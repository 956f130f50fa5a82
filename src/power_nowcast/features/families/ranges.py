"""Ranges of past hours: the distances of the last value to their minimum, maximum and mean, and their spread.

They show how far a series may move, rather than where it goes next: a load that is switched on and off falls back.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.features.families.labels import Label
from power_nowcast.features.family import Family, Rows, Scope, View


class Ranges(Family):
    """Ranges of past hours; the family of lags already has the means and spreads of `spec.rolling`."""

    name = "ranges"
    labels = {Label.RANGE: r"range_.*"}
    in_mw = True

    def common_names(self, scope: Scope) -> list[str]:
        spec = scope.spec
        return [
            f"range_{kind}_{span}m"
            for span in spec.ranges
            for kind in ("lowest", "highest", *(() if span in spec.rolling else ("mean", "spread")))
        ]

    def fill(self, out: NDArray[np.float32], view: View) -> None:
        told = np.array([span in view.spec.rolling for span in view.spec.ranges], np.bool_)
        _fill(out, view.rows, view.state.power, view.slots(view.spec.ranges), told)


@njit(cache=True, nogil=True)
def _fill(
    out: NDArray[np.float32],
    rows: Rows,
    power: NDArray[np.float64],
    spans: NDArray[np.int64],
    told: NDArray[np.bool_],
) -> None:  # pragma: no cover - compiled
    """`spans` ascend, in slots, `told` says of which mean and spread are known already.

    One walk back from each origin serves all spans: sums never run on from one row to the next.
    """
    for c in range(out.shape[1]):
        own = power[rows.columns[c]]
        for n in range(out.shape[0]):
            i = rows.origin[n, c]
            if i < 0:
                continue
            row, now = out[n, c], own[i]
            lowest, highest, count, total, square = 0.0, 0.0, 0, 0.0, 0.0
            done, k = 0, 0
            for p in range(spans.shape[0]):
                for j in range(i - done, max(-1, i - spans[p]), -1):
                    gap = own[j] - now
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
