"""Local time and kind of day: known for every time, past or future."""

from datetime import date
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.contracts import Times
from power_nowcast.regions import Region
from power_nowcast.regions.calendar import days

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


class LocalSlots(NamedTuple):
    """Of each slot: local minus UTC time in slots, local minute of the day, code of the kind of day, weekday (1 Monday
    .. 7).
    """

    offset: NDArray[np.int64]
    minute: NDArray[np.int64]
    day_type: NDArray[np.int8]
    weekday: NDArray[np.int8]


def local_slots(region: Region, start: np.datetime64, count: int, step: int) -> LocalSlots:
    """Local time of `count` slots from `start` on, `step` minutes apart."""
    begin = start.astype("datetime64[Y]")
    end = (start + count * np.timedelta64(step, "m")).astype("datetime64[Y]") + np.timedelta64(1, "Y")
    place, phase = divmod(int((start.astype("datetime64[m]") - begin).astype(np.int64)), step)
    # Whole years, so that neighbouring windows share one cached table.
    years = begin + np.timedelta64(phase, "m"), end + np.timedelta64(phase, "m")
    whole, here = _local_slots(region, *years, step), slice(place, place + count)
    return LocalSlots(whole.offset[here], whole.minute[here], whole.day_type[here], whole.weekday[here])


@lru_cache(maxsize=8)
def _local_slots(region: Region, begin: np.datetime64, end: np.datetime64, step: int) -> LocalSlots:
    times = np.arange(begin, end, np.timedelta64(step, "m"))
    offset = offsets_minutes(times, region.timezone)
    local = times + offset
    day = local.astype("datetime64[D]")
    codes, weekdays = _day_codes(region, day[0].astype(date), day[-1].astype(date))
    index = (day - day[0]).astype(np.int64)
    minute = (local - day.astype("datetime64[m]")).astype(np.int64)
    return LocalSlots(offset // step, minute, codes[index], weekdays[index])
