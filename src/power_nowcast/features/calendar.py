"""Local time, kind of day and the sun: known for every time, past or future."""

from datetime import date
from functools import lru_cache

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from power_nowcast.contracts import Times
from power_nowcast.regions import Region
from power_nowcast.regions.calendar import days
from power_nowcast.regions.sun import solar

TYPES = {"workday": 0, "bridge": 1, "saturday": 2, "sunday": 3, "holiday": 3}
"""Days that behave alike share a code: a holiday is like a Sunday."""


def _day_codes(region: Region, first: date, last: date) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    frame = days(region, first, last)
    codes = np.array([TYPES[kind] for kind in frame["day_type"]], np.int8)
    return codes, frame["weekday"].to_numpy().astype(np.int8)


def offsets_minutes(times: Times, timezone: str) -> NDArray[np.int64]:
    """Local minus UTC time in minutes, shape of `times`."""
    if not times.size:
        return np.zeros(times.shape, np.int64)
    years = times.min().astype("datetime64[Y]"), times.max().astype("datetime64[Y]")
    # Whole decades, so that neighbouring windows share one cached table.
    first, last = (int(year.astype(np.int64)) // 10 for year in years)
    begins, offsets = _changes(timezone, 10 * first + 1970, 10 * last + 1980)
    return np.asarray(offsets[np.searchsorted(begins, times, side="right") - 1])


@lru_cache(maxsize=64)
def _changes(timezone: str, first_year: int, last_year: int) -> tuple[Times, NDArray[np.int64]]:
    """When the offset changes from the first year until before the last one, to the minute, and what it is from then
    on.
    """
    first, last = (np.datetime64(f"{year}-01-01T00:00", "m") for year in (first_year, last_year))
    hours = np.arange(first, last + np.timedelta64(1, "h"), np.timedelta64(1, "h"))
    found = _by_polars(hours, timezone)
    begins, offsets = [hours[:1]], [found[:1]]
    for place in np.flatnonzero(np.diff(found)):
        minutes = np.arange(hours[place], hours[place + 1] + np.timedelta64(1, "m"))
        within = _by_polars(minutes, timezone)
        change = int(np.flatnonzero(np.diff(within))[0]) + 1
        begins.append(minutes[change : change + 1])
        offsets.append(within[change : change + 1])
    return np.concatenate(begins), np.concatenate(offsets)


def _by_polars(times: Times, timezone: str) -> NDArray[np.int64]:
    local = pl.Series(times.astype("datetime64[us]")).dt.replace_time_zone("UTC").dt.convert_time_zone(timezone)
    return (local.dt.base_utc_offset() + local.dt.dst_offset()).dt.total_minutes().to_numpy().astype(np.int64)


type LocalSlots = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8], NDArray[np.int8]]


def local_slots(region: Region, start: np.datetime64, count: int, step: int) -> LocalSlots:
    """For each of `count` slots from `start` on, `step` minutes apart: offset of local time in slots, local minute of
    the day, code of the kind of day, weekday (1 Monday .. 7).
    """
    begin = start.astype("datetime64[Y]")
    end = (start + count * np.timedelta64(step, "m")).astype("datetime64[Y]") + np.timedelta64(1, "Y")
    place, phase = divmod(int((start.astype("datetime64[m]") - begin).astype(np.int64)), step)
    # Whole years, so that neighbouring windows share one cached table.
    years = begin + np.timedelta64(phase, "m"), end + np.timedelta64(phase, "m")
    offset, minute, kind, weekday = _local_slots(region, *years, step)
    here = slice(place, place + count)
    return offset[here], minute[here], kind[here], weekday[here]


@lru_cache(maxsize=8)
def _local_slots(region: Region, begin: np.datetime64, end: np.datetime64, step: int) -> LocalSlots:
    times = np.arange(begin, end, np.timedelta64(step, "m"))
    offset = offsets_minutes(times, region.timezone)
    local = times + offset
    day = local.astype("datetime64[D]")
    codes, weekdays = _day_codes(region, day[0].astype(date), day[-1].astype(date))
    index = (day - day[0]).astype(np.int64)
    minute = (local - day.astype("datetime64[m]")).astype(np.int64)
    return offset // step, minute, codes[index], weekdays[index]


def common_names() -> list[str]:
    """Columns that serve every horizon."""
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


def knot_names() -> list[str]:
    """Columns of one knot."""
    return ["sun_change"]


@njit(cache=True, nogil=True)
def fill(
    out: NDArray[np.float32],
    origin: NDArray[np.int64],
    columns: NDArray[np.int64],
    places: NDArray[np.float64],
    start: int,
    step: int,
    minute_of_day: NDArray[np.int64],
    weekday: NDArray[np.int8],
    day_type: NDArray[np.int8],
    per_day: int,
    knots: NDArray[np.int64],
) -> None:  # pragma: no cover - compiled
    """Write `common_names`, then `knot_names` of each knot. `places` (series, 2) in degrees, `start` in minutes of
    1970.
    """
    for n in range(out.shape[0]):
        for c in range(columns.shape[0]):
            i = origin[n, c]
            if i < 0:
                continue
            row = out[n, c]
            latitude, longitude = places[columns[c], 0], places[columns[c], 1]
            minute = float(start + i * step)
            season = 6.283185307179586 * (minute / 1440.0 / 365.2425 % 1.0)
            sun, length = solar(minute, latitude, longitude)
            row[0] = minute_of_day[i]
            row[1] = weekday[i]
            row[2] = day_type[i]
            row[3] = day_type[i + per_day]
            row[4] = np.sin(season)
            row[5] = np.cos(season)
            row[6] = max(sun, -12.0)
            row[7] = length
            k = 8
            for knot in knots:
                later, _ = solar(minute + knot * step, latitude, longitude)
                row[k] = max(later, -12.0) - max(sun, -12.0)
                k += 1
