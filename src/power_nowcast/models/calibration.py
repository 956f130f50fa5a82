"""Conformal calibration: widths that hold on data the model has not seen and keep holding, and a median without habits.

A model's quantiles are stretched about its median, each by a factor. The factors come from held-out time (split
conformal: the empirical quantile of |outcome - median| in units of the model's own distance), are frozen into the
artifact, and then follow the outcomes: quantile tracking on the log factor (adaptive conformal inference, Gibbs and
Candes 2021; Angelopoulos, Candes and Tibshirani 2023), a small step for each series and lead and one for its hour.

The median is tracked as well, at each local hour and with a leak: where most outcomes of an hour lay to one side of it
in the last weeks, it moves there by up to half the interval's half width.

Factors begin at a model's knots and are then tracked at every lead that is answered: what is read between two knots
errs in its own way.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.contracts import MEDIAN, QUANTILES, Floats, Times

STEP = 0.0075
"""Step of the factor of a series and lead, for each outcome."""
HOUR_STEP = 0.015
"""Step of the factor of a series, lead and local hour of the target."""
MEDIAN_STEP = 0.005
"""Share of an hour's balance that the newest outcome replaces: it remembers 200 of them."""
REACH = 0.5
"""How far the median moves, in half widths of 10-90, when every outcome of an hour lay to one side."""
SKEW_STEP = 0.02
"""Step of the gain of a series' and lead's skew, for each outcome."""
LIMIT = np.log(20.0)
"""Factors stay within 1/20 .. 20, whatever happens to the data."""
HOURS = 24
_SMALL = 1e-6
_LEVELS = np.array(QUANTILES)
_SIDE = np.sign(_LEVELS - 0.5)
_LOW, _HIGH = QUANTILES.index(0.1), QUANTILES.index(0.9)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Log factors: `base` (series, lead, quantile), `hourly` (series, lead, hour, quantile); 0 leaves a width as it is.

    `leads` are minutes after the origin.
    In the median's place `hourly` holds the balance of outcomes above (1) and below (-1) it, and `base` the gain of the
    skew: by so much the wider side of a lopsided interval is widened further, and the other one narrowed.
    `as_of` is the time up to which outcomes have been counted. Immutable: `follow` returns a later one.
    """

    series: tuple[str, ...]
    leads: tuple[int, ...]
    base: Floats
    hourly: Floats
    as_of: np.datetime64

    @classmethod
    def from_held_out(
        cls,
        series: tuple[str, ...],
        leads: tuple[int, ...],
        quantiles_mw: Floats,
        outcome_mw: Floats,
        as_of: np.datetime64,
    ) -> Self:
        """Factors with which the held-out `quantiles_mw` (issue, series, lead, quantile) would have been right.

        Args:
            series: their names, in order.
            leads: minutes after the origin.
            quantiles_mw: before calibration, shape (issue, series, lead, quantile).
            outcome_mw: shape (issue, series, lead), NaN where unknown.
            as_of: the time up to which these outcomes were known.
        """
        base = np.zeros((len(series), len(leads), len(QUANTILES)))
        median = quantiles_mw[..., MEDIAN]
        for q, level in enumerate(QUANTILES):
            if q == MEDIAN:
                continue
            side = 1.0 if level > 0.5 else -1.0
            width = np.maximum(side * (quantiles_mw[..., q] - median), _SMALL)
            score = side * (outcome_mw - median) / width
            inside = max(level, 1 - level)
            for s in range(len(series)):
                for k in range(len(leads)):
                    known = score[:, s, k][np.isfinite(score[:, s, k])]
                    if len(known):
                        # The conformal rank: one more than the share, so that the level holds for the next outcome.
                        share = min(1.0, inside * (len(known) + 1) / len(known))
                        base[s, k, q] = np.log(np.clip(np.quantile(known, share), 1 / 20, 20.0))
        return cls(series, leads, base, np.zeros((len(series), len(leads), HOURS, len(QUANTILES))), as_of)

    def at(self, leads: tuple[int, ...]) -> "Calibration":
        """The same calibration at other leads: between its own linear, beyond them as at the nearest."""

        def between(values: Floats) -> Floats:
            return np.apply_along_axis(lambda own: np.interp(leads, self.leads, own), 1, values)

        return replace(self, leads=leads, base=between(self.base), hourly=between(self.hourly))

    @cached_property
    def id(self) -> str:
        """Twelve hex digits that name exactly these factors."""
        digest = hashlib.sha256()
        for array in (self.base, self.hourly):
            digest.update(np.ascontiguousarray(array, np.float64).tobytes())
        return digest.hexdigest()[:12]

    @property
    def unmoved(self) -> "Calibration":
        """The same widths about the model's own median."""
        hourly = self.hourly.copy()
        hourly[..., MEDIAN] = 0.0
        return replace(self, hourly=hourly)

    def apply(self, quantiles_mw: Floats, hours: NDArray[np.int64]) -> NDArray[np.float64]:
        """Move and stretch quantiles (issue, series, lead, quantile).

        `hours` (issue, series, lead) are local hours of the targets.
        """
        s = np.arange(len(self.series))[:, None]
        k = np.arange(len(self.leads))
        return _stretch(quantiles_mw, _log_factors(self.base, self.hourly[s, k, hours], quantiles_mw))

    def follow(
        self,
        quantiles_mw: Floats,
        hours: NDArray[np.int64],
        outcome_mw: Floats,
        issue_times: Times,
        known_at: Times,
        *,
        step: float = STEP,
        hour_step: float = HOUR_STEP,
        median_step: float = MEDIAN_STEP,
        skew_step: float = SKEW_STEP,
    ) -> tuple[NDArray[np.float64], "Calibration"]:
        """Move and stretch the quantiles of successive issue times, each with what was known then; count every outcome.

        Args:
            quantiles_mw: shape (issue, series, lead, quantile).
            hours: local hour of each target, shape (issue, series, lead).
            outcome_mw: shape (issue, series, lead), NaN where unknown.
            issue_times: ascending, shape (issue,).
            known_at: when each outcome could be known, shape (issue, series, lead), NaT where never.
            step: of a series' and lead's log factor, for each outcome; 0 leaves it as it is.
            hour_step: of that of its local hour.
            median_step: of the hour's balance about the median; 0 leaves the median where the model has it.
            skew_step: of the gain of the skew.

        Returns:
            The calibrated quantiles, and the calibration after all outcomes known at the last issue time.
        """
        base, hourly = self.base.copy(), self.hourly.copy()
        # For each outcome the first issue time at which it counts.
        due = np.searchsorted(issue_times, np.where(np.isnat(known_at), issue_times[-1], known_at))
        due = np.maximum(due, np.arange(1, len(issue_times) + 1)[:, None, None])
        due[np.isnat(known_at) | ~np.isfinite(outcome_mw) | (known_at > issue_times[-1])] = len(issue_times)
        order = np.argsort(due, axis=None, kind="stable")
        order = order[: int((due < len(issue_times)).sum())]
        factors = np.empty(quantiles_mw.shape)
        steps = step, hour_step, median_step, skew_step
        skew = _skew(quantiles_mw)
        _track(factors, base, hourly, quantiles_mw, skew, hours, outcome_mw, due.ravel(), order, steps, LIMIT)
        after = type(self)(self.series, self.leads, base, hourly, max(self.as_of, issue_times[-1]))
        return _stretch(quantiles_mw, factors), after

    def to_json(self) -> dict[str, Any]:
        return {
            "series": list(self.series),
            "leads": list(self.leads),
            "base": self.base.tolist(),
            "hourly": self.hourly.tolist(),
            "as_of": str(self.as_of),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        return cls(
            tuple(values["series"]),
            tuple(values["leads"]),
            np.array(values["base"]),
            np.array(values["hourly"]),
            np.datetime64(values["as_of"]),
        )


def _skew(quantiles_mw: Floats) -> Floats:
    """How much further the .9 quantile lies from the median than the .1, as a share of both; -1..1."""
    low, median, high = (quantiles_mw[..., q] for q in (_LOW, MEDIAN, _HIGH))
    return np.asarray((high - 2 * median + low) / np.maximum(high - low, _SMALL))


def _log_factors(base: Floats, hourly: Floats, quantiles_mw: Floats) -> Floats:
    """Log factors of quantiles; in the median's place the hour's balance."""
    found = base + hourly + (base[..., MEDIAN] * _skew(quantiles_mw))[..., None] * _SIDE
    found[..., MEDIAN] = hourly[..., MEDIAN]
    return np.asarray(found)


def _stretch(quantiles_mw: Floats, log_factors: Floats) -> NDArray[np.float64]:
    median = quantiles_mw[..., [MEDIAN]]
    distance = (quantiles_mw - median) * np.exp(log_factors)
    half = (quantiles_mw[..., [_HIGH]] - quantiles_mw[..., [_LOW]]) / 2
    median = median + REACH * log_factors[..., [MEDIAN]] * half
    # Outward from the median no quantile may fall behind the one before it.
    distance[..., MEDIAN:] = np.maximum.accumulate(distance[..., MEDIAN:], axis=-1)
    distance[..., MEDIAN::-1] = np.minimum.accumulate(distance[..., MEDIAN::-1], axis=-1)
    return np.asarray(median + distance, np.float64)


@njit(cache=True, nogil=True)
def _track(
    factors: NDArray[np.float64],
    base: NDArray[np.float64],
    hourly: NDArray[np.float64],
    quantiles: NDArray[np.float64],
    skew: NDArray[np.float64],
    hours: NDArray[np.int64],
    outcome: NDArray[np.float64],
    due: NDArray[np.int64],
    order: NDArray[np.int64],
    steps: tuple[float, float, float, float],
    limit: float,
) -> None:  # pragma: no cover - compiled
    """Write the log factors in force at each issue time, counting outcomes in `order` as they fall due.

    `steps` are those of a series and lead, of its hour, of the hour's balance about the median, and of the skew's gain.
    """
    issues, series, leads, levels = quantiles.shape
    step, hour_step, median_step, skew_step = steps
    at = 0
    for n in range(issues):
        while at < order.shape[0] and due[order[at]] <= n:
            flat = order[at]
            at += 1
            k = flat % leads
            s = flat // leads % series
            m = flat // (leads * series)
            hour = hours[m, s, k]
            raw = quantiles[m, s, k, MEDIAN]
            if raw != raw:
                continue
            half = (quantiles[m, s, k, _HIGH] - quantiles[m, s, k, _LOW]) / 2
            median = raw + REACH * factors[m, s, k, MEDIAN] * half
            side = np.sign(outcome[m, s, k] - median)
            hourly[s, k, hour, MEDIAN] += median_step * (side - hourly[s, k, hour, MEDIAN])
            for q in range(levels):
                if q == MEDIAN:
                    continue
                bound = median + (quantiles[m, s, k, q] - raw) * np.exp(factors[m, s, k, q])
                if q > MEDIAN:
                    surplus = (1.0 if outcome[m, s, k] > bound else 0.0) - (1.0 - _LEVELS[q])
                else:
                    surplus = (1.0 if outcome[m, s, k] < bound else 0.0) - _LEVELS[q]
                base[s, k, q] = min(limit, max(-limit, base[s, k, q] + step * surplus))
                hourly[s, k, hour, q] = min(limit, max(-limit, hourly[s, k, hour, q] + hour_step * surplus))
                gain = base[s, k, MEDIAN] + skew_step * surplus * skew[m, s, k] * _SIDE[q]
                base[s, k, MEDIAN] = min(limit, max(-limit, gain))
        for s in range(series):
            for k in range(leads):
                own, leaning = hourly[s, k, hours[n, s, k]], base[s, k, MEDIAN] * skew[n, s, k]
                for q in range(levels):
                    factors[n, s, k, q] = base[s, k, q] + own[q] + leaning * _SIDE[q]
                factors[n, s, k, MEDIAN] = own[MEDIAN]
