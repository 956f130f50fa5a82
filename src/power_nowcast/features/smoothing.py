"""Power smoothed over neighbouring slots: what a past day is compared by."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

TOGETHER = 64
"""Slots that are smoothed side by side: few enough for the nearest memory."""


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
    slots = power.shape[1]
    total, count = np.empty(TOGETHER), np.empty(TOGETHER)
    for n in range(spans.shape[0]):
        i, end = max(0, spans[n, 0]), min(spans[n, 1], slots)
        while i < end:
            if not missing[i]:
                i += 1
                continue
            first = i
            while i < min(end, first + TOGETHER) and missing[i]:
                missing[i] = False
                i += 1
            for s in columns:
                own, means = power[s], out[s]
                total[: i - first], count[: i - first] = 0.0, 0.0
                # Many slots side by side: long loops without a branch.
                for j in range(-radius, radius + 1):
                    low = max(first, -j)
                    for k in range(np.uint64(max(0, min(i, slots - j) - low))):
                        value = own[np.uint64(low + j) + k]
                        known = value == value
                        total[np.uint64(low - first) + k] += value if known else 0.0
                        count[np.uint64(low - first) + k] += 1.0 if known else 0.0
                for k in range(np.uint64(i - first)):
                    at = np.uint64(first) + k
                    means[at] = total[k] / count[k] if own[at] == own[at] else np.nan
