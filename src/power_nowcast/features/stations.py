"""Weather of a zone from several stations: near its load's centre, or as the region file weighs them."""

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.regions import Region

NEAREST_KM = 10.0
"""Stations nearer than this count as being so far away: none outweighs all others by standing at the very centre."""
EARTH_KM = 6371.0


def groups(region: Region, variables: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the groups of weather features: each station's variables or, for weighted stations, the variables."""
    if not region.weighs_stations:
        return variables
    return tuple(dict.fromkeys(name.rpartition(".")[2] for name in variables))


def weights(region: Region, series: tuple[str, ...], variables: tuple[str, ...]) -> NDArray[np.float64]:
    """Weight of each station's variable in each series' groups, shape (series, group, variable).

    A zone's own weights count, else the inverse distance of all stations. The total is weighted as its zones, by the
    largest load that each may have.
    """
    names = groups(region, variables)
    zones = {zone.name: _of_zone(region, n, variables) for n, zone in enumerate(region.zones)}
    most = {zone.name: zone.max_mw for zone in region.zones}
    total = sum((zones[name] * most[name] for name in zones), np.zeros(len(variables))) / sum(most.values())
    belongs = np.array([[name.rpartition(".")[2] == group for name in variables] for group in names])
    return np.array([belongs * zones.get(name, total) for name in series])


def fill(
    out: NDArray[np.float32],
    region: Region,
    series: tuple[str, ...],
    columns: NDArray[np.int64],
    variables: tuple[str, ...],
    kinds: tuple[int, ...],
    each: Callable[[NDArray[np.float32]], None],
) -> None:
    """Have `each` write features of every station's variables; their weighted means where the region asks for them.

    Args:
        out: shape (issue, series, feature), of which NaN stays where there is nothing to tell.
        region: whose stations.
        series: the series of the panel.
        columns: which of them `out` has.
        variables: those that `each` writes features of.
        kinds: how many features of a variable lie side by side, for each part of the family.
        each: writes them.
    """
    if not region.weighs_stations:
        each(out)
        return
    shares = weights(region, series, variables)[columns]
    apart = np.full((*out.shape[:2], sum(kinds) * len(variables)), np.nan, np.float32)
    each(apart)
    before = 0
    for kind in kinds:
        here, there = (slice(before * n, (before + kind) * n) for n in shares.shape[1:])
        combine(out[..., here], apart[..., there], shares)
        before += kind


def _of_zone(region: Region, number: int, variables: tuple[str, ...]) -> NDArray[np.float64]:
    """A weight for each variable, by its station; those of all stations sum up to one."""
    zone = region.zones[number]
    found = zone.weather or {
        place.name: 1 / max(distance_km(zone.latitude, zone.longitude, place.latitude, place.longitude), NEAREST_KM)
        for place in region.stations
    }
    everything = sum(found.values())
    return np.array([found.get(name.rpartition(".")[0], 0.0) / everything for name in variables])


def distance_km(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Along the surface of the earth, between places in degrees.

    >>> round(distance_km(40.78, -73.88, 42.94, -78.73))
    468
    """
    one, other = np.radians([latitude, longitude]), np.radians([other_latitude, other_longitude])
    north, east = np.sin((other - one) / 2) ** 2
    return float(2 * EARTH_KM * np.arcsin(np.sqrt(north + np.cos(one[0]) * np.cos(other[0]) * east)))


@njit(cache=True, nogil=True)
def combine(
    out: NDArray[np.float32], each: NDArray[np.float32], shares: NDArray[np.float64]
) -> None:  # pragma: no cover - compiled
    """Weighted means of features, of those present: `each` (issue, series, variable * n) into `out` (.., group * n).

    `shares` (series, group, variable) need not sum up to one. Features of one variable lie side by side.
    """
    kinds = each.shape[2] // shares.shape[2]
    for n in range(out.shape[0]):
        for c in range(out.shape[1]):
            for group in range(shares.shape[1]):
                for kind in range(kinds):
                    total, weight = 0.0, 0.0
                    for variable in range(shares.shape[2]):
                        share, value = shares[c, group, variable], each[n, c, variable * kinds + kind]
                        if share > 0.0 and value == value:
                            total += share * value
                            weight += share
                    if weight > 0.0:
                        out[n, c, group * kinds + kind] = total / weight
