"""Wind and solar power: what shares of the recent peak, the clear sky and the operator's forecast say.

Output is bounded and grows with the plants, so ramps and levels are taken in units of the largest output of the last
four weeks, and the level itself, which load models must not see, is told. For solar power the index of clear sky
(output over what a cloudless sky would give) carries the clouds from one time of day to another.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.contracts import Times
from power_nowcast.features.operator_forecast import read
from power_nowcast.regions import Region, sun
from power_nowcast.regions.sun import solar

PEAK_DAYS = 28
SMALLEST_PEAK = 0.01
"""Share of the plausible maximum that a peak is at least: after weeks of nothing the scale stays finite."""
INDEX_LAGS = np.array([15, 30, 60])
"""Minutes over which the change of the clear-sky index is taken."""
SHAPE = np.array([-30, -15, 15, 30, 45, 60, 75, 90])
"""Minutes from the origin at which the operator's forecast is compared with its value there."""
ROUGH_OVER = np.array([120, 720, 1440, 10080])
"""Minutes before the origin over which roughness is taken."""
FAINT = 0.02
"""Share of the peak up to which output tells no roughness: nights and calms are smooth whatever telemetry does."""
SMALLEST_MOVE = 0.001
"""Share of the peak added to the movement that roughness is measured in."""
TWILIGHT = 0.01
"""Added to shares before they are divided: near sunrise and at calm both sides are almost nothing."""


def common_names() -> list[str]:
    """Columns that serve every horizon."""
    return [
        "share",
        "clear_sky_index",
        *(f"clear_sky_index_change_{lag}m" for lag in INDEX_LAGS),
        "operator_level",
        "operator_error",
        *(f"operator_shape_{minutes}m" for minutes in SHAPE),
        *(f"roughness_{span}m" for span in ROUGH_OVER),
    ]


def knot_names() -> list[str]:
    """Columns of one knot."""
    return ["clear_sky_ramp", "operator_level_then", "operator_share_ramp"]


def is_generation(region: Region) -> bool:
    """Whether any series of the region is wind or solar power."""
    return any(zone.kind != "load" for zone in region.zones)


def kinds(region: Region, series: tuple[str, ...]) -> NDArray[np.int8]:
    """0 load, 1 wind, 2 solar, shape (series,); the total is of its zones' kind, load where they differ."""
    codes = {zone.name: ("load", "wind", "solar").index(zone.kind) for zone in region.zones}
    of_zones = set(codes.values())
    total = of_zones.pop() if len(of_zones) == 1 else 0
    return np.array([codes.get(name, total) for name in series], np.int8)


def maxima(region: Region, series: tuple[str, ...]) -> NDArray[np.float64]:
    """Plausible maximum of each series in MW."""
    limits = {zone.name: zone.max_mw for zone in region.zones}
    return np.array([limits.get(name, sum(limits.values())) for name in series])


def bounds(region: Region, series: tuple[str, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and most that each series can plausibly be in MW; where negative values are allowed there is no least."""
    least = -np.inf if region.power.options.get("allow_negative") else 0.0
    return np.full(len(series), least), maxima(region, series)


def dark(region: Region, series: tuple[str, ...], times: Times) -> NDArray[np.bool_]:
    """Whether a solar series gives nothing in the interval that ends at each time; `times` (issue, series, n).

    Always false for other series and for NaT.
    """
    out = np.zeros(times.shape, np.bool_)
    places = {zone.name: (zone.latitude, zone.longitude) for zone in region.zones}
    for s in np.flatnonzero(kinds(region, series) == 2):
        known = ~np.isnat(times[:, s])
        minutes, inverse = np.unique(times[:, s][known].astype("datetime64[m]"), return_inverse=True)
        latitude, longitude = places.get(series[s], region.centre)
        out[:, s][known] = sun.dark(minutes, latitude, longitude, region.interval_minutes)[inverse]
    return out


@njit(cache=True, nogil=True)
def peaks(
    power: NDArray[np.float64],
    origin: NDArray[np.int64],
    columns: NDArray[np.int64],
    kind: NDArray[np.int8],
    smallest: NDArray[np.float64],
    span: int,
) -> NDArray[np.float64]:  # pragma: no cover - compiled
    """Largest output of the `span` slots up to each origin in MW, shape (issue, series); 1 for load."""
    out = np.ones(origin.shape)
    for n in range(origin.shape[0]):
        for c in range(origin.shape[1]):
            i, s = origin[n, c], columns[c]
            if i < 0 or kind[s] == 0:
                continue
            peak = smallest[s]
            for j in range(max(0, i - span + 1), i + 1):
                if power[j, s] > peak:
                    peak = power[j, s]
            out[n, c] = peak
    return out


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
def fill(
    out: NDArray[np.float32],
    power: NDArray[np.float64],
    forecast: NDArray[np.float64],
    twice_shift: int,
    forecast_step: int,
    origin: NDArray[np.int64],
    columns: NDArray[np.int64],
    scale: NDArray[np.float64],
    kind: NDArray[np.int8],
    places: NDArray[np.float64],
    twice_start: int,
    step: int,
    knots: NDArray[np.int64],
    index_lags: NDArray[np.int64],
    shape: NDArray[np.int64],
    rough_over: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    """Write `common_names`, then `knot_names` of each knot. Knots, lags and `rough_over` in slots, `shape` in minutes.

    `twice_shift` and `twice_start` are twice the minutes from the forecast's start and from 1970 to the time that slot
    0 stands for, the middle of its interval for means.
    """
    told = forecast.shape[0] > 0
    for n in range(out.shape[0]):
        for c in range(columns.shape[0]):
            i, s = origin[n, c], columns[c]
            if i < 0 or kind[s] == 0:
                continue
            row, peak = out[n, c], scale[n, c]
            share = power[i, s] / peak
            row[0] = share
            latitude, longitude = places[s, 0], places[s, 1]
            minute = twice_start / 2.0 + i * step
            sky = 0.0
            if kind[s] == 2:
                sky = clear_sky(minute, latitude, longitude) + TWILIGHT
                row[1] = share / sky
                for k in range(index_lags.shape[0]):
                    lag = index_lags[k]
                    if i >= lag:
                        before = clear_sky(minute - lag * step, latitude, longitude) + TWILIGHT
                        row[2 + k] = share / sky - power[i - lag, s] / peak / before
            k = 2 + index_lags.shape[0]
            at = twice_shift + 2 * i * step
            here = read(forecast, at, forecast_step, s) / peak if told else np.nan
            row[k] = here
            row[k + 1] = share - here
            k += 2
            for minutes in shape:
                if told:
                    row[k] = read(forecast, at + 2 * minutes, forecast_step, s) / peak - here
                k += 1
            _roughness(row[k : k + rough_over.shape[0]], power[:, s], i, peak, rough_over)
            k += rough_over.shape[0]
            for knot in knots:
                if kind[s] == 2:
                    later = clear_sky(minute + knot * step, latitude, longitude) + TWILIGHT
                    row[k] = share * (later / sky - 1.0)
                if told:
                    then = read(forecast, at + 2 * knot * step, forecast_step, s) / peak
                    row[k + 1] = then
                    row[k + 2] = share * ((then + TWILIGHT) / (here + TWILIGHT) - 1.0)
                k += 3
