"""What the ladder learns at training: the widths that an answer needs without a family of inputs, and the limits
beyond which no nowcast is believed.

Widths are measured on hold-out time. The columns of a family are emptied, the change of the model's answer is added to
its out-of-sample quantiles, and a split-conformal factor for each side of the band makes their coverage nominal again.
The change is taken from a week before: a model that was fitted once more on hold-out time knows its outcomes, and its
change at the same time would tell of that. If the answer is then not 10 % better in pinball loss than the usual change
of the last four weeks, the model is left out while that family is missing.
Limits come from all of history: the most extreme value that ever was, or the level that an exponential tail exceeds
once in a million, if that is further out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.outcomes import local_hours, origin_times, target_times
from power_nowcast.contracts import MEDIAN, QUANTILES, FeatureBlock, Floats
from power_nowcast.features.build_features import layout
from power_nowcast.features.families import FAMILIES
from power_nowcast.features.family import Scope
from power_nowcast.features.spec import DAY_MINUTES, FeatureSpec
from power_nowcast.models.base import Model
from power_nowcast.models.examples import Examples
from power_nowcast.regions import Region
from power_nowcast.scoring import pinball_losses

MISSABLE = ("weather", "forecast", "weather_forecast")
"""The families of inputs that a source may fail to deliver."""
WEEKS = (7, 14, 21, 28)
"""Days before, whose changes at the same time make the usual change."""
BETTER = 0.1
"""The least by which a rung is better in pinball loss than the next one; otherwise it is left out."""
MOST_ROWS = 2000
"""Issue times of hold-out time on which widths are measured; more would slow down training."""
ROUNDING = 1e-5
"""A gap of this share of the total is no gap: features have single precision."""
TAIL, BEYOND = 0.01, 1e-6
"""Share of values that make the tail, and the share that lies beyond a limit."""


@dataclass(frozen=True, eq=False)
class Limits:
    """Limits of believable nowcasts, in units of the block's scale: MW for load. `knots` count from the origin.

    Attributes:
        knots: minutes after the origin.
        fall: the most that a series falls by each knot, negative, shape (series, knot).
        rise: the most that it rises, shape (series, knot).
        bend: the most that the value at a knot lies off the line between the knots beside it, shape (series,
            knot) without the last knot.
        gap: in MW, the most that the median of the total lies off the sum of its zones', shape (knot,); empty
            without a total.
        least: the lowest value of each series in MW, shape (series,).
    """

    knots: tuple[int, ...]
    fall: Floats
    rise: Floats
    bend: Floats
    gap: Floats
    least: Floats

    @classmethod
    def of(cls, region: Region, parts: tuple[Examples, ...], knots: tuple[int, ...], held_out: Floats) -> Self:
        """The limits of history.

        Args:
            region: the region of the examples.
            parts: the examples of training and hold-out time.
            knots: minutes after the origin of the outcomes.
            held_out: calibrated quantiles of hold-out time in MW, shape (issue, series, knot, quantile).
        """
        ramps = np.concatenate([part.scaled_ramps for part in parts])
        outcomes = np.concatenate([part.outcome_mw for part in parts])
        series = parts[0].block.series
        gap: Floats = np.empty(0)
        if region.total is not None and set(series) == set(region.series):
            total = series.index(region.total)
            medians = held_out[..., MEDIAN]
            zones = np.delete(medians, total, axis=1).sum(axis=1)
            # A model that sums exactly is off by the rounding of its features.
            gap = np.maximum(_each(np.abs(zones - medians[:, total])), ROUNDING * np.nanmax(np.abs(medians[:, total])))
        return cls(
            knots=knots,
            fall=-_each(np.maximum(-ramps, 0.0)),
            rise=_each(np.maximum(ramps, 0.0)),
            bend=_each(np.abs(bends(ramps, np.array(knots, np.float64)))),
            gap=gap,
            least=_least(outcomes),
        )

    def ramps(self, series: int, lead: Floats) -> tuple[Floats, Floats]:
        """The most that a series falls and rises by minutes after the origin, each of shape (lead,).

        A ramp that is longer than the last knot is at most as large as the ramps of its parts together.
        """
        last = self.knots[-1]
        whole, rest = np.floor(lead / last), lead % last
        fall, rise = (
            whole * one[series, -1] + np.interp(rest, (0.0, *self.knots), np.append(0.0, one[series]))
            for one in (self.fall, self.rise)
        )
        return fall, rise

    def to_json(self) -> dict[str, Any]:
        return {
            "knots": list(self.knots),
            **{name: getattr(self, name).tolist() for name in ("fall", "rise", "bend", "gap", "least")},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        arrays = {name: np.array(values[name], np.float64) for name in ("fall", "rise", "bend", "gap", "least")}
        return cls(knots=tuple(values["knots"]), **arrays)


@dataclass(frozen=True, eq=False)
class Ladder:
    """What a bundle knows about answers that are not made from all inputs.

    Attributes:
        left_out: missing families, joined as for `widths`, without which the usual change of the last four weeks is
            the better answer.
        widths: by the missing families, joined by a comma in the order of `MISSABLE`, log factors of the distance of
            each quantile from the median, shape (series, knot, quantile); never negative.
        limits: limits of believable nowcasts.
    """

    widths: Mapping[str, Floats]
    limits: Limits
    left_out: tuple[str, ...] = ()

    @classmethod
    def measured(
        cls,
        region: Region,
        spec: FeatureSpec,
        model: Model,
        calibration: Calibration,
        held_out: tuple[Floats, Floats],
        examples: tuple[Examples, Examples],
    ) -> Self:
        """Measure widths and limits.

        Args:
            region: the model's region.
            spec: its features.
            model: the fitted model.
            calibration: its calibration at its knots.
            held_out: out-of-sample quantiles of hold-out time in MW before and after calibration, each of shape (issue,
                series, knot, quantile).
            examples: those of training and of hold-out time.
        """
        train, valid = examples
        rows = np.arange(0, len(valid.block.issue_times), -(-len(valid.block.issue_times) // MOST_ROWS))
        some = Examples(valid.block.take(rows), valid.outcome_mw[rows])
        before = held_out[0][rows]
        answer = model.predict(some.block)
        full = _calibrated(calibration, region, some.block, before)
        usual, week, widths, left_out = _usual_loss(some), _rows_of_a_week(some.block), {}, list[str]()
        # A model that is hardly better with all inputs, such as a baseline, is not left out for a missing one.
        is_worth_it = usual is not None and float(np.mean(_mean_loss(some, full) / usual)) <= 1 - BETTER
        for missing, columns in _missing_columns(region, spec, some.block).items():
            x = some.block.x.copy()
            x[..., columns] = np.nan
            block = replace(some.block, x=x)
            change = np.roll(model.predict(block) - answer, week, axis=0)
            # Another week's change may make quantiles cross.
            without = _calibrated(calibration, region, block, np.sort(before + change, axis=-1))
            needed = _log_scores(without, some.outcome_mw) - _log_scores(full, some.outcome_mw)
            widths[missing] = np.maximum(np.nan_to_num(needed), 0.0)
            median = without[..., [MEDIAN]]
            loss = _mean_loss(some, median + (without - median) * np.exp(widths[missing]))
            if usual is not None and is_worth_it and float(np.mean(loss / usual)) > 1 - BETTER:
                left_out.append(missing)
        limits = Limits.of(region, (train, valid), model.knots, held_out[1])
        return cls(widths, limits, tuple(left_out))

    def factors(self, missing: tuple[str, ...], lead: NDArray[np.float64], series: int) -> NDArray[np.float64]:
        """Log factors of a series' widths at minutes after the origin, shape (lead, quantile); 0 where not measured."""
        told = self.widths.get(",".join(missing))
        if told is None:
            return np.zeros((len(lead), len(QUANTILES)))
        own = told[series]
        return np.stack([np.interp(lead, self.limits.knots, own[:, q]) for q in range(own.shape[-1])], axis=-1)

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` restores the same bits."""
        return {
            "widths": {name: one.tolist() for name, one in self.widths.items()},
            "limits": self.limits.to_json(),
            "left_out": list(self.left_out),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        widths = {name: np.array(one, np.float64) for name, one in values["widths"].items()}
        return cls(widths, Limits.from_json(values["limits"]), tuple(values["left_out"]))


def bends(ramps: Floats, knots: Floats) -> NDArray[np.float64]:
    """How far the ramp (..., knot) at each knot lies off the line between the knots beside it, the origin being the
    first; shape (..., knot - 1).
    """
    at = np.concatenate([[0.0], knots])
    value = np.concatenate([np.zeros_like(ramps[..., :1]), ramps], axis=-1)
    weight = (at[1:-1] - at[:-2]) / (at[2:] - at[:-2])
    return np.asarray(value[..., 1:-1] - (1 - weight) * value[..., :-2] - weight * value[..., 2:])


def _each(values: Floats) -> NDArray[np.float64]:
    """The limit of each column of values (row, ...) that are not negative; NaN for a column without a value."""
    flat = values.reshape(len(values), -1)
    return np.array([_limit(column[np.isfinite(column)]) for column in flat.T]).reshape(values.shape[1:])


def _limit(values: Floats) -> float:
    if not len(values):
        return float("nan")
    edge = float(np.quantile(values, 1 - TAIL))
    tail = values[values > edge]
    excess = float((tail - edge).mean()) if len(tail) else 0.0
    return max(float(values.max()), edge + excess * float(np.log(TAIL / BEYOND)))


def _least(outcomes: Floats) -> NDArray[np.float64]:
    flat = np.moveaxis(outcomes, 1, 0).reshape(outcomes.shape[1], -1)
    return np.array([np.nanmin(one) if np.isfinite(one).any() else np.nan for one in flat])


def _calibrated(calibration: Calibration, region: Region, block: FeatureBlock, quantiles: Floats) -> Floats:
    hours = local_hours(target_times(block, calibration.leads), region.timezone)
    return calibration.unmoved.apply(quantiles, hours, origin_times(block))


def _log_scores(quantiles: Floats, outcome: Floats) -> NDArray[np.float64]:
    """By series, knot and quantile the log factor of its distance from the median that makes its coverage nominal."""
    held = Calibration.from_held_out(
        tuple(str(n) for n in range(quantiles.shape[1])),
        tuple(range(quantiles.shape[2])),
        quantiles,
        outcome,
        np.datetime64(0, "m"),
    )
    return np.asarray(held.base)


def _rows_of_a_week(block: FeatureBlock) -> int:
    """Rows from one time to the same time a week later, half of all if there are fewer."""
    issues = block.issue_times
    spacing = max(1, int(np.median(np.diff(issues).astype(np.int64)))) if len(issues) > 1 else 1
    return min(7 * DAY_MINUTES // spacing, len(issues) // 2)


def _usual_loss(examples: Examples) -> Floats | None:
    """Mean pinball loss (series, knot) of the last value plus the usual change of the last four weeks, with the
    quantiles of its own errors; None if the features do not have it.
    """
    block, knots = examples.block, sorted({horizon for horizon in examples.block.horizons if horizon})
    names = [[f"day{days}_ramp_h{knot}" for days in WEEKS] for knot in knots]
    if not knots or not {name for row in names for name in row} <= set(block.names):
        return None
    columns = np.array([[block.names.index(name) for name in row] for row in names])
    ramps = block.x[..., columns].astype(np.float64).mean(axis=-1) * block.scale_mw[..., None]
    centre = block.origin_mw[..., None] + ramps
    error = examples.outcome_mw - centre
    if not np.isfinite(error).any(axis=0).all():
        return None
    spread = np.moveaxis(np.nanquantile(error, QUANTILES, axis=0), 0, -1)
    return _mean_loss(examples, centre[..., None] + spread)


def _mean_loss(examples: Examples, quantiles: Floats) -> NDArray[np.float64]:
    """Mean pinball loss by series and knot; NaN where no outcome is known."""
    losses = pinball_losses(examples.outcome_mw, quantiles, QUANTILES).mean(axis=-1)
    known = np.isfinite(losses)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, losses, 0.0).sum(axis=0) / known.sum(axis=0))


def _missing_columns(region: Region, spec: FeatureSpec, block: FeatureBlock) -> dict[str, NDArray[np.int64]]:
    """By the missing families, the columns of a block that are then empty; nothing for columns of another origin."""
    weather = region.weather.variables if region.weather else ()
    ahead = region.weather_forecast.variables if region.weather_forecast else ()
    where = layout(Scope(region, spec, region.series, region.forecast is not None, weather, ahead), FAMILIES)
    if where.names != block.names:
        return {}
    had = [name for name in MISSABLE if name in where.slices]
    every = np.arange(len(block.names))
    return {
        ",".join(chosen): np.concatenate([every[where.slices[name]] for name in chosen])
        for count in range(1, len(had) + 1)
        for chosen in combinations(had, count)
    }
