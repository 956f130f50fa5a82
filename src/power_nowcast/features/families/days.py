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
"""Factor on the distance of a day of another type (weekend, holiday) when analogs are chosen."""
TOGETHER = 32
"""Maximum rows that are filled together, so that they fit into the fastest cache of the processor."""


class Days(Family):
    """Levels and ramps of past days: of each day, the mean of the same type of day, and the mean of analog days."""

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
    """The days and spans that are read; spans in slots."""

    per_day: int
    spans: NDArray[np.int64]
    knots: NDArray[np.int64]
    days: NDArray[np.int64]
    type_days: NDArray[np.int64]
    shape: NDArray[np.int64]
    analog_days: int
    analogs: int
    reach: int


class _Run(NamedTuple):
    """Rows of one series whose origins follow each other within a local day, and the room that they need.

    `own` and `smooth` are the series' power and smoothed power (slot,). Of each day before (day,) `slot` is that of the
    first row's local time, -1 where the history does not reach, and `same` says whether the day is of their type.
    `recent` and the sums have the shape (row,), `distance` and `chosen` (day, row): how far the day is from today, and
    whether it is one of the nearest.
    """

    own: NDArray[np.float64]
    smooth: NDArray[np.float64]
    slot: NDArray[np.int64]
    same: NDArray[np.bool_]
    recent: NDArray[np.float64]
    total: NDArray[np.float64]
    number: NDArray[np.float64]
    distance: NDArray[np.float64]
    chosen: NDArray[np.float64]


@njit(cache=True, nogil=True)
def _fill(
    out: NDArray[np.float32],
    rows: Rows,
    power: NDArray[np.float64],
    smoothed: NDArray[np.float64],
    local: LocalSlots,
    choice: _Choice,
) -> None:  # pragma: no cover - compiled
    """Rows of a run are filled side by side, in the processor's wide registers; each sum keeps its order."""
    days = choice.reach + 1
    slot, same, recent = np.empty(days, np.int64), np.empty(days, np.bool_), np.empty(TOGETHER)
    total, number = np.empty((3, TOGETHER)), np.empty((3, TOGETHER))
    distance, chosen = np.empty((days, TOGETHER)), np.empty((days, TOGETHER))
    for c in range(out.shape[1]):
        own, smooth = power[rows.columns[c]], smoothed[rows.columns[c]]
        run = _Run(own, smooth, slot, same, recent, total, number, distance, chosen)
        n = 0
        while n < out.shape[0]:
            if rows.origin[n, c] < 0:
                n += 1
                continue
            count = _find(run, rows.origin[n:, c], local, choice)
            block, i = out[n : n + count, c], rows.origin[n, c]
            _levels(block, run, i)
            _excesses(block, run, i, choice.spans)
            _analogs(run, i, count, choice)
            _ramps(block, run, choice)
            n += count


@njit(cache=True, nogil=True)
def _find(
    run: _Run, origin: NDArray[np.int64], local: LocalSlots, choice: _Choice
) -> int:  # pragma: no cover - compiled
    """Find the slots of the past days of a run from the first origin on; how many rows it has."""
    first, per_day, offset = origin[0], choice.per_day, local.offset
    furthest = max(choice.spans.max(), choice.shape.max()) + per_day
    count = 1
    # Where the history begins rows differ in what they know.
    if first - choice.reach * per_day >= furthest:
        while (
            count < min(TOGETHER, origin.shape[0])
            and origin[count] == first + count
            and local.minute[first + count] > local.minute[first]
            and offset[first + count] == offset[first]
        ):
            count += 1
    last = first + count - 1
    for d in range(1, choice.reach + 1):
        j = first - d * per_day
        if count > 1 and offset[j] != offset[last - d * per_day]:
            return _find(run, origin[:1], local, choice)
        if j >= 0:
            j += offset[first] - offset[j]
        run.slot[d] = j if j >= 0 else -1
        run.same[d] = j >= 0 and local.day_type[j] == local.day_type[first]
    return count


@njit(cache=True, nogil=True)
def _add(
    total: NDArray[np.float64],
    number: NDArray[np.float64],
    values: NDArray[np.float64],
    end: int,
    begin: int,
    count: int,
) -> None:  # pragma: no cover - compiled
    """Add what `values` moved from slot `begin` to slot `end`, and so on row by row, to the sums, where it is known."""
    for r in range(np.uint64(count)):
        value = values[np.uint64(end) + r] - values[np.uint64(begin) + r]
        known = value == value
        total[r] += value if known else 0.0
        number[r] += 1.0 if known else 0.0


@njit(cache=True, nogil=True)
def _tell(
    block: NDArray[np.float32], k: int, total: NDArray[np.float64], number: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    """Write the mean of each row into its column `k`."""
    for r in range(block.shape[0]):
        if number[r] > 0.0:
            block[r, k] = total[r] / number[r]


@njit(cache=True, nogil=True)
def _levels(block: NDArray[np.float32], run: _Run, i: int) -> None:  # pragma: no cover - compiled
    """The level of today less that of yesterday, of a week ago and of the mean day of its type."""
    total, number = run.total[0, : block.shape[0]], run.number[0, : block.shape[0]]
    total[:], number[:] = 0.0, 0.0
    for d in range(1, run.slot.shape[0]):
        j, is_counted = run.slot[d], run.same[d] and d <= TYPE_DAYS
        if j < 0 or not (is_counted or d == 1 or d == 7):
            continue
        for r in range(np.uint64(block.shape[0])):
            level = run.own[np.uint64(i) + r] - run.smooth[np.uint64(j) + r]
            known = is_counted and level == level
            total[r] += level if known else 0.0
            number[r] += 1.0 if known else 0.0
            if d == 1 or d == 7:
                block[r, 0 if d == 1 else 1] = level
    _tell(block, 2, total, number)


@njit(cache=True, nogil=True)
def _excesses(
    block: NDArray[np.float32], run: _Run, i: int, spans: NDArray[np.int64]
) -> None:  # pragma: no cover - compiled
    """The ramp of today over each span less that of yesterday, of a week ago and of the mean day of its type."""
    own, smooth, recent, rows = run.own, run.smooth, run.recent, np.uint64(block.shape[0])
    total, number = run.total[0, : block.shape[0]], run.number[0, : block.shape[0]]
    for p in range(spans.shape[0]):
        span = spans[p]
        if i < span:
            continue
        total[:], number[:] = 0.0, 0.0
        for r in range(rows):
            recent[r] = own[np.uint64(i) + r] - own[np.uint64(i - span) + r]
        for d in range(1, min(TYPE_DAYS + 1, run.slot.shape[0])):
            end, begin = np.uint64(run.slot[d]), np.uint64(run.slot[d] - span)
            if run.slot[d] < span:
                continue
            if d == 1 or d == 7:
                for r in range(rows):
                    block[r, 3 + 3 * p + (0 if d == 1 else 1)] = recent[r] - (smooth[end + r] - smooth[begin + r])
            if run.same[d]:
                # Of many days the mean needs no smoothing: what comes at the same minute stays sharp.
                for r in range(rows):
                    excess = recent[r] - (own[end + r] - own[begin + r])
                    known = excess == excess
                    total[r] += excess if known else 0.0
                    number[r] += 1.0 if known else 0.0
        _tell(block, 5 + 3 * p, total, number)


@njit(cache=True, nogil=True)
def _analogs(run: _Run, i: int, count: int, choice: _Choice) -> None:  # pragma: no cover - compiled
    """Mark in `chosen` the days whose last hours were shaped most like today's."""
    own, smooth, recent, distance = run.own, run.smooth, run.recent, run.distance
    number, chosen = run.number[0], run.chosen
    rows, days = np.uint64(count), choice.analog_days
    for d in range(1, days + 1):
        mine = distance[d]
        mine[:count], number[:count], chosen[d, :count] = 0.0, 0.0, 0.0
        for k in choice.shape:
            if i < k or run.slot[d] < k:
                continue
            now, then = np.uint64(i), np.uint64(i - k)
            end, begin = np.uint64(run.slot[d]), np.uint64(run.slot[d] - k)
            for r in range(rows):
                gap = (own[now + r] - own[then + r]) - (smooth[end + r] - smooth[begin + r])
                known = gap == gap
                mine[r] += gap * gap if known else 0.0
                number[r] += 1.0 if known else 0.0
        further = 1.0 if run.same[d] else OTHER_TYPE
        for r in range(rows):
            mine[r] = mine[r] / number[r] * further if number[r] > 0.0 else np.inf
    nearest, day = recent, number
    for _ in range(choice.analogs):
        nearest[:count], day[:count] = np.inf, 0.0
        for d in range(1, days + 1):
            for r in range(rows):
                # Of days as near as each other the younger one comes first.
                is_nearer = distance[d, r] < nearest[r]
                nearest[r] = distance[d, r] if is_nearer else nearest[r]
                day[r] = d if is_nearer else day[r]
        for r in range(rows):
            if day[r] > 0.0:
                chosen[int(day[r]), r] = 1.0
                distance[int(day[r]), r] = np.inf


@njit(cache=True, nogil=True)
def _ramps(block: NDArray[np.float32], run: _Run, choice: _Choice) -> None:  # pragma: no cover - compiled
    """The ramps that past days took from the origin's time to each knot: of single days, of the mean of the origin's
    type, of the analogs, and of the mean of its type without smoothing.
    """
    own, smooth, total, number, count = run.own, run.smooth, run.total, run.number, block.shape[0]
    singles, sharp = choice.days.shape[0], choice.type_days.shape[0]
    at = 3 + 3 * choice.spans.shape[0]
    for knot in choice.knots:
        total[:, :count], number[:, :count] = 0.0, 0.0
        for d in range(1, choice.reach + 1):
            j = run.slot[d]
            if j >= 0:
                if d <= choice.analog_days:
                    _add_chosen(total[1], number[1], run, d, knot, count)
                if run.same[d] and d <= TYPE_DAYS:
                    _add(total[0], number[0], smooth, j + knot, j, count)
                if run.same[d]:
                    _add(total[2], number[2], own, j + knot, j, count)
            for t in range(sharp):
                if choice.type_days[t] == d:
                    _tell(block, at + singles + 2 + t, total[2], number[2])
        for p in range(singles):
            j = run.slot[choice.days[p]]
            if j >= 0:
                for r in range(np.uint64(count)):
                    block[r, at + p] = smooth[np.uint64(j + knot) + r] - smooth[np.uint64(j) + r]
        for k in range(2):
            _tell(block, at + singles + k, total[k], number[k])
        at += singles + 2 + sharp


@njit(cache=True, nogil=True)
def _add_chosen(
    total: NDArray[np.float64], number: NDArray[np.float64], run: _Run, d: int, knot: int, count: int
) -> None:  # pragma: no cover - compiled
    """As `_add`, where the day is an analog of the row."""
    smooth, chosen = run.smooth, run.chosen[d]
    end, begin = np.uint64(run.slot[d] + knot), np.uint64(run.slot[d])
    for r in range(np.uint64(count)):
        value = smooth[end + r] - smooth[begin + r]
        known = (value == value) & (chosen[r] > 0.0)
        total[r] += value if known else 0.0
        number[r] += 1.0 if known else 0.0
