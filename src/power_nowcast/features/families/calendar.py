"""Local time, kind of day and the sun: known for every time, past or future."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.features.families.labels import Label
from power_nowcast.features.family import Family, Rows, Scope, View
from power_nowcast.features.local_time import LocalSlots
from power_nowcast.features.plants import places
from power_nowcast.regions.sun import solar

LOWEST_SUN = -12.0
"""Degrees below which the sun stands no lower: nights are all alike."""
REMEMBERED = 256
"""Slots whose sun is kept: that of a knot is the next rows' sun. A power of two."""


class Calendar(Family):
    """Clock, calendar and sun at the origin, and the change of the sun to each knot."""

    name = "calendar"
    labels = {
        Label.KIND_OF_DAY: r"minute_of_day|weekday|day_type(_tomorrow)?",
        Label.SUN: r"season_(sin|cos)|sun(_change)?|day_length",
    }

    def common_names(self, scope: Scope) -> list[str]:  # noqa: ARG002
        return [
            "minute_of_day",
            "weekday",
            "day_type",
            "day_type_tomorrow",
            "season_sin",
            "season_cos",
            "sun",
            "day_length",
        ]

    def knot_names(self, scope: Scope) -> list[str]:  # noqa: ARG002
        return ["sun_change"]

    def fill(self, out: NDArray[np.float32], view: View) -> None:
        start = int(view.panel.start.astype("datetime64[m]").astype(np.int64))
        when = _When(start, view.step, view.per_day, view.knots)
        _fill(out, view.rows, places(view.region, view.panel.series), view.local, when)


class _When(NamedTuple):
    """`start` of slot 0 in minutes of 1970, `step` in minutes, days and knots in slots."""

    start: int
    step: int
    per_day: int
    knots: NDArray[np.int64]


@njit(cache=True, nogil=True)
def _fill(
    out: NDArray[np.float32], rows: Rows, places: NDArray[np.float64], local: LocalSlots, when: _When
) -> None:  # pragma: no cover - compiled
    """`places` (series, 2) in degrees."""
    kept, sun, length = np.empty(REMEMBERED, np.int64), np.empty(REMEMBERED), np.empty(REMEMBERED)
    for c in range(out.shape[1]):
        latitude, longitude = places[rows.columns[c], 0], places[rows.columns[c], 1]
        kept[:] = -1
        for n in range(out.shape[0]):
            i = rows.origin[n, c]
            if i < 0:
                continue
            row = out[n, c]
            minute = float(when.start + i * when.step)
            season = 6.283185307179586 * (minute / 1440.0 / 365.2425 % 1.0)
            row[0] = local.minute[i]
            row[1] = local.weekday[i]
            row[2] = local.day_type[i]
            row[3] = local.day_type[i + when.per_day]
            row[4] = np.sin(season)
            row[5] = np.cos(season)
            now = 0.0
            for k in range(-1, when.knots.shape[0]):
                slot = i if k < 0 else i + when.knots[k]
                at = slot & (REMEMBERED - 1)
                if kept[at] != slot:
                    kept[at] = slot
                    sun[at], length[at] = solar(float(when.start + slot * when.step), latitude, longitude)
                height = max(sun[at], LOWEST_SUN)
                if k < 0:
                    now = height
                    row[6], row[7] = height, length[at]
                else:
                    row[8 + k] = height - now
