"""Rules that answer where the model cannot, each with the errors that it had in the last weeks at the same age of data.

A rule is applied to the past days of the window that the nowcast is made from: at the same time of day and up to 90
minutes around it, with data as old as they are now. The quantiles of its errors there, taken as split-conformal
calibration takes them, are its quantiles now. So the width of a rule is measured anew at every answer.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from power_nowcast.bundle.ladder import WEEKS
from power_nowcast.contracts import MEDIAN, QUANTILES, Floats, Panel, Part
from power_nowcast.features.interpolation import spread
from power_nowcast.features.spec import DAY_MINUTES, FeatureSpec
from power_nowcast.features.state import State
from power_nowcast.regions import Region

SHARE_DAYS = 7
"""Days before, whose changes of the zones' shares make the usual change of a share."""
ERROR_DAYS = 28
"""Days whose errors are counted, as far as the window has them."""
AROUND_MINUTES = 90
FEWEST_ERRORS, FEWEST_ERROR_DAYS = 40, 5
"""With fewer errors, or with errors of fewer days, a rule does not answer: its tails would be guesses."""
FEWEST_WEEKS = 2
"""Weeks before, of which a usual change is known at least."""
LEAST_SHARE = 0.5
"""Share of the total that the known zones must have."""


@dataclass(frozen=True)
class Shared:
    """The total where zones are missing, from the others and their usual share.

    Attributes:
        panel: the panel with the estimated total.
        missing: names of the missing zones.
        errors: measured minus estimated total in MW, by the errors of the same estimate in past days, shape (n,).
    """

    panel: Panel
    missing: tuple[str, ...]
    errors: Floats

    def widened(self, values: Floats) -> NDArray[np.float64]:
        """Quantiles (step, quantile) of a nowcast from the estimate: the distance of each from the median and the
        estimate's own error add up as independent errors do.
        """
        own = conformal(self.errors) - np.quantile(self.errors, 0.5)
        distance = values - values[:, [MEDIAN]]
        return np.asarray(values[:, [MEDIAN]] + np.sign(own) * np.hypot(distance, own))


@dataclass(frozen=True)
class Rules:
    """The rules for one issue time.

    Args:
        panel: what is known, without patches.
        region: the panel's region.
        spec: spans of the features, for the reading of forecasts.
        issue: the issue time.
    """

    panel: Panel
    region: Region
    spec: FeatureSpec
    issue: np.datetime64

    @property
    def _per_day(self) -> int:
        return DAY_MINUTES // self.panel.step_minutes

    @cached_property
    def _slot(self) -> int:
        """The slot of the issue time."""
        return int(self.panel.power.slots(np.array([self.issue]))[0])

    @cached_property
    def _steps(self) -> NDArray[np.int64]:
        return np.array(self.region.steps_minutes) // self.panel.step_minutes

    @cached_property
    def _past(self) -> NDArray[np.int64]:
        """Slots of past issue times at the same time of day, and around it."""
        around = np.arange(-(AROUND_MINUTES // self.panel.step_minutes), AROUND_MINUTES // self.panel.step_minutes + 1)
        days = np.arange(1, ERROR_DAYS + 1) * self._per_day
        return (self._slot - days[:, None] + around).ravel()

    @cached_property
    def _told(self) -> Floats:
        """The operator's forecast at every slot of power and up to the last step, shape (series, slot)."""
        state = State(self.panel, self.region, self.spec, np.arange(len(self.panel.series)))
        slots = self._slot + int(self._steps[-1]) + 1
        out = np.full((len(self.panel.series), max(slots, 1)), np.nan)
        spans = np.array([[0, out.shape[1]]])
        spread(out, np.ones(out.shape[1], np.bool_), state.columns(Part.FORECAST), state.scale, state.chosen, spans)
        return out

    def operator(self, column: int, age_slots: int) -> NDArray[np.float64] | None:
        """The operator's forecast, shifted by its error at the last known value; quantiles (step, quantile) in MW, None
        if it is not known.
        """
        if not self.panel.forecast.values.size:
            return None
        told = self._told[column]
        return self._answer(column, age_slots, lambda origin, target: at(told, target) - at(told, origin))

    def seasonal(self, column: int, age_slots: int) -> NDArray[np.float64] | None:
        """The last known value, and the usual change at this time of the week; quantiles (step, quantile) in MW, None
        if history is too short.
        """
        power = self.panel.power.values[:, column]
        weeks = np.array(WEEKS)[:, None] * self._per_day

        def usual(origin: NDArray[np.int64], target: NDArray[np.int64]) -> Floats:
            changes = at(power, target - weeks) - at(power, origin - weeks)
            known = np.isfinite(changes).sum(axis=0)
            mean = np.where(np.isfinite(changes), changes, 0.0).sum(axis=0) / np.maximum(known, 1)
            return np.where(known >= FEWEST_WEEKS, mean, np.nan)

        return self._answer(column, age_slots, usual)

    def _answer(
        self, column: int, age_slots: int, change: Callable[[NDArray[np.int64], NDArray[np.int64]], Floats]
    ) -> NDArray[np.float64] | None:
        """The last value plus `change` from its slot to that of a step, with the errors that this had in past days."""
        power, out = self.panel.power.values[:, column], []
        for step in self._steps:

            def said(now: NDArray[np.int64], step: int = int(step)) -> Floats:
                origin = now - age_slots
                return np.asarray(at(power, origin) + change(origin, now + step))

            errors = at(power, self._past + step) - said(self._past)
            is_known = np.isfinite(errors)
            days = np.count_nonzero(is_known.reshape(ERROR_DAYS, -1).any(axis=1))
            centre = float(said(np.array([self._slot]))[0])
            if is_known.sum() < FEWEST_ERRORS or days < FEWEST_ERROR_DAYS or not np.isfinite(centre):
                return None
            out.append(centre + conformal(errors[is_known]))
        return np.array(out)

    def shared_total(self) -> Shared | None:
        """The total where zones are missing, None where it is known or the others are too few."""
        if self.region.total is None or self._slot < 0:
            return None
        power = self.panel.power.values[: self._slot + 1]
        total, zones = power[:, 0], power[:, 1:]
        whole = np.flatnonzero(np.isfinite(total))
        some = np.flatnonzero(np.isfinite(zones).any(axis=1))
        if not len(whole) or some[-1] <= whole[-1]:
            return None
        last, newest = int(whole[-1]), int(some[-1])
        known = np.isfinite(zones[newest])
        others = zones[:, known].sum(axis=1)
        if newest - last > self._per_day or others[last] < LEAST_SHARE * total[last]:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(others > 0, total / others, np.nan)
        slots = np.arange(last + 1, newest + 1)
        estimate = others[slots] * self._ratio(ratio, slots, slots - last)
        past = self._past[self._past < last]
        lag = np.full(len(past), newest - last)
        errors = at(total, past) - at(others, past) * self._ratio(ratio, past, lag)
        errors = errors[np.isfinite(errors)]
        if not np.isfinite(estimate[-1]) or len(errors) < FEWEST_ERRORS:
            return None
        values = self.panel.power.values.copy(order="F")
        values[slots, 0] = estimate
        missing = tuple(name for name, is_known in zip(self.panel.series[1:], known, strict=True) if not is_known)
        panel = replace(self.panel, power=replace(self.panel.power, values=values))
        return Shared(panel, missing, errors)

    def _ratio(self, ratio: Floats, slots: NDArray[np.int64], lag: NDArray[np.int64]) -> NDArray[np.float64]:
        """Total by the others at slots, from what was known `lag` slots before and its usual change in past days."""
        days = np.arange(1, SHARE_DAYS + 1)[:, None] * self._per_day
        changes = at(ratio, slots - days) - at(ratio, slots - lag - days)
        known = np.isfinite(changes)
        usual = np.where(known, changes, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return np.asarray(at(ratio, slots - lag) + usual)


def at(values: Floats, slots: NDArray[np.int64]) -> NDArray[np.float64]:
    """Values (slot,) at slots of any shape, NaN beyond the ends."""
    inside = (slots >= 0) & (slots < len(values))
    return np.where(inside, values[np.clip(slots, 0, len(values) - 1)], np.nan)


def conformal(errors: Floats) -> NDArray[np.float64]:
    """Quantiles of errors (n,) at the levels of a nowcast, a little wider, so that they hold for the next error."""
    levels = 0.5 + (np.array(QUANTILES) - 0.5) * (len(errors) + 1) / len(errors)
    return np.asarray(np.quantile(errors, np.clip(levels, 0, 1)))
