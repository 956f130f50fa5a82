"""Recent ramps: how the series, and the others beside it, moved to the last known value."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.features.families.labels import Label
from power_nowcast.features.family import Family, Rows, Scope, View


class Lags(Family):
    """Ramps, means and spreads of the last hours, and ramps of the other series."""

    name = "lags"
    labels = {Label.RECENT: r"(ramp|mean|spread)_\d+m", Label.OTHERS: r".*\]"}
    in_mw = True

    def common_names(self, scope: Scope) -> list[str]:
        spec, series = scope.spec, scope.series
        return [
            *(f"ramp_{lag}m" for lag in spec.lags),
            *(f"{kind}_{window}m" for window in spec.rolling for kind in ("mean", "spread")),
            *(f"ramp_{lag}m[{name}]" for name in (series if len(series) > 1 else ()) for lag in spec.neighbour_lags),
        ]

    def fill(self, out: NDArray[np.float32], view: View) -> None:
        spec = view.spec
        spans = _Spans(view.slots(spec.lags), view.slots(spec.rolling), view.slots(spec.neighbour_lags))
        _fill(out, view.rows, view.state.power, spans)


class _Spans(NamedTuple):
    """All in slots."""

    lags: NDArray[np.int64]
    windows: NDArray[np.int64]
    neighbour_lags: NDArray[np.int64]


@njit(cache=True, nogil=True)
def _fill(
    out: NDArray[np.float32], rows: Rows, power: NDArray[np.float64], spans: _Spans
) -> None:  # pragma: no cover - compiled
    """Sums run over each window on its own, never on, so a row does not depend on the rows before it."""
    series = power.shape[0]
    for c in range(out.shape[1]):
        own = power[rows.columns[c]]
        for n in range(out.shape[0]):
            i = rows.origin[n, c]
            if i < 0:
                continue
            row, now = out[n, c], own[i]
            k = 0
            for lag in spans.lags:
                if i >= lag:
                    row[k] = now - own[i - lag]
                k += 1
            for window in spans.windows:
                count, total, square = 0, 0.0, 0.0
                for j in range(max(0, i - window + 1), i + 1):
                    gap = own[j] - now
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
                    for lag in spans.neighbour_lags:
                        if i >= lag:
                            row[k] = power[other, i] - power[other, i - lag]
                        k += 1
