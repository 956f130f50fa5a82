"""Sampling errors of figures that are correlated in time, and tests of paired losses."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, inf, lgamma, log, log1p, sqrt

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import Floats

CONFIDENCE = 0.95
OVERLAP = 12
"""Horizons of an hour overlap by this many issue times on a grid of 5 minutes."""


@dataclass(frozen=True)
class PairedTest:
    """A mean difference with its confidence interval, in the unit of the differences, and the test that it is zero."""

    n: int
    mean: float
    low: float
    high: float
    statistic: float
    p: float


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % confidence interval; `low` and `high` are NaN where its sampling error is unknown."""

    value: float
    low: float
    high: float


def block_ratio(numerators: Floats, denominators: Floats) -> Interval:
    """Ratio of two sums over blocks, such as hits and nowcasts by day, where values of one block are correlated.

    The variance is the sandwich estimator for clusters (Liang and Zeger 1986) with the factor blocks / (blocks - 1),
    the interval that of Student's t with blocks - 1 degrees of freedom. It needs two blocks that differ.

    Args:
        numerators: sum of each block, shape (block,).
        denominators: what each sum is divided by, in the same order.

    >>> found = block_ratio(np.array([1.0, 3.0]), np.array([2.0, 4.0]))
    >>> round(found.value, 3), round(found.high - found.value, 3)
    (0.667, 1.412)
    """
    blocks, total = len(numerators), float(np.sum(denominators))
    if total == 0:
        return Interval(*3 * (float("nan"),))
    ratio = float(np.sum(numerators)) / total
    residual = np.asarray(numerators, np.float64) - ratio * np.asarray(denominators, np.float64)
    # What is left of a sum of equal terms is rounding.
    if blocks < 2 or np.abs(residual).max() <= 1e-12 * np.abs(numerators).max(initial=0.0):
        return Interval(ratio, float("nan"), float("nan"))
    error = sqrt(blocks / (blocks - 1) * float(residual @ residual)) / total
    room = student_quantile((1 + CONFIDENCE) / 2, blocks - 1) * error
    return Interval(ratio, ratio - room, ratio + room)


def mean_in_time(values: Floats, overlap: int) -> Interval:
    """Mean of a series with autocorrelation and its 95 % interval, see `hac_variance_of_mean`.

    Args:
        values: in order of time, shape (time,).
        overlap: how many neighbours are correlated at least.

    >>> mean_in_time(np.array([1.0, 1.0, 1.0]), 1)
    Interval(value=1.0, low=nan, high=nan)
    """
    mean = float(np.mean(values)) if len(values) else float("nan")
    variance = hac_variance_of_mean(values, at_least=overlap) if len(values) > 1 else 0.0
    if variance == 0:
        return Interval(mean, float("nan"), float("nan"))
    room = student_quantile((1 + CONFIDENCE) / 2, len(values) - 1) * sqrt(variance)
    return Interval(mean, mean - room, mean + room)


def diebold_mariano(differences: Floats, steps_ahead: int = 1, *, overlap: int = OVERLAP) -> PairedTest:
    """Test of Diebold and Mariano (1995) that paired losses do not differ in the mean.

    The variance is that of Newey and West (see `hac_variance_of_mean`). The statistic is corrected for small samples
    and compared with Student's t with n - 1 degrees of freedom, after Harvey, Leybourne and Newbold (1997). The
    interval belongs to the same test: it excludes zero where p is below .05.

    Args:
        differences: loss of one minus loss of the other in order of time, shape (time,), without NaN.
        steps_ahead: how many forecasts overlap: the horizon in units of the spacing of issue times.
        overlap: the least reach of correlations.

    >>> test = diebold_mariano(np.zeros(10))
    >>> test.mean, test.statistic, test.p
    (0.0, 0.0, 1.0)
    """
    values = np.asarray(differences, np.float64)
    n, h = len(values), max(1, steps_ahead)
    if n < 2:
        nan = float("nan")
        return PairedTest(n, float(values.mean()) if n else nan, nan, nan, nan, nan)
    mean = float(values.mean())
    # A sample shorter than the overlap of its forecasts has no correction: it gets the largest one that exists.
    factor = max((n + 1 - 2 * h + h * (h - 1) / n) / n, 1 / n)
    error = sqrt(hac_variance_of_mean(values, at_least=max(overlap, h - 1)) / factor)
    if error == 0:
        return PairedTest(n, mean, mean, mean, *((0.0, 1.0) if mean == 0 else (inf if mean > 0 else -inf, 0.0)))
    room = student_quantile((1 + CONFIDENCE) / 2, n - 1) * error
    statistic = mean / error
    return PairedTest(n, mean, mean - room, mean + room, statistic, student_p(statistic, n - 1))


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    """P-values adjusted for the size of their family (Holm 1979); NaN do not belong to it.

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, np.float64)
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted


def hac_variance_of_mean(values: Floats, lags: int | None = None, *, at_least: int = OVERLAP) -> float:
    """Variance of the mean of a series with autocorrelation: Newey and West (1987), Bartlett weights.

    Args:
        values: in order of time, shape (time,).
        lags: the reach of correlations; by default the optimum of Andrews (1991) for an AR(1) process as correlated as
            the values are, and no less than `at_least`.
        at_least: the least number of lags, as far as a third of the values allows it.

    >>> hac_variance_of_mean(np.array([1.0, -1.0, 1.0, -1.0]), lags=0)
    0.25
    """
    n = len(values)
    residual = np.asarray(values, np.float64) - np.mean(values)
    total = float(residual @ residual)
    if total == 0:
        return 0.0
    if lags is None:
        rho = float(np.clip(residual[1:] @ residual[:-1] / total, -0.99, 0.99))
        alpha = 4 * rho**2 / ((1 - rho) ** 2 * (1 + rho) ** 2)
        lags = min(max(at_least, int(1.1447 * (alpha * n) ** (1 / 3))), n // 3)
    for lag in range(1, min(lags, n - 1) + 1):
        total += 2 * (1 - lag / (lags + 1)) * float(residual[lag:] @ residual[:-lag])
    return max(0.0, total) / n**2


def student_p(statistic: float, degrees: int) -> float:
    """Two-sided p-value of Student's t.

    >>> round(student_p(2.228, 10), 3)
    0.05
    """
    return _beta(degrees / (degrees + statistic**2), degrees / 2, 0.5)


@lru_cache(maxsize=4096)
def student_quantile(level: float, degrees: int) -> float:
    """Quantile of Student's t for a level of .5 or more.

    >>> round(student_quantile(0.975, 10), 3)
    2.228
    """
    low, high = 0.0, 1.0
    while student_p(high, degrees) > 2 * (1 - level):
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_p(middle, degrees) > 2 * (1 - level) else (low, middle)
    return (low + high) / 2


def _beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function by its continued fraction, evaluated by Lentz's method."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # here the fraction of the other tail converges fast
        return 1.0 - _beta(1 - x, b, a)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or tiny)
    fraction = d
    for m in range(1, 500):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / (1 + term * d or tiny)
            c = 1 + term / c or tiny
            fraction *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return front * fraction
