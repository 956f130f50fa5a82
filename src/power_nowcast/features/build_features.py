"""The one feature path: training, backtest and live all come through `build`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import FeatureBlock, Panel, Times
from power_nowcast.features import (
    calendar,
    days,
    generation,
    holidays,
    lags,
    operator_forecast,
    quality,
    ranges,
    stations,
    weather,
    weather_forecast,
)
from power_nowcast.features.panel import POWER_GRID, add_total
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.features.state import State, slots_of
from power_nowcast.regions import Region


@dataclass(frozen=True)
class Layout:
    """Names of the columns of a block, the knot that each belongs to (0 for every one), and each family's slice."""

    names: tuple[str, ...]
    horizons: tuple[int, ...]
    slices: dict[str, slice]

    @classmethod
    def of(cls, panel: Panel, region: Region, spec: FeatureSpec) -> "Layout":
        told = bool(panel.forecast.size), panel.weather_names, panel.weather_forecast_names
        return _layout(region, spec, panel.series, *told)


@lru_cache(maxsize=64)
def _layout(
    region: Region,
    spec: FeatureSpec,
    series: tuple[str, ...],
    has_forecast: bool,
    weather_names: tuple[str, ...],
    weather_forecast_names: tuple[str, ...],
) -> Layout:
    families: dict[str, tuple[list[str], list[str]]] = {
        "lags": (lags.names(spec, series), []),
        "ranges": (ranges.names(spec), []),
        "days": (days.common_names(spec), days.knot_names(spec)),
        "calendar": (calendar.common_names(), calendar.knot_names()),
    }
    if spec.forecast and has_forecast:
        families["forecast"] = (operator_forecast.common_names(), operator_forecast.knot_names())
    if generation.is_generation(region):
        families["generation"] = (generation.common_names(), generation.knot_names())
    if spec.weather and weather_names:
        families["weather"] = (weather.names(stations.groups(region, weather_names)), [])
    if spec.weather_forecast and weather_forecast_names:
        about = stations.groups(region, weather_forecast_names)
        families["weather_forecast"] = (weather_forecast.common_names(about), weather_forecast.knot_names(about))
    if "quality" in region.features:
        families["quality"] = (quality.names(), [])
    if "holidays" in region.features:
        families["holidays"] = (holidays.names(), [])
    names: list[str] = []
    slices: dict[str, slice] = {}
    for family, (common, per_knot) in families.items():
        first = len(names)
        names += common
        for knot in spec.knots if per_knot else ():
            names += [f"{name}_h{knot}" for name in per_knot]
        slices[family] = slice(first, len(names))
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
    """
    chosen = tuple(series) if series is not None else panel.series
    columns = np.array([panel.series.index(region.check_series(name)) for name in chosen], np.int64)
    layout = Layout.of(panel, region, spec)
    delay_minutes = max(delay_minutes, panel.delay_minutes)
    issues = np.asarray(issue_times, "datetime64[m]")
    order = np.argsort(issues, kind="stable")
    ascending = issues[order]
    x = np.full((len(issues), len(chosen), len(layout.names)), np.nan, np.float32)
    origin_mw = np.full(x.shape[:2], np.nan)
    age = np.full(x.shape[:2], np.nan)
    scale = np.ones(x.shape[:2])

    state = State(panel, region, spec)
    seen = np.searchsorted(panel.patches.available_at, ascending, side="right")
    borders = [0, *(np.flatnonzero(np.diff(seen)) + 1).tolist(), len(issues)]
    for first, last in pairwise(borders) if len(issues) else ():
        group = slice(first, last)  # issue times that see the same grids
        state.advance(ascending[last - 1])
        origin = state.origins(ascending[group], columns, delay_minutes)
        scale[group] = state.scales(origin, columns)
        state.fill_parallel(x[group], layout.slices, origin, columns, scale[group])
        has = origin >= 0
        origin_mw[group] = np.where(has, state.power[np.maximum(origin, 0), columns], np.nan)
        valid_at = panel.start + np.maximum(origin, 0) * np.timedelta64(panel.step_minutes, "m")
        age[group] = np.where(has, (ascending[group][:, None] - valid_at).astype(np.float64), np.nan)
    if (order != np.arange(len(order))).any():
        back = np.argsort(order)
        x, origin_mw, age, scale = x[back], origin_mw[back], age[back], scale[back]
    return FeatureBlock(issues, chosen, layout.names, layout.horizons, x, origin_mw, age, scale)


def targets(panel: Panel, region: Region, block: FeatureBlock, knots: Sequence[int]) -> NDArray[np.float64]:
    """Value at each knot after the origin in MW, shape (issue, series, knot); NaN where it is not known or, for solar
    power, of the night.

    The truth is what the panel holds at last, so late rows and corrections count.
    """
    power = final_power(panel, region)
    columns = [panel.series.index(name) for name in block.series]
    age = np.nan_to_num(block.age_minutes).astype("timedelta64[m]")
    origin = slots_of(panel, block.issue_times[:, None] - age)
    slot = origin[..., None] + np.array(knots) // panel.step_minutes
    inside = (slot >= 0) & (slot < len(power)) & np.isfinite(block.age_minutes)[..., None]
    values = power[np.clip(slot, 0, len(power) - 1), np.array(columns)[None, :, None]]
    inside &= ~generation.dark(region, block.series, panel.start + slot * np.timedelta64(panel.step_minutes, "m"))
    return np.where(inside, values, np.nan)


def final_power(panel: Panel, region: Region) -> NDArray[np.float64]:
    """The power grid with every patch applied, shape (time, series)."""
    power, patches = panel.power.copy(), panel.patches
    mine = patches.grid == POWER_GRID
    power[patches.slot[mine], patches.column[mine]] = patches.value[mine]
    add_total(power, region)
    return power
