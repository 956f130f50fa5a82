"""What a bundle learns for the ladder: widths without a family of inputs, and the limits of history."""

import numpy as np
import pytest

from power_nowcast.bundle.ladder import BEYOND, TAIL, Limits, bends
from power_nowcast.contracts import MEDIAN, FeatureBlock
from power_nowcast.models.examples import Examples
from power_nowcast.regions import Region
from tests.toy import toy_bundle, toy_region

KNOTS = (30, 60, 90)


def examples(region: Region, origin: np.ndarray, outcome: np.ndarray) -> Examples:
    """Examples without features; `origin` (issue, series), `outcome` (issue, series, knot)."""
    issues = np.datetime64("2024-03-01T00:00", "m") + np.arange(len(origin)) * np.timedelta64(30, "m")
    nothing = np.zeros((*origin.shape, 0), np.float32)
    block = FeatureBlock(issues, region.series, (), (), nothing, origin, np.zeros_like(origin), np.ones_like(origin))
    return Examples(block, outcome)


def test_a_model_that_reads_weather_needs_more_width_without_it() -> None:
    bundle = toy_bundle(toy_region(), kind="lightgbm", n_estimators=40, min_child=20)
    assert bundle.ladder is not None
    assert set(bundle.ladder.widths) == {"weather"}
    factors = bundle.ladder.widths["weather"]
    assert factors.shape == (3, 3, 7)
    assert (factors >= 0).all()
    assert factors.max() > 0
    assert (factors[..., MEDIAN] == 0).all()
    at_knots = bundle.ladder.factors(("weather",), np.array([30.0, 45.0]), 1)
    np.testing.assert_allclose(at_knots, [factors[1, 0], factors[1, :2].mean(axis=0)])
    assert not bundle.ladder.factors(("forecast",), np.array([30.0]), 1).any(), "not measured"


def test_a_model_that_reads_no_weather_needs_none() -> None:
    bundle = toy_bundle(toy_region())
    assert bundle.ladder is not None
    assert not bundle.ladder.widths["weather"].any()


def test_a_limit_is_the_worst_of_history_or_further_out_by_its_tail() -> None:
    region, rng = toy_region(), np.random.default_rng(3)
    origin = np.full((20_000, 3), 1000.0)
    ramps = rng.laplace(scale=[[[10.0]], [[20.0]], [[30.0]]], size=(3, 20_000, 3)).transpose(1, 2, 0)
    limits = Limits.of(region, (examples(region, origin, origin[..., None] + ramps),), KNOTS, np.zeros((9, 3, 3, 7)))
    np.testing.assert_allclose(limits.rise.mean(axis=0), np.array([10, 20, 30]) * np.log(0.5 / BEYOND), rtol=0.25)
    assert (limits.rise >= ramps.max(axis=0)).all()
    assert (-limits.fall >= -ramps.min(axis=0)).all()
    ramps[7, 1, 2] = 5000.0
    outlier = Limits.of(region, (examples(region, origin, origin[..., None] + ramps),), KNOTS, np.zeros((9, 3, 3, 7)))
    assert outlier.rise[1, 2] == 5000.0
    np.testing.assert_allclose(limits.least, (1000 + rng_min(ramps)).min(axis=1), atol=900)
    assert TAIL > BEYOND


def rng_min(ramps: np.ndarray) -> np.ndarray:
    return np.minimum(ramps.min(axis=0), 0)


def test_the_gap_is_that_of_the_total_and_its_zones() -> None:
    region = toy_region()
    held = np.zeros((500, 3, 3, 7))
    held[:, 0, :, MEDIAN], held[:, 1, :, MEDIAN], held[:, 2, :, MEDIAN] = 1000.0, 600.0, 390.0
    flat = examples(region, np.full((500, 3), 1000.0), np.full((500, 3, 3), 1000.0))
    np.testing.assert_allclose(Limits.of(region, (flat,), KNOTS, held).gap, 10.0)
    held[:, 2, :, MEDIAN] = 400.0
    assert (Limits.of(region, (flat,), KNOTS, held).gap > 0).all(), "rounding is no gap"


def test_a_bend_is_what_lies_off_the_line() -> None:
    at = np.array([30.0, 60.0, 90.0])
    np.testing.assert_allclose(bends(at[None] * 2, at), [[0.0, 0.0]])
    np.testing.assert_allclose(bends(np.array([[0.0, 10.0, 0.0]]), at), [[-5.0, 10.0]])
    np.testing.assert_allclose(bends(np.array([[1.0, 5.0]]), np.array([5.0, 15.0])), [[1 - 5 / 3]])


@pytest.mark.parametrize("lead", [0.0, 30.0, 90.0, 180.0])
def test_longer_ramps_are_those_of_their_parts(lead: float) -> None:
    one = np.array([[10.0, 20.0, 30.0]])
    limits = Limits(KNOTS, -one, one, one[:, :2], np.empty(0), np.array([1.0]))
    fall, rise = limits.ramps(0, np.array([lead]))
    assert rise[0] == pytest.approx(lead / 3)
    assert fall[0] == -rise[0]
