"""Past days at the same local time: the ramps that it took, and how today compares with those days.

A past day is whole: its ramps after the slot are known too, and its values are smoothed to both sides. Slots are those
of the same local time, so a clock change does not shift them.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.features.families.labels import Label
from power_nowcast.features.family import Family, Rows, Scope, View
from power_nowcast.features.local_time import LocalSlots
from power_nowcast.features.spec import SHAPE, TYPE_DAYS

OTHER_TYPE = 2.0
"""How much further away a day of another type (weekend, holiday) counts when analogs are chosen."""


class Days(Family):
    """Levels and ramps of past days: each by itself, the mean of the same type of day, and that of the most alike."""

    name = "days"
    labels = {
        Label.SAME_TIME: r"(day\d+|type|analog|type\d+_sharp)_ramp",
        Label.LEVEL: r"(level|excess_\d+m)_(day\d+|type)",
    }
    in_mw = True

    def common_names(self, scope: Scope) -> list[str]:
        return [
            "level_day1",
            "level_day7",
            "level_type",
            *(f"excess_{span}m_{day}" for span in scope.spec.excess for day in ("day1", "day7", "type")),
        ]

    def knot_names(self, scope: Scope) -> list[str]:
        return [
            *(f"day{day}_ramp" for day in scope.spec.days),
            "type_ramp",
            "analog_ramp",
            *(f"type{days}_sharp_ramp" for days in scope.spec.type_days),
        ]

    def fill(self, out: NDArray[np.float32], view: View) -> None:
        spec, state = view.spec, view.state
        choice = _Choice(
            view.per_day,
            view.slots(spec.excess),
            view.knots,
            np.array(spec.days, np.int64),
            np.array(spec.type_days, np.int64),
            np.unique(view.slots(SHAPE)),
            spec.analog_days,
            spec.analogs,
            spec.reach_days,
        )
        _fill(out, view.rows, state.power, state.smoothed, view.local, choice)


class _Choice(NamedTuple):
    """Which days and spans are read; spans in slots."""

    per_day: int
    spans: NDArray[np.int64]
    knots: NDArray[np.int64]
    days: NDArray[np.int64]
    type_days: NDArray[np.int64]
    shape: NDArray[np.int64]
    analog_days: int
    analogs: int
    reach: int


class _Past(NamedTuple):
    """Room for the past days of one row: the slot of each day before the origin at the same local time, -1 where it is
    not known, and whether the day is of the origin's type; and the slots and numbers of those of the same type alone.
    """

    slot: NDArray[np.int64]
    same: NDArray[np.bool_]
    alike: NDArray[np.int64]
    alike_day: NDArray[np.int64]
    distance: NDArray[np.float64]
    nearest: NDArray[np.int64]
    recent: NDArray[np.float64]


@njit(cache=True, nogil=True)
def _fill(
    out: NDArray[np.float32],
    rows: Rows,
    power: NDArray[np.float64],
    smoothed: NDArray[np.float64],
    local: LocalSlots,
    choice: _Choice,
) -> None:  # pragma: no cover - compiled
    reach = choice.reach
    past = _Past(
        np.empty(reach + 1, np.int64),
        np.empty(reach + 1, np.bool_),
        np.empty(reach + 1, np.int64),
        np.empty(reach + 1, np.int64),
        np.empty(reach + 1),
        np.empty(choice.analogs, np.int64),
        np.empty(choice.shape.shape[0]),
    )
    for c in range(out.shape[1]):
        own, smooth = power[rows.columns[c]], smoothed[rows.columns[c]]
        for n in range(out.shape[0]):
            i = rows.origin[n, c]
            if i < 0:
                continue
            count = 0
            for d in range(1, reach + 1):
                j = i - d * choice.per_day
                if j >= 0:
                    j += local.offset[i] - local.offset[j]
                past.slot[d] = j if j >= 0 and smooth[j] == smooth[j] else -1
                past.same[d] = past.slot[d] >= 0 and local.day_type[j] == local.day_type[i]
                if past.same[d]:
                    past.alike[count], past.alike_day[count] = j, d
                    count += 1
            at = _against(out[n, c], own, smooth, i, past, count, choice.spans)
            held = _analogs(own, smooth, i, past, choice)
            _ramps(out[n, c], at, own, smooth, past, (count, held), choice)


@njit(cache=True, nogil=True)
def _against(
    row: NDArray[np.float32],
    own: NDArray[np.float64],
    smooth: NDArray[np.float64],
    i: int,
    past: _Past,
    count: int,
    spans: NDArray[np.int64],
) -> int:  # pragma: no cover - compiled
    """How today stands against yesterday, a week ago and the mean day of its type: its level, and how it moved."""
    now, reach = own[i], past.slot.shape[0] - 1
    while count > 0 and past.alike_day[count - 1] > TYPE_DAYS:
        count -= 1
    for place, d in ((0, 1), (1, 7)):
        if d <= reach and past.slot[d] >= 0:
            row[place] = now - smooth[past.slot[d]]
    total = 0.0
    for m in range(count):
        total += now - smooth[past.alike[m]]
    if count > 0:
        row[2] = total / count
    at = 3
    for span in spans:
        recent = now - own[i - span] if i >= span else np.nan
        for place, d in ((0, 1), (1, 7)):
            j = past.slot[d] if d <= reach else -1
            if j >= span:
                row[at + place] = recent - (smooth[j] - smooth[j - span])
        total, known = 0.0, 0
        for m in range(count):
            j = past.alike[m]
            if j < span:
                continue
            # Of many days the mean needs no smoothing: what comes at the same minute stays sharp.
            excess = recent - (own[j] - own[j - span])
            if excess == excess:
                total += excess
                known += 1
        if known > 0:
            row[at + 2] = total / known
        at += 3
    return at


@njit(cache=True, nogil=True)
def _analogs(
    own: NDArray[np.float64], smooth: NDArray[np.float64], i: int, past: _Past, choice: _Choice
) -> int:  # pragma: no cover - compiled
    """Write the days whose last hours were shaped most like these into `past.nearest`, ascending; how many there are.

    Of days as near as each other the younger one comes first.
    """
    now, distance, nearest = own[i], past.distance, past.nearest
    for p in range(choice.shape.shape[0]):
        k = choice.shape[p]
        past.recent[p] = now - own[i - k] if i >= k else np.nan
    held = 0
    for d in range(1, choice.analog_days + 1):
        j = past.slot[d]
        if j < 0:
            continue
        total, count = 0.0, 0
        for p in range(choice.shape.shape[0]):
            k = choice.shape[p]
            if j >= k:
                gap = past.recent[p] - (smooth[j] - smooth[j - k])
                if gap == gap:
                    total += gap * gap
                    count += 1
        if count == 0:
            continue
        distance[d] = total / count
        if not past.same[d]:
            distance[d] *= OTHER_TYPE
        # The nearest so far stand in order of distance.
        if held == choice.analogs and distance[d] >= distance[nearest[held - 1]]:
            continue
        place = held if held < choice.analogs else held - 1
        while place > 0 and distance[nearest[place - 1]] > distance[d]:
            nearest[place] = nearest[place - 1]
            place -= 1
        nearest[place] = d
        held = min(held + 1, choice.analogs)
    # From now on in order of time: that of the sums.
    for m in range(1, held):
        d, place = nearest[m], m
        while place > 0 and nearest[place - 1] > d:
            nearest[place] = nearest[place - 1]
            place -= 1
        nearest[place] = d
    return held


@njit(cache=True, nogil=True)
def _ramps(
    row: NDArray[np.float32],
    at: int,
    own: NDArray[np.float64],
    smooth: NDArray[np.float64],
    past: _Past,
    counts: tuple[int, int],
    choice: _Choice,
) -> None:  # pragma: no cover - compiled
    """The ramps that past days took from the origin's time to each knot. `counts` are those of alike and of analog
    days.
    """
    count, held = counts
    for knot in choice.knots:
        for d in choice.days:
            j = past.slot[d]
            if j >= 0:
                row[at] = smooth[j + knot] - smooth[j]
            at += 1
        total, known = 0.0, 0
        for m in range(count):
            if past.alike_day[m] > TYPE_DAYS:
                break
            j = past.alike[m]
            value = smooth[j + knot] - smooth[j]
            if value == value:
                total += value
                known += 1
        if known > 0:
            row[at] = total / known
        total, known = 0.0, 0
        for m in range(held):
            j = past.slot[past.nearest[m]]
            value = smooth[j + knot] - smooth[j]
            if value == value:
                total += value
                known += 1
        if known > 0:
            row[at + 1] = total / known
        at += 2
        total, known, m = 0.0, 0, 0
        for t in range(choice.type_days.shape[0]):
            # A longer span goes on where the shorter one before it ends.
            if t > 0 and choice.type_days[t] < choice.type_days[t - 1]:
                total, known, m = 0.0, 0, 0
            while m < count and past.alike_day[m] <= choice.type_days[t]:
                j = past.alike[m]
                value = own[j + knot] - own[j]
                if value == value:
                    total += value
                    known += 1
                m += 1
            if known > 0:
                row[at + t] = total / known
        at += choice.type_days.shape[0]
