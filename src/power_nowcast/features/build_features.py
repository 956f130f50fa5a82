"""The one feature path: training, backtest and live all come through `build`."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import FeatureBlock, Panel, Times
from power_nowcast.errors import ConfigurationError
from power_nowcast.features import calendar, days, generation, lags, operator_forecast, weather
from power_nowcast.features.panel import FORECAST_GRID, add_total
from power_nowcast.features.spec import DAY_MINUTES, FeatureSpec
from power_nowcast.regions import Region
from power_nowcast.settings import settings

PARALLEL_FROM = 500
"""Rows (issue time x series) from which threads pay."""
TYPE_DAYS = 28
"""Days over which a mean of the same type of day is taken, if the history reaches that far."""
MAX_AGE_MINUTES = 180
"""A series whose last value is older has no origin, hence no features."""


MEGAWATTS = ("lags", "days", "forecast")
"""Families in MW, which generation divides by its scale."""


@dataclass(frozen=True)
class Layout:
    """Names of the columns of a block, the knot that each belongs to (0 for every one), and each family's slice."""

    names: tuple[str, ...]
    horizons: tuple[int, ...]
    slices: dict[str, slice]

    @classmethod
    def of(cls, panel: Panel, region: Region, spec: FeatureSpec) -> "Layout":
        families: dict[str, tuple[list[str], list[str]]] = {
            "lags": (lags.names(spec, panel.series), []),
            "days": (days.common_names(), days.knot_names(spec)),
            "calendar": (calendar.common_names(), calendar.knot_names()),
        }
        if spec.forecast and panel.forecast.size:
            families["forecast"] = (operator_forecast.common_names(), operator_forecast.knot_names())
        if generation.is_generation(region):
            families["generation"] = (generation.common_names(), generation.knot_names())
        if spec.weather and panel.weather_names:
            families["weather"] = (weather.names(panel.weather_names), [])
        names: list[str] = []
        slices: dict[str, slice] = {}
        for family, (common, per_knot) in families.items():
            first = len(names)
            names += common
            for knot in spec.knots if per_knot else ():
                names += [f"{name}_h{knot}" for name in per_knot]
            slices[family] = slice(first, len(names))
        return cls(tuple(names), horizons_of(names), slices)


def horizons_of(names: Sequence[str]) -> tuple[int, ...]:
    """The knot that each column belongs to, which its name ends with, 0 where it serves every one.

    >>> horizons_of(["ramp_15m", "sun_change_h60"])
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
        delay_minutes: a slot of power counts as known this long after its `valid_at`.
    """
    chosen = tuple(series) if series is not None else panel.series
    columns = np.array([panel.series.index(region.check_series(name)) for name in chosen], np.int64)
    layout = Layout.of(panel, region, spec)
    issues = np.asarray(issue_times, "datetime64[m]")
    order = np.argsort(issues, kind="stable")
    ascending = issues[order]
    x = np.full((len(issues), len(chosen), len(layout.names)), np.nan, np.float32)
    origin_mw = np.full(x.shape[:2], np.nan)
    age = np.full(x.shape[:2], np.nan)
    scale = np.ones(x.shape[:2])

    state = _State(panel, region, spec)
    seen = np.searchsorted(panel.patches.available_at, ascending, side="right")
    borders = [0, *(np.flatnonzero(np.diff(seen)) + 1).tolist(), len(issues)]
    for first, last in pairwise(borders) if len(issues) else ():
        group = slice(first, last)  # issue times that see the same grids
        state.advance(ascending[last - 1])
        origin = state.origins(ascending[group], columns, delay_minutes)
        scale[group] = state.scales(origin, columns)
        state.fill_parallel(x[group], layout, origin, columns, scale[group])
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
    origin = _slots(panel, block.issue_times[:, None] - age)
    slot = origin[..., None] + np.array(knots) // panel.step_minutes
    inside = (slot >= 0) & (slot < len(power)) & np.isfinite(block.age_minutes)[..., None]
    values = power[np.clip(slot, 0, len(power) - 1), np.array(columns)[None, :, None]]
    inside &= ~generation.dark(region, block.series, panel.start + slot * np.timedelta64(panel.step_minutes, "m"))
    return np.where(inside, values, np.nan)


def final_power(panel: Panel, region: Region) -> NDArray[np.float64]:
    """The power grid with every patch applied, shape (time, series)."""
    power, patches = panel.power.copy(), panel.patches
    mine = patches.grid != FORECAST_GRID
    power[patches.slot[mine], patches.column[mine]] = patches.value[mine]
    add_total(power, region)
    return power


def _minutes(span: np.timedelta64) -> int:
    return int(span.astype("timedelta64[m]").astype(np.int64))


def _slots(panel: Panel, times: Times) -> NDArray[np.int64]:
    return np.asarray((times.astype("datetime64[m]") - panel.start).astype(np.int64) // panel.step_minutes)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings().workers, thread_name_prefix="features")


class _State:
    """The panel's grids as they were known at an advancing time, and what is derived from them."""

    def __init__(self, panel: Panel, region: Region, spec: FeatureSpec) -> None:
        step = panel.step_minutes
        if bad := [span for span in (*spec.knots, *spec.lags, *spec.rolling, *spec.neighbour_lags) if span % step]:
            raise ConfigurationError(
                f"The features span {bad[0]} minutes, no multiple of the region's {step}.",
                remedy=f"Use multiples of {step} for horizons, lags and rolling windows.",
                minutes=bad[0],
            )
        self.panel, self.region, self.spec = panel, region, spec
        self.power, self.forecast = panel.power.copy(), panel.forecast.copy()
        self.applied = 0
        self.radius = spec.smoothing // step
        self.per_day = DAY_MINUTES // step
        self.reach_days = max(*spec.days, spec.analog_days)
        self.smoothed = np.empty_like(self.power)
        days.smooth(self.smoothed, self.power, 0, len(self.power), self.radius)
        # A day and an hour beyond the end: the kind of tomorrow.
        stretch = panel.start + np.arange(len(self.power) + self.per_day + 60 // step) * np.timedelta64(step, "m")
        offset, self.minute, self.day_type, self.weekday = calendar.local_days(region, stretch)
        self.offset = offset // step
        coordinates = {zone.name: (zone.latitude, zone.longitude) for zone in region.zones}
        self.places = np.array([coordinates.get(name, region.centre) for name in panel.series])
        self.kinds = generation.kinds(region, panel.series)
        self.smallest_peaks = generation.SMALLEST_PEAK * generation.maxima(region, panel.series)

    def advance(self, now: np.datetime64) -> None:
        """Apply the patches that were known at `now`."""
        patches = self.panel.patches
        upto = int(np.searchsorted(patches.available_at, now, side="right"))
        new = slice(self.applied, upto)
        self.applied = upto
        ahead = patches.grid[new] == FORECAST_GRID
        slot, column, value = patches.slot[new], patches.column[new], patches.value[new]
        self.forecast[slot[ahead], column[ahead]] = value[ahead]
        if not ahead.all():
            slot = slot[~ahead]
            self.power[slot, column[~ahead]] = value[~ahead]
            add_total(self.power, self.region, np.unique(slot))
            days.smooth(self.smoothed, self.power, slot.min() - self.radius, slot.max() + self.radius + 1, self.radius)

    def origins(self, issues: Times, columns: NDArray[np.int64], delay_minutes: int) -> NDArray[np.int64]:
        """Slot of the last known value, shape (issue, series); -1 where none is recent enough."""
        last = _slots(self.panel, issues - np.timedelta64(delay_minutes, "m"))
        origin = np.full((len(issues), len(columns)), -1, np.int64)
        # Rounded up: between slots, too, the oldest one is no older than that.
        oldest = _slots(self.panel, issues - np.timedelta64(MAX_AGE_MINUTES - self.panel.step_minutes + 1, "m"))
        for back in range(MAX_AGE_MINUTES // self.panel.step_minutes + 1):
            slot = last - back
            usable = (slot >= np.maximum(oldest, 0)) & (slot < len(self.power))
            known = np.isfinite(self.power[np.clip(slot, 0, len(self.power) - 1)][:, columns])
            origin = np.where((origin < 0) & usable[:, None] & known, slot[:, None], origin)
            if (origin >= 0).all():
                break
        return origin

    def scales(self, origin: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """What features and ramps are measured in, MW, shape (issue, series)."""
        span = min(generation.PEAK_DAYS, self.reach_days) * self.per_day
        return np.asarray(
            generation.peaks(self.power, origin, columns, self.kinds, self.smallest_peaks, span), np.float64
        )

    def fill_parallel(
        self,
        x: NDArray[np.float32],
        layout: Layout,
        origin: NDArray[np.int64],
        columns: NDArray[np.int64],
        scale: NDArray[np.float64],
    ) -> None:
        """`fill`, the series shared out among threads where there is enough to do: the kernels hold no lock."""
        parts = min(settings().workers, len(columns)) if origin.size >= PARALLEL_FROM else 1
        if parts == 1:
            self.fill(x, layout, origin, columns, scale)
            return
        shares = [slice(n * len(columns) // parts, (n + 1) * len(columns) // parts) for n in range(parts)]

        def fill(share: slice) -> None:
            self.fill(x[:, share], layout, origin[:, share], columns[share], scale[:, share])

        list(_threads().map(fill, shares))

    def fill(
        self,
        x: NDArray[np.float32],
        layout: Layout,
        origin: NDArray[np.int64],
        columns: NDArray[np.int64],
        scale: NDArray[np.float64],
    ) -> None:
        """Write every family's columns of `x` (issue, series, feature)."""
        spec, step, at = self.spec, self.panel.step_minutes, layout.slices

        def slots(spans: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
            return np.maximum(1, np.asarray(spans, np.int64) // step)

        knots, hour = slots(spec.knots), max(1, 60 // step)
        lags.fill(
            x[..., at["lags"]],
            self.power,
            origin,
            columns,
            slots(spec.lags),
            slots(spec.rolling),
            slots(spec.neighbour_lags),
        )
        days.fill(
            x[..., at["days"]],
            self.power,
            self.smoothed,
            origin,
            columns,
            self.offset,
            self.day_type,
            self.per_day,
            hour,
            knots,
            np.array(spec.days, np.int64),
            np.unique(slots(days.SHAPE)),
            spec.analog_days,
            spec.analogs,
        )
        calendar.fill(
            x[..., at["calendar"]],
            origin,
            columns,
            self.places,
            int(self.panel.start.astype("datetime64[m]").astype(np.int64)),
            step,
            self.minute,
            self.weekday,
            self.day_type,
            self.per_day,
            knots,
        )
        # A mean stands at the middle of its interval, an instant at its end.
        half = 0 if self.region.power.label == "instant" else step
        twice_shift = 2 * _minutes(self.panel.start - self.panel.forecast_start) - half
        if "forecast" in at:
            operator_forecast.fill(
                x[..., at["forecast"]],
                self.power,
                self.smoothed,
                self.forecast,
                twice_shift,
                self.panel.forecast_step_minutes,
                origin,
                columns,
                self.offset,
                self.day_type,
                self.per_day,
                step,
                knots,
                slots(operator_forecast.ERROR_LAGS),
                operator_forecast.MISSED_DAYS,
                min(TYPE_DAYS, self.reach_days),
            )
        if "generation" in at:
            generation.fill(
                x[..., at["generation"]],
                self.power,
                self.forecast,
                twice_shift,
                self.panel.forecast_step_minutes,
                origin,
                columns,
                scale,
                self.kinds,
                self.places,
                2 * _minutes(self.panel.start - np.datetime64(0, "m")) - half,
                step,
                knots,
                slots(generation.INDEX_LAGS),
                generation.SHAPE,
            )
            for family in MEGAWATTS:
                if family in at:
                    x[..., at[family]] /= scale[..., None].astype(np.float32)
        if "weather" in at:
            weather.fill(x[..., at["weather"]], self.weather_grid, origin, slots(weather.TRENDS), hour)

    @property
    def weather_grid(self) -> NDArray[np.float64]:
        return np.asarray(self.panel.weather, np.float64)
