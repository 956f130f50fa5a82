"""Wind and solar power as a region has it: kinds, limits, places and nights of its series, and their recent peaks.

Output is bounded and grows with the plants, so ramps and levels are taken in units of the largest output of the last
four weeks.
"""

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.contracts import Times
from power_nowcast.regions import Region, sun

PEAK_DAYS = 28
SMALLEST_PEAK = 0.01
"""Share of the plausible maximum that a peak is at least: after weeks of nothing the scale stays finite."""


def is_generation(region: Region) -> bool:
    """Whether any series of the region is wind or solar power."""
    return any(zone.kind != "load" for zone in region.zones)


def kinds(region: Region, series: tuple[str, ...]) -> NDArray[np.int8]:
    """0 load, 1 wind, 2 solar, shape (series,); the total is of its zones' kind, load where they differ."""
    codes = {zone.name: ("load", "wind", "solar").index(zone.kind) for zone in region.zones}
    of_zones = set(codes.values())
    total = of_zones.pop() if len(of_zones) == 1 else 0
    return np.array([codes.get(name, total) for name in series], np.int8)


@lru_cache(maxsize=64)
def places(region: Region, series: tuple[str, ...]) -> NDArray[np.float64]:
    """Latitude and longitude of each series in degrees, shape (series, 2); the total is at the region's centre."""
    coordinates = {zone.name: (zone.latitude, zone.longitude) for zone in region.zones}
    return np.array([coordinates.get(name, region.centre) for name in series])


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
    """Largest output of the `span` slots up to each origin in MW, shape (issue, series); 1 for load. `power` has the
    shape (series, slot).
    """
    out = np.ones(origin.shape)
    for n in range(origin.shape[0]):
        for c in range(origin.shape[1]):
            i, s = origin[n, c], columns[c]
            if i < 0 or kind[s] == 0:
                continue
            peak = smallest[s]
            for j in range(max(0, i - span + 1), i + 1):
                if power[s, j] > peak:
                    peak = power[s, j]
            out[n, c] = peak
    return out
