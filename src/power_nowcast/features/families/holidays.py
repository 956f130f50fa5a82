"""Holidays, bridge days and days on which clocks change, by themselves; for regions that ask for them.

The family `calendar` has holidays as Sundays and bridge days as a kind of day of their own.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import Times
from power_nowcast.features.families.labels import Label
from power_nowcast.features.family import Family, Scope, View
from power_nowcast.features.local_time import offsets_minutes
from power_nowcast.regions import Region
from power_nowcast.regions.calendar import days


class Holidays(Family):
    """Three times 0 or 1, and 23, 24 or 25 hours."""

    name = "holidays"
    labels = {Label.KIND_OF_DAY: r"is_holiday(_tomorrow)?|is_bridge|day_hours"}

    def applies(self, scope: Scope) -> bool:
        return self.name in scope.region.features

    def common_names(self, scope: Scope) -> list[str]:  # noqa: ARG002
        return ["is_holiday", "is_holiday_tomorrow", "is_bridge", "day_hours"]

    def fill(self, out: NDArray[np.float32], view: View) -> None:
        panel, origin = view.panel, view.rows.origin
        table = _of_panel(view.region, panel.start, panel.step_minutes, len(panel.power))
        out[:] = np.where(origin[..., None] >= 0, table[np.maximum(origin, 0)], np.float32(np.nan))


@lru_cache(maxsize=8)
def _of_panel(region: Region, start: np.datetime64, step: int, slots: int) -> NDArray[np.float32]:
    return of_slots(region, start + np.arange(slots) * np.timedelta64(step, "m"))


def of_slots(region: Region, times: Times) -> NDArray[np.float32]:
    """Features of each time's local day, shape (time, feature)."""
    day = (times.astype("datetime64[m]") + offsets_minutes(times, region.timezone)).astype("datetime64[D]")
    first, last = day.min(), day.max()
    frame = days(region, first.item(), (last + np.timedelta64(1, "D")).item())
    holiday = frame["holiday"].is_not_null().to_numpy()
    table = np.column_stack([holiday[:-1], holiday[1:], frame["is_bridge"][:-1], frame["hours"][:-1]])
    return np.asarray(table.astype(np.float32)[(day - first).astype(np.int64)])
