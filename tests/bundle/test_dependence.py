import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from power_nowcast.bundle.dependence import SCORES, Dependence, parts_of, scores_of
from power_nowcast.contracts import QUANTILES

KNOTS = (5, 15, 30, 45, 60, 75)
STEPS = np.arange(5, 61, 5)
TRUE = np.array([0.2, 1.0, 0.5, 0.3])
"""Origin's noise, random walk, error of the ramp, each value's noise."""


def outcomes(count: int, leads: np.ndarray, seed: int = 1) -> np.ndarray:
    """Errors (issue, lead) of the true covariance."""
    covariance = np.tensordot(TRUE, parts_of(leads, leads), 1)
    return np.random.default_rng(seed).multivariate_normal(np.zeros(len(leads)), covariance, count)


def quantiles(leads: np.ndarray, count: int = 1) -> np.ndarray:
    """The true quantiles (issue, lead, quantile) about 1000 MW."""
    spread = np.sqrt(np.diag(np.tensordot(TRUE, parts_of(leads, leads), 1)))
    return np.broadcast_to(1000 + 50 * spread[:, None] * SCORES, (count, len(leads), len(SCORES)))


@pytest.fixture(scope="module")
def fitted() -> Dependence:
    leads = np.array(KNOTS)
    y = 1000 + 50 * outcomes(8000, leads)
    return Dependence.from_held_out(("A",), KNOTS, quantiles(leads, len(y))[:, None], y[:, None])


def test_the_correlation_between_knots_is_found_from_the_knots(fitted: Dependence) -> None:
    covariance = np.tensordot(TRUE, parts_of(STEPS, STEPS), 1)
    scale = np.sqrt(np.diag(covariance))
    assert np.abs(fitted.correlation("A", STEPS) - covariance / np.outer(scale, scale)).max() < 0.05


def test_the_peak_of_the_hour_is_covered_where_independent_steps_miss_it(fitted: Dependence) -> None:
    peaks = (1000 + 50 * outcomes(4000, STEPS, seed=2)).max(axis=1)
    q = quantiles(STEPS)[0]

    def below(made: Dependence) -> np.ndarray:
        drawn = made.paths("A", q, STEPS, 20_000, np.random.default_rng(3)).max(axis=1)
        return np.array([(peaks <= level).mean() for level in np.quantile(drawn, QUANTILES)])

    assert np.abs(below(fitted) - QUANTILES).max() < 0.03
    apart = Dependence(("A",), np.array([[0.0, 0.0, 0.0, 1.0]]))
    assert np.abs(below(apart) - QUANTILES).max() > 0.1


def test_each_step_of_the_paths_has_its_quantiles(fitted: Dependence) -> None:
    q = quantiles(STEPS)[0] + np.array([0, 0, 0, 0, 30, 80, 200])  # skewed
    drawn = fitted.paths("A", q, STEPS, 40_000, np.random.default_rng(4))
    share = (drawn[:, :, None] <= q).mean(axis=0)
    assert np.abs(share - QUANTILES).max() < 0.02


def test_a_series_without_outcomes_has_independent_steps() -> None:
    q = quantiles(np.array(KNOTS), 10)[:, None]
    made = Dependence.from_held_out(("A",), KNOTS, q, np.full((10, 1, len(KNOTS)), np.nan))
    np.testing.assert_allclose(made.correlation("A", STEPS), np.eye(len(STEPS)), atol=1e-12)


@given(st.lists(st.floats(0, 10), min_size=4, max_size=4), st.lists(st.integers(1, 300), min_size=1, max_size=12))
@settings(deadline=None)
def test_any_weights_give_a_correlation_matrix(weights: list[float], leads: list[int]) -> None:
    made = Dependence(("A",), np.array([weights]) + 1e-3).correlation("A", np.unique(leads))
    assert np.allclose(np.diag(made), 1)
    assert np.allclose(made, made.T)
    assert np.linalg.eigvalsh(made).min() > -1e-9


@given(st.lists(st.floats(-1e4, 1e4), min_size=7, max_size=7), st.floats(-2e4, 2e4))
@settings(deadline=None)
def test_scores_are_finite_and_rise_with_the_outcome(values: list[float], outcome: float) -> None:
    q = np.sort(values)
    both = scores_of(q[None], np.array([outcome])), scores_of(q[None], np.array([outcome + 1]))
    assert np.isfinite(both).all()
    assert both[0] <= both[1]


def test_it_is_kept_as_json(fitted: Dependence) -> None:
    again = Dependence.from_json(json.loads(json.dumps(fitted.to_json())))
    assert again.series == fitted.series
    assert (again.weights == fitted.weights).all()
