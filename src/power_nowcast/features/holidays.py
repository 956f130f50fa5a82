"""Holidays, bridge days and days on which clocks change, by themselves; for regions that ask for them.

The family `calendar` has holidays as Sundays and bridge days as a kind of day of their own.
"""

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import Times
from power_nowcast.features.calendar import offsets_minutes
from power_nowcast.regions import Region
from power_nowcast.regions.calendar import days


def names() -> list[str]:
    """Columns, in order: three times 0 or 1, and 23, 24 or 25."""
    return ["is_holiday", "is_holiday_tomorrow", "is_bridge", "day_hours"]


def of_slots(region: Region, times: Times) -> NDArray[np.float32]:
    """Features of each time's local day, shape (time, feature)."""
    day = (times.astype("datetime64[m]") + offsets_minutes(times, region.timezone)).astype("datetime64[D]")
    first, last = day.min(), day.max()
    frame = days(region, first.item(), (last + np.timedelta64(1, "D")).item())
    holiday = frame["holiday"].is_not_null().to_numpy()
    table = np.column_stack([holiday[:-1], holiday[1:], frame["is_bridge"][:-1], frame["hours"][:-1]])
    return np.asarray(table.astype(np.float32)[(day - first).astype(np.int64)])
