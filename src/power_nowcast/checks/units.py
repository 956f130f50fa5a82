"""Values in another unit than MW: whole series, parts of a delivery, and values unlike the stored ones."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.checks.reasons import REASONS
from power_nowcast.checks.zones import ZoneRows
from power_nowcast.contracts import Reason
from power_nowcast.errors import SourceFormatError
from power_nowcast.regions.sun import elevations

WRONG_UNIT_FACTOR = 30
"""A series that is this many times off the plausible range is in another unit."""
SMALL_SHARE = 0.1 / WRONG_UNIT_FACTOR
"""Share of the plausible maximum that a series in GW never reaches."""
ENOUGH = 12
"""This many values of a series show its unit; fewer go into quarantine one by one."""
FEW = 3
"""Fewer values that are a thousand times too small stand for missing values, not for another unit."""
THOUSAND = (300.0, 3000.0)
"""A load in another unit is off its level by a factor in this range."""
STEP = (500.0, 2000.0)
"""Where the unit of wind or solar power changes, a value is off the one before it by a factor in this range."""
SUBSTANTIAL = 0.01
"""From this share of the plausible maximum on, a step of wind or solar power can show a change of unit."""
CALM = np.timedelta64(10, "D")
"""Wind was seen to stay below `SMALL_SHARE` for three days, and not for five."""
SUNNY_DEGREES, SUNNY_DAYS = 15.0, 3
"""The sun must stand this high, on this many days, before the output of solar power shows its unit."""
NEXT = 3
"""Values up to this many intervals apart follow one another."""


def check_units(zones: Sequence[ZoneRows], origin: str) -> None:
    """Check that no series is in another unit than MW.

    Raises:
        SourceFormatError: one is, or all are; the message says which and what they look like.
    """
    for unit, times, is_in in (("kW", "large", _is_kw), ("GW", "small", _is_gw)):
        if found := [one.zone.name for one in zones if is_in(one)]:
            raise _refusal(origin, unit, times, found, all_of=len(found) == len(zones))


def in_another_unit(zones: Sequence[ZoneRows], origin: str) -> pl.DataFrame:
    """Rows of `REASONS`: values of power that are in another unit than their series.

    Raises:
        SourceFormatError: they are many.
    """
    reasons = [REASONS.to_frame()]
    for one in zones:
        for unit, marked in (_by_level if one.zone.kind == "load" else _by_steps)(one):
            if not marked.any():
                continue
            if marked.sum() >= ENOUGH and len(np.unique(one.value[marked])) >= FEW:
                raise _change(origin, unit, one, marked)
            usual = "" if one.level is None else f"; it usually has {one.level:.6g} MW"
            detail = f"looks like {unit}, not MW{usual}"
            rows = pl.DataFrame({"row": one.row[marked]}, {"row": pl.UInt32})
            reasons.append(rows.with_columns(reason=pl.lit(Reason.UNIT.value), detail=pl.lit(detail)))
    return pl.concat(reasons)


def may_be_gw(one: ZoneRows) -> bool:
    """Whether wind or solar power is so small for a day or longer that it is calm or in GW, and nothing shows which."""
    size = np.abs(one.value[one.value != 0])
    if one.zone.kind == "load" or len(size) < ENOUGH or one.at[-1] - one.at[0] < np.timedelta64(1, "D"):
        return False
    return bool(size.max() < SMALL_SHARE * one.zone.max_mw)


def _is_kw(one: ZoneRows) -> bool:
    size = np.abs(one.value[one.value != 0])
    return len(size) >= ENOUGH and bool(np.quantile(size, 0.1) > WRONG_UNIT_FACTOR * one.zone.max_mw)


def _is_gw(one: ZoneRows) -> bool:
    some = one.value != 0
    size, at = np.abs(one.value[some]), one.at[some]
    # One value, or a calm night of a wind farm, says nothing about the unit.
    if len(size) < ENOUGH or size.max() >= SMALL_SHARE * one.zone.max_mw:
        return False
    if one.zone.kind == "load":
        return True
    if one.zone.kind == "wind":
        return bool(at[-1] - at[0] >= CALM)
    sunny = elevations(at, one.zone.latitude, one.zone.longitude) > SUNNY_DEGREES
    return bool(sunny.sum() >= ENOUGH) and len(np.unique(at[sunny].astype("datetime64[D]"))) >= SUNNY_DAYS


def _by_level(one: ZoneRows) -> list[tuple[str, NDArray[np.bool_]]]:
    """Load a thousand times below or above its level."""
    if one.level is None:
        return []
    with np.errstate(divide="ignore", over="ignore"):
        times = np.where(one.value > 0, one.value / one.level, np.nan)
        small = one.near_zero & (1 / times >= THOUSAND[0]) & (1 / times <= THOUSAND[1])
    large = (times >= THOUSAND[0]) & (times <= THOUSAND[1])
    few = small.sum() < FEW or len(np.unique(one.value[small])) < FEW - 1
    return [("GW", np.zeros_like(small) if few else small), ("kW", large)]


def _by_steps(one: ZoneRows) -> list[tuple[str, NDArray[np.bool_]]]:
    """Wind and solar power from a step by a thousand on, until it is back."""
    small = np.zeros(len(one.value), np.bool_)
    places = np.flatnonzero(one.value > 0)
    at, value = one.at[places], one.value[places]
    spacing = np.median(np.diff(one.at)) if len(one.at) > 1 else np.timedelta64(1, "h")
    if one.stored is not None and len(at) and one.stored[0] < at[0] and one.stored[1] > 0:
        places = np.concatenate([[-1], places])
        at, value = np.concatenate([[one.stored[0]], at]), np.concatenate([[one.stored[1]], value])
    if len(value) < 2:
        return []
    follows = np.diff(at) <= NEXT * spacing
    with np.errstate(over="ignore", divide="ignore"):
        ratio = value[1:] / value[:-1]
        inverse = value[:-1] / value[1:]
    large = SUBSTANTIAL * one.zone.max_mw
    down = follows & (inverse >= STEP[0]) & (inverse <= STEP[1]) & (value[:-1] >= large)
    up = follows & (ratio >= STEP[0]) & (ratio <= STEP[1]) & (value[1:] >= large)
    for k in np.flatnonzero(down):
        back = np.flatnonzero(value[k + 1 :] > value[k] / 100)
        small[places[k + 1 : k + 1 + (back[0] if len(back) else len(value))]] = True
    for k in np.flatnonzero(up):
        if not (value[: k + 1] > value[k + 1] / 100).any():
            before = places[: k + 1]
            small[before[before >= 0]] = True
    return [("GW", small)]


def _refusal(origin: str, unit: str, times: str, names: Sequence[str], *, all_of: bool) -> SourceFormatError:
    whose = "all values" if all_of else f"the values of {', '.join(names)}"
    remedy = f'Set the source\'s option unit = "{unit}", or correct max_mw of the zones in the region file.'
    if not all_of:
        remedy = f"Bring {', '.join(names)} to MW, as the other zones are, or correct max_mw in the region file."
    return SourceFormatError(
        f"{origin}: {whose} are about a thousand times too {times}: they look like {unit}, not MW.",
        remedy=remedy,
        file=origin,
        unit=unit,
        series=tuple(names),
    )


def _change(origin: str, unit: str, one: ZoneRows, marked: NDArray[np.bool_]) -> SourceFormatError:
    first = f"{one.at[marked][0].astype('datetime64[s]')}Z"
    than = "smaller" if unit == "GW" else "larger"
    usual = "than the others" if one.level is None else f"than usual ({one.level:.6g} MW)"
    return SourceFormatError(
        f"{origin}: from {first} on {marked.sum()} values of {one.zone.name} are about a thousand times {than} {usual}"
        f": they look like {unit}, not MW.",
        remedy="Bring all values to MW. If those before it, or the tables, are in another unit, correct them instead.",
        file=origin,
        unit=unit,
        series=(one.zone.name,),
        first=first,
    )
