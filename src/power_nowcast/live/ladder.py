"""The ladder: from the model with all inputs down to a refusal, each answer with its rung and its reasons."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.calibration import Calibration
from power_nowcast.contracts import MEDIAN, FeatureBlock, Floats, Panel
from power_nowcast.contracts.rungs import Rung
from power_nowcast.live.holding import Checks
from power_nowcast.live.rules import Rules, Shared

FLAGS = {"weather": "no weather", "forecast": "no operator forecast", "weather_forecast": "no weather forecast"}
"""Flags of missing families of inputs, by family, in the order of `bundle.ladder.MISSABLE`."""


@dataclass(frozen=True)
class Answer:
    """The answer of one series: `values` (step, quantile) in MW, NaN if it is refused."""

    rung: Rung
    values: Floats
    origin_mw: float
    age_minutes: float
    reasons: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    """Why answers of better rungs were held back."""


@dataclass(frozen=True)
class Ladder:
    """The rungs of one version at one issue time.

    Args:
        bundle: the version.
        calibration: the calibration in force.
        panel: what is known at the issue time.
        block: the features of the issue time.
        flags: what is missing.
        usual_age: minutes from which a last value is late.
    """

    bundle: Bundle
    calibration: Calibration
    panel: Panel
    block: FeatureBlock
    flags: Sequence[str] = ()
    usual_age: float = 0.0
    _tried: dict[int, Iterator[Answer]] = field(default_factory=dict, init=False)

    @property
    def issue(self) -> np.datetime64:
        """The issue time."""
        return np.datetime64(self.block.issue_times[0], "m")

    @cached_property
    def _rules(self) -> Rules:
        return Rules(self.panel, self.bundle.region, self.bundle.spec, self.issue)

    @cached_property
    def _model(self) -> Floats:
        return np.asarray(self.bundle.from_features(self.block, self.calibration).values[0])

    @cached_property
    def _last_value(self) -> Floats:
        return np.asarray(self.bundle.late(self.block).values[0])

    @cached_property
    def _shared(self) -> tuple[Shared, FeatureBlock, Floats] | None:
        """The total from the zones that are known, its features and the model's answers from it."""
        shared = self._rules.shared_total()
        if shared is None:
            return None
        block = self.bundle.features(shared.panel, self.block.issue_times)
        return shared, block, self.bundle.from_features(block, self.calibration).values[0]

    def answers(self) -> list[Answer]:
        """The answer of every series: that of the best rung which exists and is not held back."""
        series, region = self.block.series, self.bundle.region
        found = [self._next(s) for s in range(len(series))]
        if region.total is None or set(series) != set(region.series):
            return found
        total = series.index(region.total)
        if all(one.rung.is_model and one.rung is not Rung.ZONES for one in found):
            checks, age = Checks(self.bundle, self.block.scale_mw[0]), max(one.age_minutes for one in found)
            why = checks.total(np.stack([one.values for one in found]), total, age)
            if why:
                after = self._next(total)
                found[total] = replace(after, held=(*found[total].held, why, *after.held))
        return found

    def _next(self, s: int) -> Answer:
        """The next answer of a series that is not held back."""
        candidates = self._tried.setdefault(s, self.candidates(s))
        checks, held = Checks(self.bundle, self.block.scale_mw[0]), list[str]()
        for one in candidates:
            why = "" if one.rung is Rung.REFUSED else checks.against(s, one.values, one.origin_mw, one.age_minutes)
            if not why:
                return replace(one, held=tuple(held))
            held.append(why)
        raise AssertionError("a refusal is never held back")

    def candidates(self, s: int) -> Iterator[Answer]:
        """The answers of a series by rung, best first; the last one is a refusal."""
        is_shared = False
        if self.block.series[s] == self.bundle.region.total:
            shared = self._from_zones(s)
            if shared is not None:
                yield shared
                is_shared = True
        age, origin = float(self.block.age_minutes[0, s]), float(self.block.origin_mw[0, s])
        if np.isfinite(age):
            late = (f"load {age:.0f} minutes late",) if age >= self.usual_age + self.panel.step_minutes else ()
            is_reached = age + max(self.bundle.region.steps_minutes) <= self.bundle.leads[-1]
            # Beside a total from its other zones, one from the last whole sum is hardly better or worse: left out.
            if is_reached and not is_shared and not self._is_left_out:
                yield self._by_model(s, late)
            column, slots = self.panel.series.index(self.block.series[s]), int(age) // self.panel.step_minutes
            rules: tuple[tuple[Rung, Callable[[int, int], Floats | None], str], ...] = (
                (Rung.OPERATOR, self._rules.operator, "the operator's forecast, shifted by its last known error"),
                (Rung.SEASONAL, self._rules.seasonal, "the last value and the usual change at this time"),
            )
            for rung, rule, words in rules:
                values = rule(column, slots)
                if values is not None:
                    possible = self.bundle.possible(self.block.issue_times, (self.block.series[s],), values[None, None])
                    yield Answer(rung, possible[0, 0], origin, age, (*late, words))
            if is_reached and self._is_left_out:
                yield self._by_model(s, late)
            if np.isfinite(self._last_value[s]).all():
                yield Answer(Rung.PERSISTENCE, self._last_value[s], origin, age, (*late, "the last value"))
        nothing = np.full(self._model.shape[1:], np.nan)
        yield Answer(Rung.REFUSED, nothing, origin, age, ("no value is recent enough",))

    @cached_property
    def _missing(self) -> tuple[str, ...]:
        """The families of inputs that are missing."""
        return tuple(name for name, flag in FLAGS.items() if flag in self.flags)

    @property
    def _is_left_out(self) -> bool:
        """Whether the model without its missing families is worse than the usual change of the last weeks."""
        return self.bundle.ladder is not None and ",".join(self._missing) in self.bundle.ladder.left_out

    def _by_model(self, s: int, late: tuple[str, ...]) -> Answer:
        """The model's answer, its widths as its missing families of inputs need them."""
        age, values = float(self.block.age_minutes[0, s]), self._widened(self._model[s], s, self.block)
        rung = Rung.LATE if late else Rung.INPUTS if self.flags else Rung.ALL
        return Answer(rung, values, float(self.block.origin_mw[0, s]), age, (*late, *self.flags))

    def _from_zones(self, s: int) -> Answer | None:
        """The total's answer where zones are missing."""
        if self._shared is None:
            return None
        shared, block, answers = self._shared
        age = float(block.age_minutes[0, s])
        if not np.isfinite(answers[s]).all():
            return None
        values = shared.widened(self._widened(answers[s], s, block))
        possible = self.bundle.possible(block.issue_times, (block.series[s],), values[None, None])[0, 0]
        why = f"{', '.join(shared.missing)} missing: the total is from the others and their usual share"
        return Answer(Rung.ZONES, possible, float(block.origin_mw[0, s]), age, (why, *self.flags))

    def _widened(self, values: Floats, s: int, block: FeatureBlock) -> Floats:
        """Quantiles (step, quantile) of the model, as wide as the missing families of inputs need them."""
        missing = self._missing
        if not missing or self.bundle.ladder is None:
            return values
        lead = block.age_minutes[0, s] + np.array(self.bundle.region.steps_minutes, np.float64)
        median = values[:, [MEDIAN]]
        wide = median + (values - median) * np.exp(self.bundle.ladder.factors(missing, lead, s))
        wide[:, MEDIAN:] = np.maximum.accumulate(wide[:, MEDIAN:], axis=1)
        wide[:, MEDIAN::-1] = np.minimum.accumulate(wide[:, MEDIAN::-1], axis=1)
        return np.asarray(self.bundle.possible(block.issue_times, (block.series[s],), wide[None, None])[0, 0])
