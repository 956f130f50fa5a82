"""Zones whose values are an hour late: how much better they fit the other zones as of an hour before.

A zone's usual share of the other zones at a time of the week, times what the others have now, is what the zone should
have. Late values fit what it should have had an hour before. Training and the watch compute the figure by the same
function.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.contracts import FeatureBlock, Floats
from power_nowcast.regions import Region

HOUR, WEEK = 60, 7 * 24 * 60
"""Minutes."""
SHARE_WEEKS = 2
"""The usual share is the mean of so many weeks before, at the same time of the week."""
BLOCK_MINUTES, BLOCKS = 4 * HOUR, 4
"""The figure is the least of so many successive blocks: what differs for a few hours only is no shift."""
REACH_MINUTES = BLOCKS * BLOCK_MINUTES
"""The figure is of so many minutes."""
HISTORY_MINUTES = SHARE_WEEKS * WEEK + REACH_MINUTES + HOUR
"""Values from so long before a moment are read for its figure."""
FINEST, COARSEST = 15, 30
"""Minutes between the values that are compared: the first multiple of the region's interval that is not finer; nothing
is told of a region whose values are further apart."""
KNOWN = 0.75
"""A block with a smaller share of known values has no figure."""


def grid_minutes(interval_minutes: int) -> int | None:
    """Minutes between the values that are compared; None if nothing is told of such a region.

    >>> [grid_minutes(one) for one in (5, 10, 15, 30, 60)]
    [15, 20, 15, 30, None]
    """
    found = -(-FINEST // interval_minutes) * interval_minutes
    return found if found <= COARSEST else None


def lateness(values: Floats, kinds: Sequence[str], step_minutes: int) -> NDArray[np.float64]:
    """How many times better each zone fits the others as of an hour before than as of now.

    Both are the spread of the log ratio of the zone to what it should have; the figure is the least of four successive
    blocks of four hours that end with the slot.

    Args:
        values: load or generation in MW on a grid, shape (slot, zone).
        kinds: kind of each zone; a zone is compared with the others of its kind.
        step_minutes: minutes between slots, a part of an hour.

    Returns:
        Shape (slot, zone); NaN where too little is known, or values are not above zero.
    """
    told = np.full(values.shape, np.nan)
    hour, week = HOUR // step_minutes, WEEK // step_minutes
    size = BLOCK_MINUTES // step_minutes
    sums = {kind: values[:, [other == kind for other in kinds]].sum(axis=1) for kind in set(kinds)}
    for z, kind in enumerate(kinds):
        if kinds.count(kind) == 1 or len(values) <= SHARE_WEEKS * week:
            continue
        own, rest = _positive(values[:, z]), _positive(sums[kind] - values[:, z])
        share = np.mean([_before(own / rest, n * week) for n in range(1, SHARE_WEEKS + 1)], axis=0)
        due = np.log(share * rest)
        now, before = (_spread(np.log(own) - one, size) for one in (due, _before(due, hour)))
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(before > 0, now / before, np.nan)
        told[:, z] = np.min([_before(ratio, n * size) for n in range(BLOCKS)], axis=0)
    return told


def learnt_lateness(region: Region, blocks: Sequence[FeatureBlock]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """The figures of every whole hour that examples know, from their origins, shape (hour, zone), and their zones.

    Args:
        region: the region of the examples.
        blocks: features with their origins, in the order of time.
    """
    zones = tuple(zone for zone in region.zones if zone.name in blocks[0].series)
    names, step = tuple(zone.name for zone in zones), grid_minutes(region.interval_minutes)
    if step is None or len(zones) < 2:
        return names, np.empty((0, len(zones)))
    columns = [blocks[0].series.index(name) for name in names]
    origin = np.concatenate([block.origin_mw[:, columns] for block in blocks])
    age = np.concatenate([block.age_minutes[:, columns] for block in blocks])
    issued = np.concatenate([block.issue_times for block in blocks]).astype("datetime64[m]").astype(np.int64)
    at = issued[:, None] - np.where(np.isfinite(age), age, 0).astype(np.int64)
    known = np.isfinite(age) & np.isfinite(origin) & (at % step == 0)
    if not known.any():
        return names, np.empty((0, len(zones)))
    first = at[known].min() // HOUR * HOUR
    values = np.full((int(at[known].max() - first) // step + 1, len(zones)), np.nan)
    rows, zone = np.nonzero(known)
    values[(at[rows, zone] - first) // step, zone] = origin[rows, zone]
    return names, lateness(values, [zone.kind for zone in zones], step)[:: HOUR // step]


def newest_lateness(region: Region, power: pl.DataFrame, hour: np.datetime64) -> dict[str, float]:
    """The figures at a whole hour by zone; those that are not known are left out.

    Args:
        region: the region.
        power: rows of `contracts.VALUES` of `HISTORY_MINUTES` up to the hour.
        hour: the hour, in UTC.
    """
    step = grid_minutes(region.interval_minutes)
    if step is None:
        return {}
    names = [zone.name for zone in region.zones]
    values = np.full((HISTORY_MINUTES // step + 1, len(names)), np.nan)
    on_grid = pl.col("valid_at").dt.epoch("s") // 60 % step == 0
    rows = power.filter(on_grid, pl.col("series").is_in(names)).drop_nulls("value")
    first = hour - np.timedelta64(HISTORY_MINUTES, "m")
    slots = (rows["valid_at"].dt.replace_time_zone(None).to_numpy().astype("datetime64[m]") - first).astype(np.int64)
    inside = (slots >= 0) & (slots // step < len(values))
    places = np.array([names.index(one) for one in rows["series"]], np.int64)
    values[slots[inside] // step, places[inside]] = rows["value"].to_numpy()[inside]
    told = lateness(values, [zone.kind for zone in region.zones], step)[-1]
    return {name: float(value) for name, value in zip(names, told, strict=True) if np.isfinite(value)}


def _positive(values: Floats) -> Floats:
    return np.where(values > 0, values, np.nan)


def _before(values: Floats, slots: int) -> Floats:
    """The value of so many slots before, NaN at the begin."""
    if slots == 0:
        return values
    told = np.full(values.shape, np.nan)
    told[slots:] = values[:-slots]
    return told


def _spread(values: Floats, size: int) -> Floats:
    """The standard deviation of the known ones of the last values; NaN where too few are known."""
    told = np.full(values.shape, np.nan)
    if len(values) < size:
        return told
    windows = np.lib.stride_tricks.sliding_window_view(values, size)
    known = np.isfinite(windows)
    count = known.sum(axis=-1)
    # Windows lie in memory once: sums of `where` copy nothing.
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = windows.sum(axis=-1, where=known) / count
        away = np.where(known, windows - mean[:, None], 0.0)
        told[size - 1 :] = np.where(count >= KNOWN * size, np.sqrt((away**2).sum(axis=-1) / count), np.nan)
    return told
