"""Backtests made from arrays: a load with days and noise, a model that is close to it, and two baselines."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from power_nowcast.contracts import QUANTILES, Nowcasts
from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard, scorecard
from power_nowcast.regions import load

Z = np.array([-1.645, -1.282, -0.674, 0.0, 0.674, 1.282, 1.645])
STEPS = (15, 30, 45, 60)

type Maker = Callable[..., Backtest]


def _make(
    *,
    first: str = "2019-10-28T00:00",
    days: int = 9,
    every: int = 30,
    series: tuple[str, ...] = ("NYCA", "NORTH"),
    steps: tuple[int, ...] = STEPS,
    seed: int = 1,
) -> Backtest:
    """Nine days of New York around the end of summer time, 2019-11-03."""
    rng = np.random.default_rng(seed)
    begin = int(np.datetime64(first, "m").astype(np.int64))
    minutes = np.arange(begin, begin + days * 1440, every)
    issues = minutes.astype("datetime64[m]")
    grid = np.arange(minutes[0], minutes[-1] + 65, 5)
    scale = np.array([18_000.0, 400.0])[: len(series)]
    shape = 1 + 0.15 * np.sin(2 * np.pi * (grid / 1440 - 0.3)) + 0.002 * rng.normal(size=len(grid)).cumsum() / 10
    power = shape[:, None] * scale
    slot = (minutes - grid[0]) // 5
    ahead = slot[:, None] + np.array(steps) // 5
    actual = np.moveaxis(power[ahead], -1, 1)
    origin = power[slot]
    spread = 0.003 * scale[None, :, None] * np.sqrt(np.array(steps) / 15)
    # The truth is one draw of the model's own distribution, so its quantiles are right by construction.
    centre = actual - rng.normal(size=actual.shape) * spread
    own = centre[..., None] + spread[..., None] * Z
    flat = np.repeat(np.repeat(origin[..., None], len(steps), axis=-1)[..., None], 7, axis=-1)
    half = (flat + actual[..., None]) / 2 + 0.01 * scale[None, :, None, None]

    def nowcasts(values: np.ndarray) -> Nowcasts:
        return Nowcasts("nyiso", issues, series, steps, values, QUANTILES)

    late = {delay: nowcasts(own + delay * 0.0005 * scale[None, :, None, None]) for delay in (5, 10)}
    return Backtest(
        region=load("nyiso"),
        nowcasts=nowcasts(own),
        actual=actual,
        at_issue=origin,
        baselines={"persistence": nowcasts(flat + Z * 50), "persistence + ramp": nowcasts(half + Z * 20)},
        late=late,
        late_baselines={delay: {"persistence": nowcasts(flat + Z * 60)} for delay in late},
    )


@pytest.fixture(scope="session")
def make_backtest() -> Maker:
    return _make


@pytest.fixture(scope="session")
def backtest() -> Backtest:
    return _make()


@pytest.fixture(scope="session")
def card(backtest: Backtest) -> Scorecard:
    return scorecard(backtest)


@pytest.fixture(scope="session")
def poor_backtest() -> Backtest:
    """No baseline, a horizon without an answer, a series whose load is always zero."""
    one = _make(days=2)
    values, actual, origin = one.nowcasts.values.copy(), one.actual.copy(), one.at_issue.copy()
    values[:, :, 2] = np.nan
    actual[:, 1], origin[:, 1], values[:, 1] = 0.0, 0.0, 0.0
    return Backtest(one.region, replace(one.nowcasts, values=values), actual, origin)


@pytest.fixture(scope="session")
def empty_backtest() -> Backtest:
    """Nothing answered at all."""
    one = _make(days=1)
    return replace(one, nowcasts=replace(one.nowcasts, values=np.full_like(one.nowcasts.values, np.nan)), late={})
