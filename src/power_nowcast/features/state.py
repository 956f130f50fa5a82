"""A panel's grids as they are known at an advancing time, and the features that every family reads from them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from numpy.typing import NDArray

from power_nowcast.checks.flags import ESTIMATED_SAMPLES, INTERPOLATED_SAMPLES, LATE_SLOTS, RUGGED, STEEP
from power_nowcast.checks.shape import CALM_SHARE
from power_nowcast.contracts import Panel, Times
from power_nowcast.errors import ConfigurationError
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
from power_nowcast.features.panel import (
    FORECAST_GRID,
    KEPT_OUT_GRID,
    LATENESS_GRID,
    POWER_GRID,
    WEATHER_FORECAST_GRID,
    add_total,
)
from power_nowcast.features.spec import DAY_MINUTES, FeatureSpec
from power_nowcast.regions import Region
from power_nowcast.settings import settings

PARALLEL_FROM = 500
"""Rows (issue time x series) from which threads pay."""
TYPE_DAYS = 28
"""Days over which a mean of the same type of day is taken, if the history reaches that far."""
MAX_AGE_MINUTES = 180
"""A series whose last value is older has no origin, hence no features."""
MEGAWATTS = ("lags", "ranges", "days", "forecast")
"""Families in MW, which generation divides by its scale."""


def _minutes(span: np.timedelta64) -> int:
    return int(span.astype("timedelta64[m]").astype(np.int64))


def slots_of(panel: Panel, times: Times) -> NDArray[np.int64]:
    """Slot of power that each time falls into, beyond the grid, too."""
    return np.asarray((times.astype("datetime64[m]") - panel.start).astype(np.int64) // panel.step_minutes)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings().workers, thread_name_prefix="features")


class State:
    """The panel's grids as they were known at an advancing time, and what is derived from them."""

    def __init__(self, panel: Panel, region: Region, spec: FeatureSpec) -> None:
        step = panel.step_minutes
        if bad := [
            span
            for span in (*spec.knots, *spec.lags, *spec.rolling, *spec.ranges, *spec.neighbour_lags, *spec.excess)
            if span % step
        ]:
            raise ConfigurationError(
                f"The features span {bad[0]} minutes, no multiple of the region's {step}.",
                remedy=f"Use multiples of {step} for horizons, lags and rolling windows.",
                minutes=bad[0],
            )
        self.panel, self.region, self.spec = panel, region, spec
        told = panel.power, panel.forecast, panel.weather_forecast, panel.kept_out, panel.lateness
        # Patches are written into copies; a live window has none most of the time.
        copy = True if len(panel.patches.slot) else None
        grids = (np.array(grid, copy=copy, order="C") for grid in told)
        self.power, self.forecast, self.weather_forecast, self.kept_out, self.lateness = grids
        self.grids = {
            FORECAST_GRID: self.forecast,
            WEATHER_FORECAST_GRID: self.weather_forecast,
            KEPT_OUT_GRID: self.kept_out,
            LATENESS_GRID: self.lateness,
        }
        self.applied = 0
        self.radius = spec.smoothing // step
        self.per_day = DAY_MINUTES // step
        self.reach_days = max(*spec.days, *spec.type_days, spec.analog_days)
        self.smoothed = np.empty_like(self.power)
        days.smooth(self.smoothed, self.power, 0, len(self.power), self.radius)
        # A day and an hour beyond the end: the kind of tomorrow.
        count = len(self.power) + self.per_day + 60 // step
        self.offset, self.minute, self.day_type, self.weekday = calendar.local_slots(region, panel.start, count, step)
        coordinates = {zone.name: (zone.latitude, zone.longitude) for zone in region.zones}
        self.places = np.array([coordinates.get(name, region.centre) for name in panel.series])
        self.kinds = generation.kinds(region, panel.series)
        if "holidays" in region.features:
            self.holidays = holidays.of_slots(region, panel.times)
        self.smallest_peaks = generation.SMALLEST_PEAK * generation.maxima(region, panel.series)

    def advance(self, now: np.datetime64) -> None:
        """Apply the patches that were known at `now`."""
        patches = self.panel.patches
        upto = int(np.searchsorted(patches.available_at, now, side="right"))
        new = slice(self.applied, upto)
        self.applied = upto
        slot, column, value = patches.slot[new], patches.column[new], patches.value[new]
        for grid, values in self.grids.items():
            mine = patches.grid[new] == grid
            values[slot[mine], column[mine]] = value[mine]
        mine = patches.grid[new] == POWER_GRID
        if mine.any():
            slot = slot[mine]
            self.power[slot, column[mine]] = value[mine]
            add_total(self.power, self.region, np.unique(slot))
            days.smooth(self.smoothed, self.power, slot.min() - self.radius, slot.max() + self.radius + 1, self.radius)

    def origins(self, issues: Times, columns: NDArray[np.int64], delay_minutes: int) -> NDArray[np.int64]:
        """Slot of the last known value, shape (issue, series); -1 where none is recent enough."""
        last = slots_of(self.panel, issues - np.timedelta64(delay_minutes, "m"))
        origin = np.full((len(issues), len(columns)), -1, np.int64)
        # Rounded up: between slots, too, the oldest one is no older than that.
        oldest = slots_of(self.panel, issues - np.timedelta64(MAX_AGE_MINUTES - self.panel.step_minutes + 1, "m"))
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
        at: dict[str, slice],
        origin: NDArray[np.int64],
        columns: NDArray[np.int64],
        scale: NDArray[np.float64],
    ) -> None:
        """`fill`, the series shared out among threads where there is enough to do: the kernels hold no lock."""
        parts = min(settings().workers, len(columns)) if origin.size >= PARALLEL_FROM else 1
        if parts == 1:
            self.fill(x, at, origin, columns, scale)
            return
        shares = [slice(n * len(columns) // parts, (n + 1) * len(columns) // parts) for n in range(parts)]

        def fill(share: slice) -> None:
            self.fill(x[:, share], at, origin[:, share], columns[share], scale[:, share])

        list(_threads().map(fill, shares))

    def fill(
        self,
        x: NDArray[np.float32],
        at: dict[str, slice],
        origin: NDArray[np.int64],
        columns: NDArray[np.int64],
        scale: NDArray[np.float64],
    ) -> None:
        """Write every family's columns of `x` (issue, series, feature), each where `at` says."""
        spec, step = self.spec, self.panel.step_minutes

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
        told = np.isin(spec.ranges, spec.rolling)
        ranges.fill(x[..., at["ranges"]], self.power, origin, columns, slots(spec.ranges), told)
        days.fill(
            x[..., at["days"]],
            self.power,
            self.smoothed,
            origin,
            columns,
            self.offset,
            self.day_type,
            self.per_day,
            slots(spec.excess),
            knots,
            np.array(spec.days, np.int64),
            np.array(spec.type_days, np.int64),
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
                slots(generation.ROUGH_OVER),
            )
            for family in MEGAWATTS:
                if family in at:
                    x[..., at[family]] /= scale[..., None].astype(np.float32)
        self._fill_weather(x, at, origin, columns, knots, hour)
        if "quality" in at:
            self._fill_quality(x[..., at["quality"]], origin, columns, hour)
        if "holidays" in at:
            slot = np.maximum(origin, 0)
            x[..., at["holidays"]] = np.where(origin[..., None] >= 0, self.holidays[slot], np.float32(np.nan))

    def _fill_weather(
        self,
        x: NDArray[np.float32],
        at: dict[str, slice],
        origin: NDArray[np.int64],
        columns: NDArray[np.int64],
        knots: NDArray[np.int64],
        hour: int,
    ) -> None:
        panel, step = self.panel, self.panel.step_minutes
        reports = np.asarray(panel.weather, np.float64)
        if "weather" in at:
            trends = np.maximum(1, weather.TRENDS // step)

            def observed(out: NDArray[np.float32]) -> None:
                weather.fill(out, reports, origin, trends, hour)

            self._of_stations(x[..., at["weather"]], columns, panel.weather_names, (weather.KINDS,), observed)
        if "weather_forecast" in at:
            told = panel.weather_forecast_names

            def ahead(out: NDArray[np.float32]) -> None:
                weather_forecast.fill(
                    out,
                    self.weather_forecast,
                    _minutes(panel.start - panel.weather_forecast_start),
                    panel.weather_forecast_step_minutes,
                    reports,
                    weather_forecast.observed(told, panel.weather_names),
                    origin,
                    step,
                    knots,
                )

            kinds = (weather_forecast.KINDS, *(1 for _ in knots))
            self._of_stations(x[..., at["weather_forecast"]], columns, told, kinds, ahead)

    def _of_stations(
        self,
        x: NDArray[np.float32],
        columns: NDArray[np.int64],
        variables: tuple[str, ...],
        kinds: tuple[int, ...],
        fill: Callable[[NDArray[np.float32]], None],
    ) -> None:
        """Have `fill` write features of each station's variables; their weighted means where the region asks for them.

        `kinds` counts the features of a variable that lie side by side, for each part of the family.
        """
        if not self.region.weighs_stations:
            fill(x)
            return
        shares = stations.weights(self.region, self.panel.series, variables)[columns]
        each = np.full((*x.shape[:2], sum(kinds) * len(variables)), np.nan, np.float32)
        fill(each)
        before = 0
        for kind in kinds:
            here, there = (slice(before * n, (before + kind) * n) for n in shares.shape[1:])
            stations.combine(x[..., here], each[..., there], shares)
            before += kind

    def _fill_quality(
        self, out: NDArray[np.float32], origin: NDArray[np.int64], columns: NDArray[np.int64], hour: int
    ) -> None:
        panel, step = self.panel, self.panel.step_minutes
        same = panel.forecast_step_minutes == step
        rules = (INTERPOLATED_SAMPLES, RUGGED, STEEP, ESTIMATED_SAMPLES, LATE_SLOTS * step)
        quality.fill(
            out,
            self.power,
            self.kept_out,
            self.lateness,
            self.forecast if same else np.empty((0, self.power.shape[1])),
            _minutes(panel.start - panel.forecast_start) // step,
            origin,
            columns,
            self.region.total is not None,
            hour,
            self.per_day,
            step,
            np.array(rules, np.float64),
            CALM_SHARE * generation.maxima(self.region, panel.series),
        )
