"""The compiled part of online calibration: it counts outcomes when they become known, and moves the state by them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.contracts import MEDIAN, QUANTILES, Floats
from power_nowcast.models.base import MEDIAN_STEP

REACH = 0.5
"""Shift of the median, in half widths of 10-90, if every outcome of an hour was on one side."""
PULL_KEPT = 0.999
"""Forgetting factor of the sums for the pull, per outcome: a memory of about a thousand outcomes."""
PULL_PRIOR = 5.0
"""Added to the squares, so that the pull is weak after the first few outcomes."""
OUTLIER = 3.0
"""Residuals are clipped at so many half widths of 10-90, for the pull and for its regression."""
SMALL = 1e-6
_LEVELS = np.array(QUANTILES)
SIDE = np.sign(_LEVELS - 0.5)


class Steps(NamedTuple):
    """Steps of the tracking, for each outcome; 0 keeps a state as it is.

    `base` is the step of the log factor of a series and lead, `hour` that of the local hour of the target, `median`
    that of the hour's balance around the median (0 keeps the model's median, without any pull), `skew` that of the gain
    of the skew. `pooled` is the share of `hour` and `median` by which the hours before and after move with an hour.
    """

    base: float = 0.0075
    hour: float = 0.02
    median: float = MEDIAN_STEP
    skew: float = 0.02
    pooled: float = 0.5

    def times(self, by: float) -> "Steps":
        """All of them so many times as large; neighbouring hours keep their share."""
        return Steps(*(by * step for step in self))._replace(pooled=self.pooled)

    @property
    def are_steps(self) -> bool:
        """Whether each is a number from 0 to 1."""
        return all(isinstance(step, float) and 0.0 <= step <= 1.0 for step in self)


STEPS = Steps()
"""Steps of new bundles. Neighbouring hours share outcomes, so widths follow a change of the day's shape sooner."""
STEPS_BEFORE = Steps(hour=0.015, pooled=0.0)
"""Steps of bundles that name none: those of formats up to 8."""


def steps_in(calibration: Mapping[str, Any], median: float) -> Steps:
    """The steps that a bundle's `calibration.json` names; without any, those of before with this step of the median."""
    return Steps(**calibration["steps"]) if "steps" in calibration else STEPS_BEFORE._replace(median=median)


@njit(cache=True, nogil=True)
def shifts(error: Floats, half: Floats, pulls: Floats) -> Floats:  # pragma: no cover - compiled
    """The shift of each median (issue, series, lead) by the newest residuals (issue, series)."""
    out = np.empty(half.shape)
    for n in range(half.shape[0]):
        for s in range(half.shape[1]):
            for k in range(half.shape[2]):
                out[n, s, k] = _shift(error[n, s], half[n, s, k], pulls[s, k, 0], pulls[s, k, 1])
    return out


@njit(cache=True, nogil=True)
def _cut(error: float, half: float) -> float:  # pragma: no cover - compiled
    return min(OUTLIER * half, max(-OUTLIER * half, error))


@njit(cache=True, nogil=True)
def _shift(error: float, half: float, products: float, squares: float) -> float:  # pragma: no cover - compiled
    """The pull of a residual, by the sums of products and of squares: at most the residual itself."""
    return _cut(error, half) * min(1.0, max(-1.0, products / (squares + PULL_PRIOR)))


type _Rows = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
type _Pull = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], int]
type _About = tuple[
    NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]
]


@njit(cache=True, nogil=True)
def track(
    in_force: _Rows,
    learnt: _Rows,
    pull: _Pull,
    about: _About,
    counted: tuple[NDArray[np.int64], NDArray[np.int64], int],
    steps: Steps,
    limit: float,
) -> None:  # pragma: no cover - compiled
    """Write the state in force at each issue time from `begin` on, and count outcomes when they become known.

    Args:
        in_force: output: the log factors, the balance, the shift and the newest residual.
        learnt: changed in place: `base`, `hourly`, `balance` and `skew`.
        pull: `pulls`, the newest residuals and their origins, changed in place; the origins (issue, series), the first
            lead.
        about: the quantiles, their skew, their half widths, the local hours and the outcomes.
        counted: the issue time at which each outcome becomes known, their order by it, and `begin`; the state in
            force at earlier issue times is given.
        steps: steps of the tracking.
        limit: limit of the log factors.
    """
    factors, lean, shift, errors = in_force
    base, hourly, balance, gains = learnt
    quantiles, skew, half, hours, _ = about
    due, order, begin = counted
    issues, series, leads, levels = quantiles.shape
    pulls, error_mw, error_at, origins, _ = pull
    at = 0
    for n in range(begin, issues):
        while at < order.shape[0] and due[order[at]] <= n:
            flat = order[at]
            at += 1
            cell = flat // (leads * series), flat // leads % series, flat % leads
            if quantiles[cell[0], cell[1], cell[2], MEDIAN] == quantiles[cell[0], cell[1], cell[2], MEDIAN]:
                _count(cell, in_force, learnt, pull, about, steps, limit)
        for s in range(series):
            if steps.median > 0.0 and origins[n, s] == error_at[s]:
                errors[n, s] = error_mw[s]
            for k in range(leads):
                shift[n, s, k] = _shift(errors[n, s], half[n, s, k], pulls[s, k, 0], pulls[s, k, 1])
                own, leaning = hourly[s, k, hours[n, s, k]], gains[s, k] * skew[n, s, k]
                lean[n, s, k] = balance[s, k, hours[n, s, k]]
                for q in range(levels):
                    factors[n, s, k, q] = base[s, k, q] + own[q] + leaning * SIDE[q]


@njit(cache=True, nogil=True)
def _count(
    cell: tuple[int, int, int],
    in_force: _Rows,
    learnt: _Rows,
    pull: _Pull,
    about: _About,
    steps: Steps,
    limit: float,
) -> None:  # pragma: no cover - compiled
    """Count the outcome of one issue time, series and lead; arguments as for `track`."""
    m, s, k = cell
    factors, lean, shift, errors = in_force
    base, hourly, balance, gains = learnt
    pulls, error_mw, error_at, origins, first_lead = pull
    quantiles, skew, half, hours, outcome = about
    hour, raw, reach = hours[m, s, k], quantiles[m, s, k, MEDIAN], half[m, s, k]
    median = raw + REACH * lean[m, s, k] * reach + shift[m, s, k]
    error = outcome[m, s, k] - raw
    if k == 0 and origins[m, s] + first_lead > error_at[s]:
        error_mw[s], error_at[s] = error, origins[m, s] + first_lead
    if errors[m, s] != 0.0 and reach > SMALL:
        before, after = _cut(errors[m, s], reach) / reach, _cut(error, reach) / reach
        # The remaining error has an absolute, not a squared, weight: the regression is for the median.
        weight = 1.0 / (1.0 + abs(error - shift[m, s, k]) / reach)
        pulls[s, k, 0] = PULL_KEPT * pulls[s, k, 0] + weight * before * after
        pulls[s, k, 1] = PULL_KEPT * pulls[s, k, 1] + weight * before * before
    side = np.sign(outcome[m, s, k] - median)
    day = hourly.shape[2]
    beside = ((hour - 1) % day, (hour + 1) % day)
    balance[s, k, hour] += steps.median * (side - balance[s, k, hour])
    if steps.pooled > 0.0:
        for near in beside:
            balance[s, k, near] += steps.pooled * steps.median * (side - balance[s, k, near])
    for q in range(quantiles.shape[3]):
        if q == MEDIAN:
            continue
        bound = median + (quantiles[m, s, k, q] - raw) * np.exp(factors[m, s, k, q])
        if q > MEDIAN:
            surplus = (1.0 if outcome[m, s, k] > bound else 0.0) - (1.0 - _LEVELS[q])
        else:
            surplus = (1.0 if outcome[m, s, k] < bound else 0.0) - _LEVELS[q]
        base[s, k, q] = min(limit, max(-limit, base[s, k, q] + steps.base * surplus))
        hourly[s, k, hour, q] = min(limit, max(-limit, hourly[s, k, hour, q] + steps.hour * surplus))
        if steps.pooled > 0.0:
            moved = steps.pooled * steps.hour * surplus
            for near in beside:
                hourly[s, k, near, q] = min(limit, max(-limit, hourly[s, k, near, q] + moved))
        gain = gains[s, k] + steps.skew * surplus * skew[m, s, k] * SIDE[q]
        gains[s, k] = min(limit, max(-limit, gain))
