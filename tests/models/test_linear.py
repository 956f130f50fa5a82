"""linear: ridge regression of many outputs, some of them unknown here and there."""

import numpy as np

from power_nowcast.models.linear import Linear


def test_a_straight_line_is_found_again() -> None:
    chance = np.random.default_rng(1)
    x = chance.normal(0.5, 1, (50_000, 4)).astype(np.float32)
    weights, bias = chance.normal(0, 1, (4, 3)), np.array([10.0, -5.0, 0.0])
    y = (x @ weights + bias).astype(np.float32)
    found = Linear.of(x, y, penalty=1e-3)
    np.testing.assert_allclose(found.weights, weights, atol=1e-3)
    np.testing.assert_allclose(found.bias, bias, atol=1e-3)
    assert (found.errors(x, y) < 1e-3).all()


def test_the_penalty_draws_weights_to_nothing_and_leaves_the_mean() -> None:
    chance = np.random.default_rng(2)
    x = chance.normal(0, 1, (500, 2)).astype(np.float32)
    y = (3 * x[:, :1] + 7).astype(np.float32)
    found = Linear.of(x, y, penalty=1e9)
    np.testing.assert_allclose(found.weights, 0, atol=1e-4)
    np.testing.assert_allclose(found.bias, y.mean(), atol=1e-3)


def test_unknown_outcomes_cost_no_others_and_units_scale() -> None:
    chance = np.random.default_rng(3)
    x = chance.normal(0, 1, (4000, 2)).astype(np.float32)
    y = np.column_stack([2 * x[:, 0], x[:, 1]]).astype(np.float32)
    y[::7, 1] = np.nan
    found = Linear.of(x, y, penalty=1e-3)
    np.testing.assert_allclose(found.weights[:, 0], [2, 0], atol=1e-3)
    assert np.isfinite(found.weights).all()
    assert np.isfinite(found.errors(x, y)).all()
    unit = np.array([2.0, 0.5])
    np.testing.assert_allclose(x @ found.rescaled(unit).weights, x @ found.weights / unit, rtol=1e-5)
