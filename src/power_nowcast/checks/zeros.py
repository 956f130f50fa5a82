"""Zeros in place of a missing value: in a load that is never near zero, in solar power while the sun stands high."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.checks.reasons import REASONS
from power_nowcast.checks.zones import SMALLEST_LEVEL, ZoneRows
from power_nowcast.contracts import Reason
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.regions.sun import elevations

OWN_USE = 0.02
"""The plants of a solar zone use at most this share of the plausible maximum themselves."""
NOTHING = 0.0001
"""Solar power up to this share of the plausible maximum is nothing."""
SOMETHING = 0.01
"""Solar power from this share of the plausible maximum on is output, beyond doubt."""
HIGH_DEGREES = 15.0
"""From this elevation on there is output: in Belgium's four years never less than .1 % of the maximum."""
NOON_DEGREES = 35.0
"""From this elevation on a zero is wrong, even if no output was seen on other days."""


def without_own_use(rows: pl.DataFrame, region: Region, *, time: str = "at") -> pl.DataFrame:
    """Rows with 0 MW in place of slightly negative solar power: the plants' own consumption is no output.

    Args:
        rows: with the columns series and value; only those of solar zones change.
        region: the region of the rows.
        time: name of the column of times, which has to be there.
    """
    least = {zone.name: -OWN_USE * zone.max_mw for zone in region.zones if zone.kind == "solar"}
    if not least:
        return rows
    limit = pl.col("series").replace_strict(least, default=None, return_dtype=pl.Float64)
    own_use = pl.col(time).is_not_null() & (pl.col("value") < 0) & (pl.col("value") >= limit)
    return rows.with_columns(value=pl.when(own_use.fill_null(False)).then(0.0).otherwise("value"))


def false_zeros(zones: Sequence[ZoneRows], region: Region, spec: SourceSpec) -> pl.DataFrame:
    """Rows of `REASONS`: zeros, and what is almost zero, that stand for a missing value."""
    negative = bool(spec.options.get("allow_negative"))
    found = [REASONS.to_frame()]
    for one in zones:
        if one.zone.allow_zero or one.zone.kind == "wind":
            continue
        if one.zone.kind == "load":
            marked, why = _of_load(one, may_be_any=negative)
        else:
            marked, why = _of_sun(one, region.interval_minutes), "while the sun stands high"
        if not marked.any():
            continue
        detail = f"{why}; if it is true, set allow_zero = true for {one.zone.name} in the region file"
        rows = pl.DataFrame({"row": one.row[marked]}, {"row": pl.UInt32})
        found.append(rows.with_columns(reason=pl.lit(Reason.ZERO.value), detail=pl.lit(detail)))
    return pl.concat(found)


def _of_load(one: ZoneRows, *, may_be_any: bool) -> tuple[NDArray[np.bool_], str]:
    if one.level is None and not may_be_any:
        return np.abs(one.value) <= SMALLEST_LEVEL * one.zone.max_mw, "nothing tells that it ever is so small"
    return one.near_zero, "" if one.level is None else f"it usually has {one.level:.6g} MW"


def _of_sun(one: ZoneRows, interval_minutes: int) -> NDArray[np.bool_]:
    zone, most = one.zone, one.zone.max_mw
    step = np.timedelta64(interval_minutes, "m")
    # The stamp is the beginning or the end of the interval: the lower elevation of both sides is a safe bound.
    sides = [elevations(one.at + side, zone.latitude, zone.longitude) for side in (-step, step)]
    height = np.minimum(*sides)
    nothing = (np.abs(one.value) <= NOTHING * most) & (height >= HIGH_DEGREES)
    if not nothing.any():
        return nothing
    something = one.value >= SOMETHING * most
    minutes = one.at.astype("datetime64[m]").astype(np.int64)
    day = (minutes + round(4 * zone.longitude)) // 1440  # from one solar midnight to the next
    frame = pl.DataFrame({"day": day, "minute": minutes % 1440, "value": one.value, "something": something})
    told = frame.select(
        # Plants that had output today have output while the sun stands high.
        today=pl.col("something").cum_max().over("day"),
        usually=pl.col("value").median().over("minute") >= SOMETHING * most,
    )
    seen = (height >= NOON_DEGREES) & (one.level is not None)
    return np.asarray(nothing & (told["today"].to_numpy() | told["usually"].to_numpy() | seen))
