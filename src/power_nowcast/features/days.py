"""The same time of day on days before: the ramps that it took, and how today compares with those days.

A past day is whole: its ramps after the slot are known too, and its values are smoothed to both sides. Slots are those
of the same local time, so a clock change does not shift them.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.features.spec import FeatureSpec

SHAPE = np.array([15, 30, 60, 90, 120, 180])
"""Ramps in minutes by which analog days are found."""
TOGETHER = 64
"""Slots that are smoothed side by side: few enough for the nearest memory."""
OTHER_TYPE = 2.0
"""How much further away a day of another type (weekend, holiday) counts when analogs are chosen."""


def common_names(spec: FeatureSpec) -> list[str]:
    """Columns that serve every horizon."""
    return [
        "level_day1",
        "level_day7",
        "level_type",
        *(f"excess_{span}m_{day}" for span in spec.excess for day in ("day1", "day7", "type")),
    ]


def knot_names(spec: FeatureSpec) -> list[str]:
    """Columns of one knot."""
    return [
        *(f"day{day}_ramp" for day in spec.days),
        "type_ramp",
        "analog_ramp",
        *(f"type{days}_sharp_ramp" for days in spec.type_days),
    ]


@njit(cache=True, nogil=True)
def smooth(
    out: NDArray[np.float64], power: NDArray[np.float64], first: int, last: int, radius: int
) -> None:  # pragma: no cover - compiled
    """Centred mean over `2 radius + 1` slots of what is known, for slots first..last-1; NaN where the slot is NaN."""
    slots, series = power.shape
    first, last = max(0, first), min(slots, last)
    values, means = power.reshape(-1), out.reshape(-1)
    # Many slots of all series at once, as they lie in memory: long loops without a branch.
    total, count = np.empty(TOGETHER * series), np.empty(TOGETHER * series)
    for begin in range(first, last, TOGETHER):
        end = min(begin + TOGETHER, last)
        total[:] = 0.0
        count[:] = 0.0
        for j in range(-radius, radius + 1):
            low = max(begin, -j)
            high = max(low, min(end, slots - j))
            shifted = values[(low + j) * series : (high + j) * series]
            sums, known = total[(low - begin) * series :], count[(low - begin) * series :]
            for k in range(shifted.shape[0]):
                is_known = shifted[k] == shifted[k]
                sums[k] += shifted[k] if is_known else 0.0
                known[k] += 1.0 if is_known else 0.0
        for k in range((end - begin) * series):
            at = begin * series + k
            means[at] = total[k] / count[k] if values[at] == values[at] else np.nan


@njit(cache=True, nogil=True)
def fill(
    out: NDArray[np.float32],
    power: NDArray[np.float64],
    smoothed: NDArray[np.float64],
    origin: NDArray[np.int64],
    columns: NDArray[np.int64],
    offset: NDArray[np.int64],
    day_type: NDArray[np.int8],
    per_day: int,
    spans: NDArray[np.int64],
    knots: NDArray[np.int64],
    days: NDArray[np.int64],
    type_days: NDArray[np.int64],
    shape: NDArray[np.int64],
    analog_days: int,
    analogs: int,
) -> None:  # pragma: no cover - compiled
    """Write `common_names`, then `knot_names` of each knot. Spans in slots; `offset` is local minus UTC time in
    slots.
    """
    reach = analog_days
    for d in days:
        reach = max(reach, d)
    for d in type_days:
        reach = max(reach, d)
    slot = np.empty(reach + 1, np.int64)
    same = np.empty(reach + 1, np.bool_)
    distance = np.empty(reach + 1)
    ramp = np.empty(reach + 1)
    chosen = np.empty(reach + 1, np.bool_)
    nearest = np.empty(analogs, np.int64)
    sharp = np.empty(type_days.shape[0])
    counts = np.empty(type_days.shape[0])
    for n in range(out.shape[0]):
        for c in range(columns.shape[0]):
            i, s = origin[n, c], columns[c]
            row = out[n, c]
            if i < 0:
                continue
            now = power[i, s]
            for d in range(1, reach + 1):
                j = i - d * per_day
                if j >= 0:
                    j += offset[i] - offset[j]
                slot[d] = j if j >= 0 and smoothed[j, s] == smoothed[j, s] else -1
                same[d] = slot[d] >= 0 and day_type[j] == day_type[i]

            # How today stands against yesterday, a week ago and the mean day of its type: its level, and how it moved.
            level_total, level_count = 0.0, 0
            for d in range(1, reach + 1):
                j = slot[d]
                if j < 0:
                    continue
                level = now - smoothed[j, s]
                if d == 1:
                    row[0] = level
                if d == 7:
                    row[1] = level
                if same[d] and d <= 28:
                    level_total += level
                    level_count += 1
            if level_count > 0:
                row[2] = level_total / level_count
            at = 3
            for span in spans:
                recent = now - power[i - span, s] if i >= span else np.nan
                total, count = 0.0, 0
                for d in range(1, 29):
                    j = slot[d] if d <= reach else -1
                    if j < span:
                        continue
                    if d == 1 or d == 7:
                        row[at + (0 if d == 1 else 1)] = recent - (smoothed[j, s] - smoothed[j - span, s])
                    if same[d]:
                        # Of many days the mean needs no smoothing: what comes at the same minute stays sharp.
                        excess = recent - (power[j, s] - power[j - span, s])
                        if excess == excess:
                            total += excess
                            count += 1
                if count > 0:
                    row[at + 2] = total / count
                at += 3

            # Analogs: the days whose last hours were shaped most like these.
            for d in range(1, analog_days + 1):
                j = slot[d]
                distance[d] = np.inf
                if j < 0:
                    continue
                total, count = 0.0, 0
                for k in shape:
                    if i >= k and j >= k:
                        gap = (now - power[i - k, s]) - (smoothed[j, s] - smoothed[j - k, s])
                        if gap == gap:
                            total += gap * gap
                            count += 1
                if count > 0:
                    distance[d] = total / count
                    if not same[d]:
                        distance[d] *= OTHER_TYPE
            # The nearest so far stand in order of distance, of equal ones the younger day first.
            held = 0
            for d in range(1, analog_days + 1):
                chosen[d] = False
                if distance[d] == np.inf or (held == analogs and distance[d] >= distance[nearest[held - 1]]):
                    continue
                place = held if held < analogs else held - 1
                while place > 0 and distance[nearest[place - 1]] > distance[d]:
                    nearest[place] = nearest[place - 1]
                    place -= 1
                nearest[place] = d
                held = min(held + 1, analogs)
            for place in range(held):
                chosen[nearest[place]] = True

            for knot in knots:
                sharp[:] = 0.0
                counts[:] = 0.0
                type_total, type_count, analog_total, analog_count = 0.0, 0, 0.0, 0
                for d in range(1, reach + 1):
                    j = slot[d]
                    ramp[d] = np.nan
                    if j < 0:
                        continue
                    value = smoothed[j + knot, s] - smoothed[j, s]
                    ramp[d] = value
                    if value == value:
                        if same[d] and d <= 28:
                            type_total += value
                            type_count += 1
                        if d <= analog_days and chosen[d]:
                            analog_total += value
                            analog_count += 1
                    if same[d]:
                        value = power[j + knot, s] - power[j, s]
                        if value == value:
                            for t in range(type_days.shape[0]):
                                if d <= type_days[t]:
                                    sharp[t] += value
                                    counts[t] += 1
                for d in days:
                    row[at] = ramp[d]
                    at += 1
                if type_count > 0:
                    row[at] = type_total / type_count
                if analog_count > 0:
                    row[at + 1] = analog_total / analog_count
                at += 2
                for t in range(type_days.shape[0]):
                    if counts[t] > 0:
                        row[at + t] = sharp[t] / counts[t]
                at += type_days.shape[0]
