"""Wind and solar power: what shares of the recent peak, the clear sky and the operator's forecast say.

The level itself, which load models must not see, is told in units of the peak. For solar power the index of clear sky
(output over what a cloudless sky would give) carries the clouds from one time of day to another.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.contracts import Part
from power_nowcast.features.families.labels import Label
from power_nowcast.features.family import Family, Rows, Scope, View
from power_nowcast.features.interpolation import Scale, read
from power_nowcast.features.plants import is_generation, kinds, places
from power_nowcast.regions.sun import solar

INDEX_LAGS = (15, 30, 60)
"""Minutes over which the change of the clear-sky index is taken."""
SHAPE = (-30, -15, 15, 30, 45, 60, 75, 90)
"""Minutes from the origin at which the operator's forecast is compared with its value there."""
ROUGH_OVER = (120, 720, 1440, 10080)
"""Minutes before the origin over which roughness is taken."""
FAINT = 0.02
"""Share of the peak up to which output tells no roughness: nights and calms are smooth whatever telemetry does."""
SMALLEST_MOVE = 0.001
"""Share of the peak added to the movement that roughness is measured in."""
TWILIGHT = 0.01
"""Added to shares before they are divided: near sunrise and at calm both sides are almost nothing."""
REMEMBERED = 256
"""Slots whose clear sky is kept: that of a knot is the next rows' sky. A power of two."""


class Generation(Family):
    """Shares, skies and roughness of series that generate; NaN for a load among them."""

    name = "generation"
    labels = {
        Label.CLEAR_SKY: r"share|clear_sky_.*",
        Label.OPERATOR: r"operator_.*",
        Label.RECENT: r"roughness_\d+m",
    }

    def applies(self, scope: Scope) -> bool:
        return is_generation(scope.region)

    def common_names(self, scope: Scope) -> list[str]:  # noqa: ARG002
        return [
            "share",
            "clear_sky_index",
            *(f"clear_sky_index_change_{lag}m" for lag in INDEX_LAGS),
            "operator_level",
            "operator_error",
            *(f"operator_shape_{minutes}m" for minutes in SHAPE),
            *(f"roughness_{span}m" for span in ROUGH_OVER),
        ]

    def knot_names(self, scope: Scope) -> list[str]:  # noqa: ARG002
        return ["clear_sky_ramp", "operator_level_then", "operator_share_ramp"]

    def fill(self, out: NDArray[np.float32], view: View) -> None:
        panel, state = view.panel, view.state
        # Like the operator's mean, a mean stands at the middle of its interval.
        half = 0 if view.region.power.label == "instant" else view.step
        twice_start = 2 * int(panel.start.astype("datetime64[m]").astype(np.int64)) - half
        plants = _Plants(view.scale, kinds(view.region, panel.series), places(view.region, panel.series))
        choice = _Choice(
            twice_start, view.knots, view.slots(INDEX_LAGS), np.array(SHAPE, np.int64), view.slots(ROUGH_OVER)
        )
        _fill(out, view.rows, (state.power, state.columns(Part.FORECAST)), state.scale, plants, choice)


class _Plants(NamedTuple):
    """`peak` (issue, series) in MW; by column of the panel the kind and the place in degrees."""

    peak: NDArray[np.float64]
    kind: NDArray[np.int8]
    places: NDArray[np.float64]


class _Choice(NamedTuple):
    """Spans in slots, `shape` in minutes; `twice_start` is twice the minutes from 1970 to the time that slot 0 stands
    for.
    """

    twice_start: int
    knots: NDArray[np.int64]
    index_lags: NDArray[np.int64]
    shape: NDArray[np.int64]
    rough_over: NDArray[np.int64]


@njit(cache=True, nogil=True)
def clear_sky(minute: float, latitude: float, longitude: float) -> float:  # pragma: no cover - compiled
    """Global irradiance under a cloudless sky as a share of its largest (Haurwitz 1945)."""
    elevation, _ = solar(minute, latitude, longitude)
    if elevation <= 0.0:
        return 0.0
    sine = np.sin(np.radians(elevation))
    return float(sine * np.exp(-0.059 / sine) / np.exp(-0.059))


@njit(cache=True, nogil=True)
def _roughness(
    out: NDArray[np.float32],
    power: NDArray[np.float64],
    origin: int,
    peak: float,
    spans: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    """Mean absolute second difference over that of the change across its two slots, over each of ascending `spans`.

    1.7 where output is white noise alone, 0 on a straight line.
    """
    bends, moves, count, back = 0.0, 0.0, 0, 0
    for n in range(spans.shape[0]):
        while back < spans[n] and origin - back >= 2:
            last, middle, first = power[origin - back], power[origin - back - 1], power[origin - back - 2]
            back += 1
            if middle > FAINT * peak and last == last and first == first:
                bends += abs(last - 2.0 * middle + first)
                moves += abs(last - first)
                count += 1
        if count > 1:
            out[n] = bends / (moves + count * SMALLEST_MOVE * peak)


@njit(cache=True, nogil=True)
def _fill(
    out: NDArray[np.float32],
    rows: Rows,
    grids: tuple[NDArray[np.float64], NDArray[np.float64]],
    scale: Scale,
    plants: _Plants,
    choice: _Choice,
) -> None:  # pragma: no cover - compiled
    """`grids` are power, by its slots, and the forecast on its own grid."""
    power, forecast = grids
    told = forecast.shape[1] > 0
    kept, skies = np.empty(REMEMBERED, np.int64), np.empty(REMEMBERED)
    for c in range(out.shape[1]):
        s = rows.columns[c]
        if plants.kind[s] == 0:
            continue
        own, is_solar = power[s], plants.kind[s] == 2
        kept[:] = -1
        place = plants.places[s, 0], plants.places[s, 1]
        for n in range(out.shape[0]):
            i = rows.origin[n, c]
            if i < 0:
                continue
            row, peak = out[n, c], plants.peak[n, c]
            share = own[i] / peak
            row[0] = share
            sky = 0.0
            if is_solar:
                sky = _sky(i, place, (kept, skies), choice.twice_start, scale.step)
                row[1] = share / sky
                for k in range(choice.index_lags.shape[0]):
                    lag = choice.index_lags[k]
                    if i >= lag:
                        before = _sky(i - lag, place, (kept, skies), choice.twice_start, scale.step)
                        row[2 + k] = share / sky - own[i - lag] / peak / before
            k = 2 + choice.index_lags.shape[0]
            at = scale.twice_shift + 2 * i * scale.step
            here = read(forecast[s], at, scale.forecast_step) / peak if told else np.nan
            row[k] = here
            row[k + 1] = share - here
            k += 2
            for minutes in choice.shape:
                if told:
                    row[k] = read(forecast[s], at + 2 * minutes, scale.forecast_step) / peak - here
                k += 1
            _roughness(row[k : k + choice.rough_over.shape[0]], own, i, peak, choice.rough_over)
            k += choice.rough_over.shape[0]
            for knot in choice.knots:
                if is_solar:
                    later = _sky(i + knot, place, (kept, skies), choice.twice_start, scale.step)
                    row[k] = share * (later / sky - 1.0)
                if told:
                    then = read(forecast[s], at + 2 * knot * scale.step, scale.forecast_step) / peak
                    row[k + 1] = then
                    row[k + 2] = share * ((then + TWILIGHT) / (here + TWILIGHT) - 1.0)
                k += 3


@njit(cache=True, nogil=True)
def _sky(
    slot: int,
    place: tuple[float, float],
    known: tuple[NDArray[np.int64], NDArray[np.float64]],
    twice_start: int,
    step: int,
) -> float:  # pragma: no cover - compiled
    """Clear sky of a slot, looked up among those that are known already, by their slots."""
    kept, skies = known
    at = slot & (REMEMBERED - 1)
    if kept[at] != slot:
        kept[at] = slot
        skies[at] = clear_sky(twice_start / 2.0 + slot * step, place[0], place[1]) + TWILIGHT
    return float(skies[at])
