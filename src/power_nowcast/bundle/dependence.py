"""The dependence of errors across the steps of a nowcast. Sample paths, and statistics of them such as the next hour's
peak, need more than the quantiles of each step.

The model is a Gaussian copula: the covariance of the errors' normal scores is the sum of four parts, each with a weight
for each series: the noise of the origin (equal at every lead), a random walk, an error of the ramp (which grows with
the lead), and the noise of each value. The parts are fitted at the knots and are defined at every lead between them.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import QUANTILES, Floats

SCORES = np.array([NormalDist().inv_cdf(level) for level in QUANTILES])
"""Normal scores of the quantiles."""
LARGEST_SCORE = 6.0
HOUR_MINUTES = 60.0
_SMALL = 1e-9


@dataclass(frozen=True, eq=False)
class Dependence:
    """`weights` (series, part) of the parts of the covariance, in the order of `parts_of`; leads counted in hours."""

    series: tuple[str, ...]
    weights: Floats

    @classmethod
    def from_held_out(
        cls, series: tuple[str, ...], knots: tuple[int, ...], quantiles_mw: Floats, outcome_mw: Floats
    ) -> Self:
        """Fit to calibrated `quantiles_mw` (issue, series, knot, quantile) and `outcome_mw` (issue, series, knot) of
        hold-out time, NaN if unknown. A series without outcomes has independent steps.
        """
        scores = scores_of(quantiles_mw, outcome_mw)
        spread = (quantiles_mw[..., -2] - quantiles_mw[..., 1]) / (SCORES[-2] - SCORES[1])
        parts = parts_of(np.array(knots), np.array(knots))
        from scipy.optimize import nnls  # noqa: PLC0415 - a quarter of a service's start-up; only fitting needs it

        pairs = np.triu_indices(len(knots))
        weights = np.zeros((len(series), len(parts)))
        for s in range(len(series)):
            known = np.isfinite(scores[:, s]).all(axis=-1)
            if known.sum() <= len(knots):
                weights[s, -1] = 1.0
                continue
            correlation = np.corrcoef(scores[known, s].T).reshape(len(knots), len(knots))
            width = np.maximum(np.median(spread[known, s], axis=0), _SMALL)
            width /= width.mean()
            # The fit uses units of the correlation, so that short leads count as much as long ones.
            scaled = parts / np.multiply.outer(width, width)
            weights[s], _ = nnls(scaled[:, *pairs].T, correlation[pairs])
        return cls(series, weights)

    def correlation(self, series: str, leads: Floats) -> NDArray[np.float64]:
        """Correlation of the errors of a series at leads in minutes after the origin, shape (lead, lead)."""
        covariance = np.tensordot(self.weights[self.series.index(series)], parts_of(leads, leads), 1)
        scale = np.sqrt(np.maximum(np.diag(covariance), _SMALL))
        made = covariance / np.multiply.outer(scale, scale)
        np.fill_diagonal(made, 1.0)
        return np.asarray(made, np.float64)

    def paths(
        self, series: str, quantiles_mw: Floats, leads: Floats, count: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Sample paths of one series through the steps of a nowcast.

        Args:
            series: name of the series.
            quantiles_mw: quantiles of each step in MW, shape (step, quantile).
            leads: minutes of each step after the origin, shape (step,).
            count: number of paths.
            rng: random generator.

        Returns:
            Values in MW, shape (path, step). The marginal distribution of each step is that of its quantiles.
        """
        values, vectors = np.linalg.eigh(self.correlation(series, leads))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        normal = rng.standard_normal((count, len(leads))) @ root.T
        return np.stack([_at_scores(normal[:, n], quantiles_mw[n]) for n in range(len(leads))], axis=1)

    def to_json(self) -> dict[str, Any]:
        return {"series": list(self.series), "weights": self.weights.tolist()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        return cls(tuple(values["series"]), np.array(values["weights"], np.float64))


def parts_of(first: Floats, second: Floats) -> NDArray[np.float64]:
    """Covariances of the four parts between leads in minutes, shape (part, first, second)."""
    a, b = np.asarray(first, float)[:, None] / HOUR_MINUTES, np.asarray(second, float)[None] / HOUR_MINUTES
    return np.stack([np.ones(np.broadcast_shapes(a.shape, b.shape)), np.minimum(a, b), a * b, (a == b).astype(float)])


def scores_of(quantiles_mw: Floats, outcome_mw: Floats) -> NDArray[np.float64]:
    """Normal scores of outcomes (...) within their quantiles (..., quantile): linear between two quantiles, and beyond
    the outermost with the slope of the last two.
    """
    q = np.asarray(quantiles_mw, np.float64)
    steps = np.maximum(np.diff(q, axis=-1), _SMALL)
    q = np.concatenate([q[..., :1], q[..., :1] + np.cumsum(steps, axis=-1)], axis=-1)
    place = np.clip((outcome_mw[..., None] > q).sum(axis=-1) - 1, 0, len(SCORES) - 2)
    low = np.take_along_axis(q, place[..., None], -1)[..., 0]
    step = np.take_along_axis(steps, place[..., None], -1)[..., 0]
    score = SCORES[place] + (outcome_mw - low) / step * np.diff(SCORES)[place]
    known = np.isfinite(outcome_mw) & np.isfinite(quantiles_mw).all(axis=-1)
    return np.where(known, np.clip(score, -LARGEST_SCORE, LARGEST_SCORE), np.nan)


def _at_scores(scores: Floats, quantiles_mw: Floats) -> NDArray[np.float64]:
    """Values in MW at normal scores (path), the inverse of `scores_of` for one step's quantiles (quantile)."""
    place = np.clip(np.searchsorted(SCORES, scores) - 1, 0, len(SCORES) - 2)
    slope = np.diff(quantiles_mw)[place] / np.diff(SCORES)[place]
    return np.asarray(quantiles_mw[place] + (scores - SCORES[place]) * slope, np.float64)
