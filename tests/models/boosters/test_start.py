import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.errors import ModelError
from power_nowcast.models.boosters.start import LIMIT, Start


def known_start() -> Start:
    """Features with means 1, 2, 4 and spreads 2, 1, 1."""
    return Start(
        mean=np.array([1.0, 2.0, 4.0]),
        spread=np.array([2.0, 1.0, 1.0]),
        weights=np.array([[10.0, 20.0], [5.0, 0.0], [0.0, -3.0]]),
        bias=np.array([100.0, 200.0]),
        explained=np.array([0.9, 0.5]),
    )


def test_a_ramp_is_the_bias_plus_the_weighted_standardised_features() -> None:
    x = np.array([[3.0, 2.0, 4.0], [1.0, 4.0, 5.0]], np.float32)
    np.testing.assert_allclose(known_start().ramps(x), [[110.0, 220.0], [110.0, 197.0]])


def test_an_unknown_feature_counts_as_its_mean_and_one_far_outside_is_clipped() -> None:
    x = np.array([[np.nan, 2.0, 4.0], [1.0, 2000.0, -2000.0]], np.float32)
    np.testing.assert_allclose(known_start().ramps(x), [[100.0, 200.0], [100 + 5 * LIMIT, 200 + 3 * LIMIT]])


def test_contributions_add_up_to_the_ramp() -> None:
    x = np.array([[3.0, 5.0, np.nan], [-900.0, 0.0, 4.0]], np.float32)
    start = known_start()
    for knot in (0, 1):
        np.testing.assert_allclose(start.contributions(x, knot).sum(axis=1) + start.bias[knot], start.ramps(x)[:, knot])
    np.testing.assert_allclose(start.contributions(x, 0)[0], [10.0, 15.0, 0.0])


def test_the_fit_finds_the_weights_of_a_linear_ramp() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(5.0, 3.0, (30_000, 3)).astype(np.float32)
    ramps = np.column_stack([7 * x[:, 0] - 2 * x[:, 1] + 4, 3 * x[:, 2] - 1]).astype(np.float64)
    ramps[::7, 0] = np.nan
    start = Start.of(x, ramps)
    # The penalty shrinks weights by 1,000 in 30,000 rows.
    found = start.weights / start.spread[:, None]
    np.testing.assert_allclose(found, [[7.0, 0.0], [-2.0, 0.0], [0.0, 3.0]], atol=0.35)
    np.testing.assert_allclose(start.bias, np.nanmean(ramps, axis=0), rtol=0.01)
    assert (start.explained > 0.99).all()
    noise = Start.of(x, rng.normal(0, 1, (len(x), 2)))
    assert (noise.explained < 0.01).all()


def test_a_constant_and_an_empty_feature_change_nothing() -> None:
    x = np.random.default_rng(2).normal(0, 1, (2000, 3)).astype(np.float32)
    ramp = 50.0 * x[:, [0, 0]].astype(np.float64)
    other = x.copy()
    other[:, 1], other[:, 2] = 7.0, np.nan
    start = Start.of(other, ramp)
    assert np.isfinite(start.ramps(other)).all()
    np.testing.assert_allclose(start.weights[1:], 0.0, atol=1e-9)


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_row_has_the_same_bits_alone_and_among_others(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 5, (rows, 3)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    start = known_start()
    alone = np.concatenate([start.ramps(x[n : n + 1]) for n in range(rows)])
    np.testing.assert_array_equal(start.ramps(x), alone)


def test_it_is_read_back_with_the_same_bits_and_refused_when_it_does_not_fit() -> None:
    told = json.loads(json.dumps(known_start().to_json()))
    again = Start.from_json(told, features=3, knots=2)
    x = np.random.default_rng(3).normal(0, 3, (50, 3)).astype(np.float32)
    np.testing.assert_array_equal(again.ramps(x), known_start().ramps(x))
    with pytest.raises(ModelError):
        Start.from_json(told, features=4, knots=2)
    with pytest.raises(ModelError):
        Start.from_json(told | {"bias": [1.0, float("nan")]}, features=3, knots=2)
