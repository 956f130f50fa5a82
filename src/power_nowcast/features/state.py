"""A panel's grids as they are known at an advancing time."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import Floats, Panel, Part, Times
from power_nowcast.errors import ConfigurationError
from power_nowcast.features import plants
from power_nowcast.features.interpolation import Scale, forget, spread
from power_nowcast.features.local_time import LocalSlots, local_slots
from power_nowcast.features.panel import add_total
from power_nowcast.features.smoothing import smooth
from power_nowcast.features.spec import DAY_MINUTES, ERROR_LAGS, SHAPE, TYPE_DAYS, FeatureSpec
from power_nowcast.regions import Region

MAX_AGE_MINUTES = 180
"""A series whose last value is older has no origin, hence no features."""


class Derived:
    """Values of every slot of power that are worked out from a grid only where they are read.

    `values` (series, slot) count where `missing` (slot,) is false.
    """

    def __init__(self, slots: int, series: int) -> None:
        self.values: Floats = np.empty((series, slots))
        self.missing = np.ones(slots, np.bool_)


class State:
    """The panel's grids as they were known at an advancing time, and what is read from them slot by slot.

    What families read has the shape (series or variable, slot), so that one series lies side by side in memory. Of it
    `smoothed` is power smoothed over its neighbours, `told` the operator's forecast read at every slot of power; both
    are known where `prepare` was asked for them.

    Raises:
        ConfigurationError: a span of `spec` is no multiple of the panel's step.
    """

    def __init__(self, panel: Panel, region: Region, spec: FeatureSpec, columns: NDArray[np.int64]) -> None:
        _check_spans(spec, panel.step_minutes)
        self.panel, self.region, self.spec, self.chosen = panel, region, spec, columns
        # Patches are written into copies; a live window has none most of the time.
        copy = True if len(panel.patches.slot) else None
        self.grids = {part: np.array(panel.grid(part).values, copy=copy, order="F") for part in Part}
        self.weather: Floats = np.asarray(panel.weather.values, np.float64, order="F").T
        self.applied = 0
        self.power = self.columns(Part.POWER)
        series, slots = self.power.shape
        self._smoothed = Derived(slots, series)
        self._told = Derived(slots + spec.knots[-1] // panel.step_minutes + 1, series)

    def columns(self, part: Part) -> Floats:
        """A grid by its columns, shape (column, slot)."""
        return self.grids[part].T

    @property
    def smoothed(self) -> Floats:
        return self._smoothed.values

    @property
    def told(self) -> Floats:
        return self._told.values

    @cached_property
    def local(self) -> LocalSlots:
        """Local time of every slot, and a day and an hour beyond the end: the kind of tomorrow."""
        step = self.panel.step_minutes
        return local_slots(self.region, self.panel.start, self.power.shape[1] + (DAY_MINUTES + 60) // step, step)

    @cached_property
    def scale(self) -> Scale:
        """The position of slots of power on the forecast's grid."""
        panel, step = self.panel, self.panel.step_minutes
        # A mean stands at the middle of its interval, an instant at its end.
        half = 0 if self.region.power.label == "instant" else step
        shift = (panel.start - panel.forecast.start).astype("timedelta64[m]").astype(np.int64)
        return Scale(2 * int(shift) - half, step, panel.forecast.step_minutes)

    def advance(self, now: np.datetime64) -> None:
        """Apply the patches that were known at `now`."""
        patches = self.panel.patches
        upto = int(np.searchsorted(patches.available_at, now, side="right"))
        if upto == self.applied:
            return
        new = slice(self.applied, upto)
        self.applied = upto
        for part, values in self.grids.items():
            mine = patches.grid[new] == part
            if not mine.any():
                continue
            slot = patches.slot[new][mine]
            values[slot, patches.column[new][mine]] = patches.value[new][mine]
            if part == Part.POWER:
                add_total(values, self.region, np.unique(slot))
                radius = self.spec.smoothing // self.panel.step_minutes
                near = slot + np.arange(-radius, radius + 1)[:, None]
                self._smoothed.missing[np.clip(near, 0, len(values) - 1)] = True
            elif part == Part.FORECAST:
                forget(self._told.missing, np.unique(slot), self.scale)

    def prepare(self, origin: NDArray[np.int64]) -> None:
        """Work out `smoothed` and `told` wherever rows of these origins (issue, series) read them."""
        known = origin[origin >= 0]
        if not known.size:
            return
        spec, step, first, last = self.spec, self.panel.step_minutes, int(known.min()), int(known.max())
        back = max(*spec.excess, *SHAPE) // step
        ahead = spec.knots[-1] // step + 1
        smooth(
            self._smoothed.values,
            self._smoothed.missing,
            self.power,
            spec.smoothing // step,
            self.chosen,
            self._spans(first - back, last + ahead, np.arange(1, spec.reach_days + 1)),
        )
        if spec.forecast and self.grids[Part.FORECAST].size:
            spans = self._spans(first, last + ahead, np.arange(1, min(TYPE_DAYS, spec.reach_days) + 1))
            own = np.array([[first - max(ERROR_LAGS) // step - 1, last + ahead]])
            spread(
                self._told.values,
                self._told.missing,
                self.columns(Part.FORECAST),
                self.scale,
                self.chosen,
                np.concatenate([own, spans]),
            )

    def _spans(self, first: int, end: int, days: NDArray[np.int64]) -> NDArray[np.int64]:
        """The slots `first` to `end` as many days before at the same local time, shape (day, 2)."""
        per_day = DAY_MINUTES // self.panel.step_minutes
        offset = self.local.offset[max(0, first - per_day * int(days[-1])) : end]
        change = int(offset.max() - offset.min()) if offset.size else 0
        return np.column_stack([first - days * per_day - change, end - days * per_day + change])

    def origins(self, issues: Times, delay_minutes: int) -> NDArray[np.int64]:
        """Slot of the last known value, shape (issue, series); -1 where none is recent enough."""
        grid, power, columns = self.panel.power, self.grids[Part.POWER], self.chosen
        last = grid.slots(issues - np.timedelta64(delay_minutes, "m"))
        origin = np.full((len(issues), len(columns)), -1, np.int64)
        # Rounded up: between slots, too, the oldest one is no older than that.
        oldest = grid.slots(issues - np.timedelta64(MAX_AGE_MINUTES - grid.step_minutes + 1, "m"))
        for back in range(MAX_AGE_MINUTES // grid.step_minutes + 1):
            slot = last - back
            usable = (slot >= np.maximum(oldest, 0)) & (slot < len(power))
            known = np.isfinite(power[np.clip(slot, 0, len(power) - 1)][:, columns])
            origin = np.where((origin < 0) & usable[:, None] & known, slot[:, None], origin)
            if (origin >= 0).all():
                break
        return origin

    def scales(self, origin: NDArray[np.int64]) -> Floats:
        """Unit of features and ramps in MW, shape (issue, series): 1 for load, the recent peak for wind and sun."""
        if not plants.is_generation(self.region):
            return np.ones(origin.shape)
        span = min(plants.PEAK_DAYS, self.spec.reach_days) * DAY_MINUTES // self.panel.step_minutes
        smallest = plants.SMALLEST_PEAK * plants.maxima(self.region, self.panel.series)
        kinds = plants.kinds(self.region, self.panel.series)
        return np.asarray(plants.peaks(self.power, origin, self.chosen, kinds, smallest, span), np.float64)


def _check_spans(spec: FeatureSpec, step: int) -> None:
    spans = (*spec.knots, *spec.lags, *spec.rolling, *spec.ranges, *spec.neighbour_lags, *spec.excess)
    if bad := [span for span in spans if span % step]:
        raise ConfigurationError(
            f"The features span {bad[0]} minutes, no multiple of the region's {step}.",
            remedy=f"Use multiples of {step} for horizons, lags and rolling windows.",
            minutes=bad[0],
        )
