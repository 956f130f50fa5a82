"""The one feature path: training, backtest and live all come through `build`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import FeatureBlock, Panel, Part, Times
from power_nowcast.features import plants
from power_nowcast.features.families import FAMILIES
from power_nowcast.features.family import Family, Rows, Scope, View
from power_nowcast.features.panel import add_total
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.features.state import State
from power_nowcast.regions import Region
from power_nowcast.workers import PARALLEL_FROM, cores, in_threads

TOGETHER = 128
"""Issue times that are filled by all families before the next ones: few enough for the nearer memory."""


@dataclass(frozen=True)
class Layout:
    """Names of the columns of a block, the knot that each belongs to (0 for every one), and each family's slice."""

    names: tuple[str, ...]
    horizons: tuple[int, ...]
    slices: dict[str, slice]

    @classmethod
    def of(cls, panel: Panel, region: Region, spec: FeatureSpec) -> "Layout":
        return layout(Scope.of(panel, region, spec), FAMILIES)


@lru_cache(maxsize=64)
def layout(scope: Scope, families: tuple[Family, ...]) -> Layout:
    """The columns of those families that apply, one after the other."""
    names: list[str] = []
    slices: dict[str, slice] = {}
    for family in families:
        if not family.applies(scope):
            continue
        first, per_knot = len(names), family.knot_names(scope)
        names += family.common_names(scope)
        for knot in scope.spec.knots if per_knot else ():
            names += [f"{name}_h{knot}" for name in per_knot]
        slices[family.name] = slice(first, len(names))
    return Layout(tuple(names), horizons_of(tuple(names)), slices)


@lru_cache(maxsize=64)
def horizons_of(names: tuple[str, ...]) -> tuple[int, ...]:
    """The knot that each column belongs to, which its name ends with, 0 where it serves every one.

    >>> horizons_of(("ramp_15m", "sun_change_h60"))
    (0, 60)
    """
    found = [re.search(r"_h(\d+)$", name) for name in names]
    return tuple(int(match[1]) if match else 0 for match in found)


def build(
    panel: Panel,
    region: Region,
    issue_times: Times,
    spec: FeatureSpec,
    *,
    series: Sequence[str] | None = None,
    delay_minutes: int = 0,
    families: tuple[Family, ...] = FAMILIES,
) -> FeatureBlock:
    """Features of every issue time and series, from what the panel says was known then.

    Args:
        panel: what is known, with patches for what became known later.
        region: the panel's region.
        issue_times: any order, shape (issue,).
        spec: which features.
        series: those to nowcast; all of the panel by default.
        delay_minutes: no slot of power counts as known earlier than so long after its `valid_at`; the panel may demand
            more.
        families: the register of families.
    """
    chosen = tuple(series) if series is not None else panel.series
    columns = np.array([panel.series.index(region.check_series(name)) for name in chosen], np.int64)
    where = layout(Scope.of(panel, region, spec), families)
    used = [(family, where.slices[family.name]) for family in families if family.name in where.slices]
    delay_minutes = max(delay_minutes, panel.delay_minutes)
    issues = np.asarray(issue_times, "datetime64[m]")
    order = np.argsort(issues, kind="stable")
    ascending = issues[order]
    x = np.empty((len(issues), len(chosen), len(where.names)), np.float32)
    origin_mw = np.full(x.shape[:2], np.nan)
    age = np.full(x.shape[:2], np.nan)
    scale = np.ones(x.shape[:2])

    state = State(panel, region, spec, columns)
    seen = np.searchsorted(panel.patches.available_at, ascending, side="right")
    borders = [0, *(np.flatnonzero(np.diff(seen)) + 1).tolist(), len(issues)]
    for first, last in pairwise(borders) if len(issues) else ():
        group = slice(first, last)  # issue times that see the same grids
        state.advance(ascending[last - 1])
        origin = state.origins(ascending[group], delay_minutes)
        state.prepare(origin)
        scale[group] = state.scales(origin)
        _fill(x[group], View(state, Rows(origin, columns), scale[group]), used)
        has = origin >= 0
        origin_mw[group] = np.where(has, state.power[columns, np.maximum(origin, 0)], np.nan)
        valid_at = panel.start + np.maximum(origin, 0) * np.timedelta64(panel.step_minutes, "m")
        age[group] = np.where(has, (ascending[group][:, None] - valid_at).astype(np.float64), np.nan)
    if (order != np.arange(len(order))).any():
        back = np.argsort(order)
        x, origin_mw, age, scale = x[back], origin_mw[back], age[back], scale[back]
    return FeatureBlock(issues, chosen, where.names, where.horizons, x, origin_mw, age, scale)


def _fill(x: NDArray[np.float32], view: View, used: list[tuple[Family, slice]]) -> None:
    """Fill `x` (issue, series, feature), the series shared out among threads where there is enough to do: compiled code
    holds no lock.
    """
    issues, series = x.shape[:2]
    is_in_shares = plants.is_generation(view.region)
    parts = min(cores(), series) if issues * series >= PARALLEL_FROM else 1

    def fill(share: slice) -> None:
        for first in range(0, issues, TOGETHER):
            rows = slice(first, min(first + TOGETHER, issues))
            out, part = x[rows, share], view.part(rows, share)
            out.fill(np.nan)
            for family, columns in used:
                family.fill(out[..., columns], part)
                if family.in_mw and is_in_shares:
                    out[..., columns] /= part.scale[..., None].astype(np.float32)

    shares = [slice(n * series // parts, (n + 1) * series // parts) for n in range(parts)]
    in_threads(fill, shares, rows=issues * series)


def targets(panel: Panel, region: Region, block: FeatureBlock, knots: Sequence[int]) -> NDArray[np.float64]:
    """Value at each knot after the origin in MW, shape (issue, series, knot); NaN where it is not known or, for solar
    power, of the night.

    The truth is what the panel holds at last, so late rows and corrections count.
    """
    power = final_power(panel, region)
    columns = [panel.series.index(name) for name in block.series]
    age = np.nan_to_num(block.age_minutes).astype("timedelta64[m]")
    origin = panel.power.slots(block.issue_times[:, None] - age)
    slot = origin[..., None] + np.array(knots) // panel.step_minutes
    inside = (slot >= 0) & (slot < len(power)) & np.isfinite(block.age_minutes)[..., None]
    values = power[np.clip(slot, 0, len(power) - 1), np.array(columns)[None, :, None]]
    inside &= ~plants.dark(region, block.series, panel.start + slot * np.timedelta64(panel.step_minutes, "m"))
    return np.where(inside, values, np.nan)


def final_power(panel: Panel, region: Region) -> NDArray[np.float64]:
    """The power grid with every patch applied, shape (time, series)."""
    power, patches = panel.power.values.copy(), panel.patches
    mine = patches.grid == Part.POWER
    power[patches.slot[mine], patches.column[mine]] = patches.value[mine]
    add_total(power, region)
    return power
