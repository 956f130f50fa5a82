"""How far the newest values can be trusted: what was flagged lately, and how late they came.

`kept_out` and `lateness` are grids of the panel; lines, and forecasts in place of measurements, are looked for in the
day before the origin, by the rules of `checks.flags` and by what was known: a day says by itself what its series is
rounded to, so that a live window and years of history see the same. For regions that ask for it.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.features.panel import SPIKE, STUCK

DAY_MINUTES = 1440
"""How far back flags are counted, and the most that `minutes_since` and `lateness` say."""
TINY_MW = 1e-6
"""What differs by less is equal."""


def names() -> list[str]:
    """Columns in the order in which `fill` writes them."""
    return [
        "flagged_share_60m",
        "flagged_share_1440m",
        "minutes_since_spike",
        "minutes_since_stuck",
        "minutes_since_interpolated",
        "lateness_minutes",
    ]


@njit(cache=True, nogil=True)
def _lines(
    marked: NDArray[np.bool_],
    value: NDArray[np.float64],
    slot: NDArray[np.int64],
    power: NDArray[np.float64],
    s: int,
    begin: int,
    end: int,
    rules: NDArray[np.float64],
) -> None:  # pragma: no cover - compiled
    """Mark slots begin..end on a straight line, slot `begin` first; `value` and `slot` are room for what is known."""
    samples, rugged, steep = int(rules[0]), rules[1], rules[2]
    size = 0
    rounding = np.inf
    for j in range(begin, end + 1):
        if power[j, s] == power[j, s]:
            value[size], slot[size] = power[j, s], j
            if size > 0:
                change = abs(value[size] - value[size - 1])
                if change > TINY_MW and change < rounding:
                    rounding = change
            size += 1
    # The median of how far values lie off the middle of their neighbours, by what lies on either side of the limit.
    limit, below, above, rough = rugged * rounding, -np.inf, np.inf, 0
    for n in range(1, size - 1):
        off = abs(value[n] - (value[n - 1] + value[n + 1]) / 2)
        if off >= limit:
            rough += 1
            above = min(above, off)
        else:
            below = max(below, off)
    if 2 * rough < size - 2 or (2 * rough == size - 2 and (below + above) / 2 < limit) or rounding == np.inf:
        return
    near, length = rounding * (1 + 1e-6), 0
    for n in range(1, size):
        midway = False
        if n < size - 1 and slot[n + 1] - slot[n - 1] == 2:
            off = abs(value[n] - (value[n - 1] + value[n + 1]) / 2)
            midway = off <= near and abs(value[n + 1] - value[n - 1]) / 2 > steep * rounding
        if midway:
            length += 1
            continue
        if length >= samples:
            first = n - length
            slope = (value[n - 1] - value[first]) / (length - 1)
            straight = True
            for m in range(length):
                straight = straight and abs(value[first + m] - value[first] - slope * m) <= near
            if straight:
                for m in range(length):
                    marked[slot[first + m] - begin] = True
        length = 0


@njit(cache=True, nogil=True)
def _stand_ins(
    marked: NDArray[np.bool_],
    power: NDArray[np.float64],
    forecast: NDArray[np.float64],
    shift: int,
    s: int,
    begin: int,
    end: int,
    rules: NDArray[np.float64],
    calm: float,
) -> None:  # pragma: no cover - compiled
    """Mark slots whose value is the operator's forecast, while it moves; `shift` is slot 0's place in the forecast."""
    samples, length = int(rules[3]), 0
    for j in range(max(begin, 1), end + 2):
        k = j + shift
        equal = (
            j <= end
            and 0 <= k < forecast.shape[0]
            and abs(power[j, s] - forecast[k, s]) <= TINY_MW
            and power[j, s] > calm
            and power[j, s] != power[j - 1, s]
        )
        if equal:
            length += 1
            continue
        if length >= samples:
            marked[j - length - begin : j - begin] = True
        length = 0


@njit(cache=True, nogil=True)
def fill(
    out: NDArray[np.float32],
    power: NDArray[np.float64],
    kept_out: NDArray[np.float64],
    lateness: NDArray[np.float64],
    forecast: NDArray[np.float64],
    shift: int,
    origin: NDArray[np.int64],
    columns: NDArray[np.int64],
    has_total: bool,
    hour: int,
    day: int,
    step: int,
    rules: NDArray[np.float64],
    calm: NDArray[np.float64],
) -> None:  # pragma: no cover - compiled
    """Write `names` into `out` (issue, series, feature); the total, the first series, has the flags of every zone.

    `rules` are samples, ruggedness and steepness of a line, samples of a stand-in, and minutes from which a value is
    late; `calm` (series,) is MW below which equal values say nothing. `forecast` is empty where its interval is not
    that of power.
    """
    marked, value, slot = np.zeros(day, np.bool_), np.empty(day), np.empty(day, np.int64)
    known = kept_out.shape[0] > 0
    for n in range(out.shape[0]):
        for c in range(columns.shape[0]):
            i, s = origin[n, c], columns[c]
            if i < 0:
                continue
            first, last = s, s + 1
            if has_total and s == 0:
                first, last = 1, power.shape[1]
            begin = max(0, i - day + 1)
            marked[:] = False
            _lines(marked, value, slot, power, s, begin, i, rules)
            since_line = DAY_MINUTES
            for j in range(begin, i + 1):
                if marked[j - begin]:
                    since_line = (i - j) * step
            if forecast.shape[0] > 0:
                _stand_ins(marked, power, forecast, shift, s, begin, i, rules, calm[s])
            row = out[n, c]
            row[4] = min(since_line, DAY_MINUTES)
            if not known:
                continue
            in_hour, in_day = 0, 0
            since_spike, since_stuck = DAY_MINUTES, DAY_MINUTES
            for j in range(begin, i + 1):
                flagged = marked[j - begin]
                for z in range(first, last):
                    flagged = flagged or kept_out[j, z] > 0 or lateness[j, z] > rules[4]
                    if kept_out[j, z] == SPIKE:
                        since_spike = (i - j) * step
                    elif kept_out[j, z] == STUCK:
                        since_stuck = (i - j) * step
                if flagged:
                    in_day += 1
                    in_hour += j > i - hour
            row[0] = in_hour / hour
            row[1] = in_day / day
            row[2] = since_spike
            row[3] = since_stuck
            late = 0.0
            for z in range(first, last):
                late = max(late, lateness[i, z])
            row[5] = min(late, DAY_MINUTES)
