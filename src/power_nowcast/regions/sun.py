"""The sun: its elevation at a place and time, and whether it is down."""

from datetime import datetime, timedelta

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.contracts import Floats, Times
from power_nowcast.regions.region import Region

DARK_DEGREES = -2.0
"""Below this elevation during a whole interval there is no solar power."""
LOW_DEGREES = 10.0
"""Below this elevation solar power may be next to nothing, and publishers may leave it out as they leave out nights."""


@njit(cache=True, nogil=True)
def solar(minute: float, latitude: float, longitude: float) -> tuple[float, float]:  # pragma: no cover - compiled
    """Elevation of the sun in degrees and length of the day in hours, `minute` counted from 1970-01-01 UTC.

    Fourier series of declination and equation of time (Spencer 1971), good to about .01 rad; no refraction.
    """
    day = minute / 1440.0
    year = 6.283185307179586 * ((day - 0.5) / 365.2425 % 1.0)
    declination = (
        0.006918
        - 0.399912 * np.cos(year)
        + 0.070257 * np.sin(year)
        - 0.006758 * np.cos(2 * year)
        + 0.000907 * np.sin(2 * year)
        - 0.002697 * np.cos(3 * year)
        + 0.00148 * np.sin(3 * year)
    )
    equation = 229.18 * (
        0.000075
        + 0.001868 * np.cos(year)
        - 0.032077 * np.sin(year)
        - 0.014615 * np.cos(2 * year)
        - 0.040849 * np.sin(2 * year)
    )
    hour_angle = np.radians((minute % 1440.0 + equation + 4.0 * longitude) / 4.0 - 180.0)
    phi = np.radians(latitude)
    sine = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
    sunset = -np.tan(phi) * np.tan(declination)
    return np.degrees(np.arcsin(sine)), 24.0 / np.pi * np.arccos(min(1.0, max(-1.0, sunset)))


def elevations(times: Times, latitude: float, longitude: float) -> Floats:
    """Elevation of the sun in degrees at each of `times` (n,), whole minutes UTC."""
    return np.asarray(_elevations(times.astype("datetime64[m]").astype(np.int64), latitude, longitude))


def dark(times: Times, latitude: float, longitude: float, interval_minutes: int) -> NDArray[np.bool_]:
    """Whether the sun is down during the whole interval that ends at each of `times` (n,), whole minutes UTC."""
    return np.asarray(_dark(times.astype("datetime64[m]").astype(np.int64), latitude, longitude, interval_minutes))


def fill_nights(power: Floats, region: Region, start: np.datetime64) -> None:
    """Write 0 MW into unknown slots of solar zones while the sun is down: there is no output then.

    A slot counts from its end on, like every slot of the grid: nobody knows a night before it has passed.

    Args:
        power: MW (slot, series), NaN where unknown; changed in place. The total is left as it is.
        region: the region of the power.
        start: `valid_at` of the first slot.
    """
    step = np.timedelta64(region.interval_minutes, "m")
    for zone in region.zones:
        if zone.kind != "solar":
            continue
        column = power[:, region.series.index(zone.name)]
        silent = np.flatnonzero(np.isnan(column))
        at_night = dark(start + silent * step, zone.latitude, zone.longitude, region.interval_minutes)
        column[silent[at_night]] = 0.0


def known_until(region: Region, last: datetime, now: datetime) -> datetime:
    """The time until which a region's power is known at `now`, if its newest value is of `last`; both aware.

    This is `last`. Where all zones are solar it is the end of the night that followed, if the sun stood low at `last`:
    many publishers leave nights out, and begin to do so before it is dark.
    """
    step = region.interval
    count = min((now - last) // step, timedelta(days=1) // step)
    if count < 1 or any(zone.kind != "solar" for zone in region.zones):
        return last
    times = np.datetime64(round(last.timestamp()) // 60, "m") + np.arange(1, count + 1) * np.timedelta64(step)
    places = [(zone.latitude, zone.longitude) for zone in region.zones]
    night = np.all([dark(times, *place, region.interval_minutes) for place in places], axis=0)
    if not night.any():
        return last
    falls = int(night.argmax())
    low = np.all([elevations(times[:falls], *place) < LOW_DEGREES for place in places])
    return last + step * (falls + int(np.argmin([*night[falls:], False]))) if low else last


@njit(cache=True, nogil=True)
def _elevations(
    minutes: NDArray[np.int64], latitude: float, longitude: float
) -> NDArray[np.float64]:  # pragma: no cover - compiled
    out = np.empty(len(minutes))
    for n in range(len(minutes)):
        out[n], _ = solar(float(minutes[n]), latitude, longitude)
    return out


@njit(cache=True, nogil=True)
def _dark(
    minutes: NDArray[np.int64], latitude: float, longitude: float, interval: int
) -> NDArray[np.bool_]:  # pragma: no cover - compiled
    out = np.empty(len(minutes), np.bool_)
    for n in range(len(minutes)):
        begin, _ = solar(float(minutes[n] - interval), latitude, longitude)
        end, _ = solar(float(minutes[n]), latitude, longitude)
        out[n] = max(begin, end) < DARK_DEGREES
    return out
