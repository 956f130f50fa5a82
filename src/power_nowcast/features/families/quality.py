"""Quality of the newest values: recent flags, and the delay of the newest value.

`kept_out` and `lateness` are grids of the panel; lines, and forecasts in place of measurements, are looked for in the
day before the origin, by the rules of `checks.flags` and by what was known: a day says by itself what its series is
rounded to, so that a live window and years of history see the same. For regions that ask for it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.checks.flags import ESTIMATED_SAMPLES, INTERPOLATED_SAMPLES, LATE_SLOTS, RUGGED, STEEP
from power_nowcast.checks.shape import CALM_SHARE
from power_nowcast.contracts import Part
from power_nowcast.features.families.labels import Label
from power_nowcast.features.family import Family, Rows, Scope, View
from power_nowcast.features.panel import SPIKE, STUCK
from power_nowcast.features.plants import maxima
from power_nowcast.features.spec import DAY_MINUTES

TINY_MW = 1e-6
"""Values that differ by less are equal."""


class Quality(Family):
    """Shares of flagged slots, and minutes since the last flag of each kind; at most those of a day."""

    name = "quality"
    labels = {Label.QUALITY: r"flagged_share_\d+m|minutes_since_.*|lateness_minutes"}

    def applies(self, scope: Scope) -> bool:
        return self.name in scope.region.features

    def common_names(self, scope: Scope) -> list[str]:  # noqa: ARG002
        return [
            "flagged_share_60m",
            "flagged_share_1440m",
            "minutes_since_spike",
            "minutes_since_stuck",
            "minutes_since_interpolated",
            "lateness_minutes",
        ]

    def fill(self, out: NDArray[np.float32], view: View) -> None:
        panel, columns, region, step = view.panel, view.state.columns, view.region, view.step
        shift = int((panel.start - panel.forecast.start).astype("timedelta64[m]").astype(np.int64)) // step
        rules = _Rules(
            INTERPOLATED_SAMPLES,
            RUGGED,
            STEEP,
            ESTIMATED_SAMPLES,
            LATE_SLOTS * step,
            step,
            view.hour,
            view.per_day,
            shift,
        )
        has_forecast = panel.forecast.step_minutes == step and bool(panel.forecast.values.size)
        known = _Known(
            view.state.power,
            columns(Part.KEPT_OUT),
            columns(Part.LATENESS),
            columns(Part.FORECAST) if has_forecast else np.empty((len(panel.series), 0)),
            CALM_SHARE * maxima(region, panel.series),
            region.total is not None,
        )
        _fill(out, view.rows, known, rules)


class _Rules(NamedTuple):
    """Samples, ruggedness and steepness of a line, samples of a stand-in, and minutes from which a value is late; a
    step in minutes, an hour and a day in slots, and slot 0's place in the forecast.
    """

    samples: int
    rugged: float
    steep: float
    stand_ins: int
    late: float
    step: int
    hour: int
    day: int
    shift: int


class _Known(NamedTuple):
    """Grids of the panel, of which `forecast` is empty where its interval is not that of power; `calm` (series,) is MW
    below which equal values say nothing.
    """

    power: NDArray[np.float64]
    kept_out: NDArray[np.float64]
    lateness: NDArray[np.float64]
    forecast: NDArray[np.float64]
    calm: NDArray[np.float64]
    has_total: bool


@njit(cache=True, nogil=True)
def _lines(
    marked: NDArray[np.bool_],
    room: tuple[NDArray[np.float64], NDArray[np.int64]],
    own: NDArray[np.float64],
    begin: int,
    end: int,
    rules: _Rules,
) -> None:  # pragma: no cover - compiled
    """Mark slots begin..end on a straight line, slot `begin` first; `room` is for values and slots that are known."""
    value, slot = room
    samples, rugged, steep = rules.samples, rules.rugged, rules.steep
    size = 0
    rounding = np.inf
    for j in range(begin, end + 1):
        if own[j] == own[j]:
            value[size], slot[size] = own[j], j
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
    own: NDArray[np.float64],
    told: NDArray[np.float64],
    span: tuple[int, int],
    rules: _Rules,
    calm: float,
) -> None:  # pragma: no cover - compiled
    """Mark slots of `span` (first and last) whose value is the operator's forecast `told`, while it moves."""
    begin, end = span
    samples, length = rules.stand_ins, 0
    for j in range(max(begin, 1), end + 2):
        k = j + rules.shift
        equal = (
            j <= end
            and 0 <= k < told.shape[0]
            and abs(own[j] - told[k]) <= TINY_MW
            and own[j] > calm
            and own[j] != own[j - 1]
        )
        if equal:
            length += 1
            continue
        if length >= samples:
            marked[j - length - begin : j - begin] = True
        length = 0


@njit(cache=True, nogil=True)
def _fill(out: NDArray[np.float32], rows: Rows, known: _Known, rules: _Rules) -> None:  # pragma: no cover - compiled
    """The total, the first series, has the flags of every zone."""
    day = rules.day
    marked, room = np.zeros(day, np.bool_), (np.empty(day), np.empty(day, np.int64))
    for c in range(out.shape[1]):
        s = rows.columns[c]
        own = known.power[s]
        zones = (1, known.power.shape[0]) if known.has_total and s == 0 else (s, s + 1)
        for n in range(out.shape[0]):
            i = rows.origin[n, c]
            if i < 0:
                continue
            begin = max(0, i - day + 1)
            marked[:] = False
            _lines(marked, room, own, begin, i, rules)
            since_line = DAY_MINUTES
            for j in range(begin, i + 1):
                if marked[j - begin]:
                    since_line = (i - j) * rules.step
            if known.forecast.shape[1] > 0:
                _stand_ins(marked, own, known.forecast[s], (begin, i), rules, known.calm[s])
            row = out[n, c]
            row[4] = min(since_line, DAY_MINUTES)
            if known.kept_out.shape[1] > 0:
                _flagged(row, marked, zones, known, (begin, i), rules)


@njit(cache=True, nogil=True)
def _flagged(
    row: NDArray[np.float32],
    marked: NDArray[np.bool_],
    zones: tuple[int, int],
    known: _Known,
    span: tuple[int, int],
    rules: _Rules,
) -> None:  # pragma: no cover - compiled
    """Write shares of flagged slots among begin..end, minutes since a spike and stuck telemetry, and the lateness."""
    begin, end = span
    in_hour, in_day = 0, 0
    since_spike, since_stuck = DAY_MINUTES, DAY_MINUTES
    for j in range(begin, end + 1):
        flagged = marked[j - begin]
        for z in range(zones[0], zones[1]):
            flagged = flagged or known.kept_out[z, j] > 0 or known.lateness[z, j] > rules.late
            if known.kept_out[z, j] == SPIKE:
                since_spike = (end - j) * rules.step
            elif known.kept_out[z, j] == STUCK:
                since_stuck = (end - j) * rules.step
        if flagged:
            in_day += 1
            in_hour += j > end - rules.hour
    row[0] = in_hour / rules.hour
    row[1] = in_day / rules.day
    row[2] = since_spike
    row[3] = since_stuck
    late = 0.0
    for z in range(zones[0], zones[1]):
        late = max(late, known.lateness[z, end])
    row[5] = min(late, DAY_MINUTES)
