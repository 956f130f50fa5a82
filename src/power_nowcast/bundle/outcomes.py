"""Outcomes with the times at which they became known: the input of calibration."""

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import FeatureBlock, Floats, Panel, Part, Times
from power_nowcast.features.local_time import offsets_minutes
from power_nowcast.features.panel import add_total
from power_nowcast.features.plants import dark
from power_nowcast.regions import Region


def first_known(panel: Panel, region: Region, delay_minutes: int = 0) -> tuple[Floats, Times]:
    """The first value of every slot and the time at which it became known, both (time, series); NaN and NaT if never.

    A slot is known at the earliest after `delay_minutes` and after the panel's own delay.
    Later corrections are left out: at the time, the first value was the outcome of a nowcast.
    """
    power = panel.power.values.copy()
    on_time = panel.times + np.timedelta64(max(delay_minutes, panel.delay_minutes), "m")
    known_at = np.where(np.isfinite(power), on_time[:, None], np.datetime64("NaT", "m"))
    patches = panel.patches
    # In reverse order, so that the first of several patches of a cell remains.
    for p in np.flatnonzero(patches.grid == Part.POWER)[::-1]:
        slot, column = patches.slot[p], patches.column[p]
        if not np.isfinite(panel.power.values[slot, column]):
            power[slot, column] = patches.value[p]
            known_at[slot, column] = max(patches.available_at[p], on_time[slot])
    if region.total is not None:
        add_total(power, region)
        known_at[:, 0] = known_at[:, 1:].max(axis=1)  # NaT propagates: without one zone there is no total
    return power, known_at


def at_knots(
    panel: Panel, region: Region, block: FeatureBlock, knots: tuple[int, ...], delay_minutes: int = 0
) -> tuple[Floats, Times]:
    """First known value at each knot after the origin, and the time it became known; both (issue, series, knot).

    Solar power at night is not an outcome: there is nothing to learn from it.
    """
    power, known_at = first_known(panel, region, delay_minutes)
    slot, columns, inside = _cells(panel, region, block.series, target_times(block, knots))
    value = np.where(inside, power[slot, columns], np.nan)
    return value, np.where(inside, known_at[slot, columns], np.datetime64("NaT", "m"))


def known_now(panel: Panel, region: Region, series: tuple[str, ...], target: Times) -> Floats:
    """The value of each target (issue, series, knot) in a panel without patches, NaN if it is not known.

    Solar power at night is not an outcome.
    """
    slot, columns, inside = _cells(panel, region, series, target)
    return np.where(inside, first_known(panel, region)[0][slot, columns], np.nan)


def _cells(
    panel: Panel, region: Region, series: tuple[str, ...], target: Times
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Slot and column of power of each target (issue, series, knot), and whether it has an outcome in the panel."""
    slot = (target - panel.start).astype(np.int64) // panel.step_minutes
    inside = ~np.isnat(target) & (slot >= 0) & (slot < len(panel.power))
    slot = np.clip(np.where(inside, slot, 0), 0, len(panel.power) - 1)
    columns = np.array([panel.series.index(name) for name in series])[None, :, None]
    return slot, columns, inside & ~dark(region, series, target)


def origin_times(block: FeatureBlock) -> Times:
    """Time of the last known value, shape (issue, series); NaT without one."""
    age = np.nan_to_num(block.age_minutes).astype("timedelta64[m]")
    return np.where(np.isfinite(block.age_minutes), block.issue_times[:, None] - age, np.datetime64("NaT", "m"))


def target_times(block: FeatureBlock, knots: tuple[int, ...]) -> Times:
    """Time of each knot after the origin, shape (issue, series, knot); NaT without an origin."""
    return np.asarray(origin_times(block)[..., None] + np.array(knots, "timedelta64[m]"))


def outcomes_known_at(block: FeatureBlock, knots: tuple[int, ...]) -> Times:
    """The latest time at which the outcome at each knot became known, shape (issue, series, knot): the first issue time
    of the block with an origin at or after the target; NaT if there is none.
    """
    # Origins increase with issue times, except for a series whose data stopped.
    origins = np.fmax.accumulate(origin_times(block), axis=0)
    target = target_times(block, knots)
    known_at = np.full(target.shape, np.datetime64("NaT", "m"))
    issues = np.append(block.issue_times, np.datetime64("NaT", "m"))
    for s in range(len(block.series)):
        has = np.flatnonzero(~np.isnat(origins[:, s]))
        first = np.searchsorted(origins[has, s], target[:, s])
        place = np.append(has, len(block.issue_times))[first]
        known_at[:, s] = issues[place]
    known_at[np.isnat(target)] = np.datetime64("NaT", "m")
    return known_at


def local_hours(times: Times, timezone: str) -> NDArray[np.int64]:
    """Local hour 0..23 of each time, any shape; 0 for NaT."""
    filled = np.where(np.isnat(times), np.datetime64("2000-01-01T00:00", "m"), times)
    flat, inverse = np.unique(filled, return_inverse=True)
    minutes = flat.astype(np.int64) + offsets_minutes(flat, timezone)
    return (minutes // 60 % 24)[inverse].reshape(times.shape)
