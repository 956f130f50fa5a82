"""inference: variances, tests and families of tests, against known values and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.evaluate.inference import (
    block_ratio,
    diebold_mariano,
    hac_variance_of_mean,
    holm,
    mean_in_time,
    student_p,
    student_quantile,
)

differences = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=60).map(np.array)


def autoregressive(rng: np.random.Generator, rho: float, n: int) -> np.ndarray:
    shocks = rng.normal(size=n + 100)
    values = np.empty_like(shocks)
    values[0] = shocks[0]
    for i in range(1, len(shocks)):
        values[i] = rho * values[i - 1] + shocks[i]
    return values[100:]


def test_known_hac_values() -> None:
    values = np.array([1.0, 2.0, 4.0, 1.0])  # residuals -1 0 2 -1
    assert hac_variance_of_mean(values, lags=0) == pytest.approx(6 / 16)
    # lag 1: -1*0 + 0*2 + 2*-1 = -2, weight 1/2
    assert hac_variance_of_mean(values, lags=1) == pytest.approx((6 - 2) / 16)
    # lag 2: -1*2 + 0*-1 = -2; weights 2/3 and 1/3
    assert hac_variance_of_mean(values, lags=2) == pytest.approx((6 - 2 * (2 / 3) * 2 - 2 * (1 / 3) * 2) / 16)
    assert hac_variance_of_mean(np.full(50, 3.0)) == 0
    assert hac_variance_of_mean(np.array([1.0])) == 0


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_variance_of_an_autoregressive_mean(rho: float) -> None:
    rng = np.random.default_rng(3)
    n, found = 4000, []
    for _ in range(20):
        shocks = rng.normal(size=n + 200)
        values = np.empty_like(shocks)
        values[0] = shocks[0]
        for i in range(1, len(shocks)):
            values[i] = rho * values[i - 1] + shocks[i]
        found.append(hac_variance_of_mean(values[200:]))
    truth = 1 / (1 - rho) ** 2 / n
    assert 0.75 * truth < np.mean(found) < 1.25 * truth


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60), st.floats(-1e3, 1e3))
def test_the_variance_is_never_negative_nor_moved_by_a_shift(values: list[float], shift: float) -> None:
    found = hac_variance_of_mean(np.array(values))
    assert found >= 0
    assert hac_variance_of_mean(np.array(values) + shift) == pytest.approx(found, rel=1e-6, abs=1e-6)


@given(differences, st.integers(1, 12))
def test_who_is_compared_with_whom_changes_the_sign_only(values: np.ndarray, steps: int) -> None:
    one, other = diebold_mariano(values, steps), diebold_mariano(-values, steps)
    assert other.mean == -one.mean
    assert other.statistic == -one.statistic
    assert other.p == one.p
    assert (other.low, other.high) == (-one.high, -one.low)


@given(differences, st.integers(1, 12))
def test_the_interval_leaves_out_zero_where_the_test_is_sure(values: np.ndarray, steps: int) -> None:
    test = diebold_mariano(values, steps)
    assert 0 <= test.p <= 1
    assert test.low <= test.mean <= test.high
    if abs(test.p - 0.05) > 1e-6:
        assert (test.p < 0.05) == (test.low > 0 or test.high < 0)


@given(differences, st.floats(0.01, 100))
def test_the_unit_does_not_matter(values: np.ndarray, scale: float) -> None:
    one, other = diebold_mariano(values), diebold_mariano(scale * values)
    assert other.p == pytest.approx(one.p, abs=1e-6)


def test_identical_forecasts_do_not_differ() -> None:
    test = diebold_mariano(np.zeros(100), 4)
    assert (test.mean, test.low, test.high, test.statistic, test.p) == (0, 0, 0, 0, 1)


def test_a_constant_difference_is_sure() -> None:
    test = diebold_mariano(np.full(100, -2.0))
    assert (test.low, test.high, test.p) == (-2, -2, 0)
    assert test.statistic == -np.inf


def test_too_little_to_test_is_no_error() -> None:
    assert np.isnan(diebold_mariano(np.array([])).p)
    assert np.isnan(diebold_mariano(np.array([1.0])).p)
    assert np.isfinite(diebold_mariano(np.array([1.0, 2.0, -1.0]), 12).p)


def test_a_known_statistic() -> None:
    """By hand: mean 1.2, variance of the mean without lags .0816 (n = 5), corrected by (n - 1) / n for one step."""
    values = np.array([1.0, 2.0, 1.5, 0.5, 1.0])
    residual = values - values.mean()
    test = diebold_mariano(values, 1, overlap=0)
    lags = hac_variance_of_mean(values, at_least=0)
    assert test.statistic == pytest.approx(values.mean() / np.sqrt(lags / (4 / 5)))
    assert hac_variance_of_mean(values, 0) == pytest.approx(residual @ residual / 25)


@pytest.mark.parametrize(
    ("rho", "n", "steps", "low", "high"),
    [(0.0, 300, 1, 0.03, 0.08), (0.5, 400, 4, 0.04, 0.1), (0.8, 800, 4, 0.04, 0.12)],
)
def test_without_a_difference_about_one_in_twenty_tests_finds_one(
    rho: float, n: int, steps: int, low: float, high: float
) -> None:
    rng = np.random.default_rng(7)
    found = [diebold_mariano(autoregressive(rng, rho, n), steps, overlap=1).p < 0.05 for _ in range(600)]
    assert low < np.mean(found) < high


def test_a_difference_is_found() -> None:
    rng = np.random.default_rng(8)
    found = [diebold_mariano(autoregressive(rng, 0.5, 500) - 0.5, 4).p < 0.05 for _ in range(50)]
    assert np.mean(found) > 0.9


@pytest.mark.parametrize(
    ("degrees", "known"), [(1, 12.7062), (2, 4.30265), (5, 2.57058), (30, 2.04227), (1000, 1.96234)]
)
def test_student_is_that_of_the_tables(degrees: int, known: float) -> None:
    assert student_quantile(0.975, degrees) == pytest.approx(known, rel=1e-5)
    assert student_p(known, degrees) == pytest.approx(0.05, rel=1e-4)
    assert student_p(0.0, degrees) == 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusted_p_values_keep_their_order_and_only_grow(p: list[float]) -> None:
    adjusted = holm(p)
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= 1).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(adjusted[order]) >= 0).all()
    assert adjusted.min() == pytest.approx(min(1.0, min(p) * len(p)))


def test_what_was_not_tested_is_no_part_of_the_family() -> None:
    adjusted = holm([0.02, float("nan"), 0.5])
    assert adjusted[0] == pytest.approx(0.04)
    assert np.isnan(adjusted[1])


def test_a_ratio_over_blocks_has_the_clustered_error_reckoned_by_hand() -> None:
    found = block_ratio(np.array([2.0, 4.0, 3.0]), np.array([4.0, 4.0, 4.0]))

    assert found.value == 0.75
    # Residuals -1, 1 and 0: a standard error of sqrt(3/2 * 2) / 12, and Student's t of 2 degrees is 4.303.
    assert found.high - found.value == pytest.approx(4.3027 * np.sqrt(3) / 12, abs=1e-4)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_blocks_of_unlike_size_weigh_by_their_size() -> None:
    assert block_ratio(np.array([1.0, 0.0]), np.array([1.0, 3.0])).value == 0.25


@pytest.mark.parametrize("sums", [[1.0], [0.5, 0.5, 0.5], [0.0, 0.0]])
def test_one_block_or_equal_blocks_have_no_interval(sums: list[float]) -> None:
    found = block_ratio(np.array(sums), np.ones(len(sums)))

    assert found.value == pytest.approx(sums[0])
    assert np.isnan([found.low, found.high]).all()


def test_no_block_has_no_figure() -> None:
    assert np.isnan(block_ratio(np.array([]), np.array([])).value)
    assert np.isnan(mean_in_time(np.array([]), 1).value)


def test_block_intervals_hold_for_days_that_are_correlated_inside() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        # Thirty days of 48 nowcasts that share a shock of their day: alone they would seem far more certain.
        hits = rng.random((30, 48)) < np.clip(0.8 + 0.15 * rng.normal(size=(30, 1)), 0, 1)
        found = block_ratio(hits.sum(axis=1).astype(float), np.full(30, 48.0))
        held += found.low <= 0.793 <= found.high
    assert held / 400 == pytest.approx(0.95, abs=0.03)


def test_a_mean_in_time_has_the_error_of_newey_and_west() -> None:
    values = np.array([1.0, 2.0, 4.0, 1.0])

    found = mean_in_time(values, 1)

    assert found.value == 2.0
    room = student_quantile(0.975, 3) * np.sqrt(hac_variance_of_mean(values, at_least=1))
    assert (found.low, found.high) == (pytest.approx(2 - room), pytest.approx(2 + room))
