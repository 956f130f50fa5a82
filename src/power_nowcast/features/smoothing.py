"""Power smoothed over neighbouring slots: what a past day is compared by."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def smooth(
    out: NDArray[np.float64],
    missing: NDArray[np.bool_],
    power: NDArray[np.float64],
    radius: int,
    columns: NDArray[np.int64],
    spans: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    """Centred mean over `2 radius + 1` slots of what is known of `power` (series, slot), at the slots within `spans`
    (n, 2) that are `missing`. NaN where the slot itself is NaN.

    A mean depends on its own slots only, whichever others are worked out.
    """
    for n in range(spans.shape[0]):
        i, end = max(0, spans[n, 0]), min(spans[n, 1], power.shape[1])
        while i < end:
            if not missing[i]:
                i += 1
                continue
            first = i
            while i < end and missing[i]:
                missing[i] = False
                i += 1
            for s in columns:
                own, means = power[s], out[s]
                for j in range(first, i):
                    total, count = 0.0, 0.0
                    for k in range(max(0, j - radius), min(j + radius + 1, power.shape[1])):
                        value = own[k]
                        is_known = value == value
                        total += value if is_known else 0.0
                        count += 1.0 if is_known else 0.0
                    means[j] = total / count if own[j] == own[j] else np.nan
