"""The linear fit that boosters start from: they learn what it leaves.

A ramp is close to a weighted sum of ramps that are features, and trees need hundreds of rounds to add up a sum. After
a ridge regression they need half the rounds, are more accurate, and their ramps are as large as those that come.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from power_nowcast.contracts import Floats
from power_nowcast.models.files import finite
from power_nowcast.models.linear import Linear

LIMIT = 8.0
"""Standardised features are clipped to this, which limits the effect of values outside the training range."""

MOST_ROWS = 300_000
"""Rows of a fit: of more, every second, third, ... counts. A few hundred weights need no more, and the fit computes in
double precision, which takes gigabytes of millions of rows."""


@dataclass(frozen=True, eq=False)
class Start:
    """Ridge regressions of one series' ramp, one for each knot. An unknown feature counts as its mean.

    Attributes:
        mean: mean of each feature in training, shape (feature,).
        spread: its standard deviation, 1 for a constant, shape (feature,).
        weights: of the standardised features, shape (feature, knot).
        bias: mean ramp, shape (knot,).
        explained: share of the ramps' variance in training that the fit explains, shape (knot,).
    """

    mean: Floats
    spread: Floats
    weights: Floats
    bias: Floats
    explained: Floats

    @classmethod
    def of(cls, x: NDArray[np.float32], ramps: Floats) -> Self:
        """The fit to features (row, feature) and ramps (row, knot), NaN if unknown; of very many rows, to a part."""
        thin = slice(None, None, -(-len(x) // MOST_ROWS) or 1)
        x, ramps = x[thin], ramps[thin]
        known = np.isfinite(x)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, x, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, x - mean, 0.0) ** 2).sum(axis=0) / count)
        spread[spread == 0] = 1.0
        inputs = np.clip(np.nan_to_num((x - mean) / spread), -LIMIT, LIMIT).astype(np.float32)
        weights, bias = np.zeros((x.shape[1], ramps.shape[1])), np.zeros(ramps.shape[1])
        explained = np.zeros(ramps.shape[1])
        patterns, pattern = np.unique(np.isfinite(ramps), axis=1, return_inverse=True)
        # Usually one solution serves all knots. Where outcomes are unknown, such as solar power at night, each needs
        # its own rows.
        for rows, knots in ((patterns[:, n], np.flatnonzero(pattern == n)) for n in range(patterns.shape[1])):
            own = ramps[rows][:, knots]
            unit = np.std(own, axis=0)
            unit[unit == 0] = 1.0
            scaled = (own / unit).astype(np.float32)
            fit = Linear.of(inputs[rows], scaled)
            weights[:, knots], bias[knots] = fit.weights * unit, fit.bias * unit
            explained[knots] = np.maximum(0.0, 1 - np.var(scaled - inputs[rows] @ fit.weights, axis=0))
        return cls(mean, spread, weights, bias, explained)

    def ramps(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Ramps (row, knot) from features (row, feature). A row's answer has the same bits alone and among others."""
        out = np.empty((len(x), len(self.bias)))
        _ramps(out, np.ascontiguousarray(x), self.mean, self.spread, self.weights, self.bias)
        return out

    def contributions(self, x: NDArray[np.float32], knot: int) -> NDArray[np.float64]:
        """What each feature adds to the ramp at the knot with this index, against its mean; shape (row, feature).

        For a linear model these are its Shapley values, if features are independent.
        """
        standard = np.clip(np.nan_to_num((x - self.mean) / self.spread), -LIMIT, LIMIT)
        return np.asarray(standard * self.weights[:, knot])

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` restores the same bits."""
        return {field.name: getattr(self, field.name).tolist() for field in fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], features: int, knots: int) -> Self:
        """The fit from the values of `to_json`.

        Raises:
            ModelError: a number is not finite, or the fit has other features or knots.
        """
        mean, spread = (finite(values[name], (features,)) for name in ("mean", "spread"))
        bias, explained = (finite(values[name], (knots,)) for name in ("bias", "explained"))
        return cls(mean, spread, finite(values["weights"], (features, knots)), bias, explained)


@njit(cache=True, nogil=True)
def _ramps(
    out: NDArray[np.float64],
    x: NDArray[np.float32],
    mean: NDArray[np.float64],
    spread: NDArray[np.float64],
    weights: NDArray[np.float64],
    bias: NDArray[np.float64],
) -> None:  # pragma: no cover - compiled
    # A library's matrix product rounds differently for other numbers of rows; this sum does not.
    for row in range(x.shape[0]):
        for knot in range(bias.shape[0]):
            out[row, knot] = bias[knot]
        for feature in range(x.shape[1]):
            value = (x[row, feature] - mean[feature]) / spread[feature]
            if value == value:
                value = min(max(value, -LIMIT), LIMIT)
                for knot in range(bias.shape[0]):
                    out[row, knot] += value * weights[feature, knot]
