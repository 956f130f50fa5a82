"""tracking: following outcomes agrees with an oracle in plain Python, written after the module's description."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.tracking import Steps
from power_nowcast.contracts import MEDIAN, QUANTILES

LEVELS = np.array(QUANTILES)
NONE = Calibration.neutral(("A",), (30,), np.datetime64("2024-01-01", "m"))


class Oracle:
    """What `follow` does, one outcome after another, with no array but the inputs."""

    def __init__(self, start: Calibration, quantiles, hours, outcome, issue_times, known_at, origins) -> None:
        self.raw, self.hours, self.outcome = quantiles.tolist(), hours.tolist(), outcome.tolist()
        self.times, self.known, self.origins = (
            one.astype("datetime64[m]").tolist() for one in (issue_times, known_at, origins)
        )
        self.base, self.hourly, self.pulls = start.base.tolist(), start.hourly.tolist(), start.pulls.tolist()
        self.balance, self.gains = start.balance.tolist(), start.skew.tolist()
        self.error, self.error_at = start.error_mw.tolist(), start.error_at.astype("datetime64[m]").tolist()
        self.leads = start.leads
        self.factors, self.shift, self.used = {}, {}, {}

    def run(self, steps: Steps) -> np.ndarray:
        cells = [
            (m, s, k) for m in range(len(self.raw)) for s in range(len(self.raw[0])) for k in range(len(self.leads))
        ]
        first = {cell: self.first_issue_that_knows(*cell) for cell in cells}
        answers = []
        for n in range(len(self.times)):
            for cell in sorted(cell for cell in cells if first[cell] == n):
                self.count(*cell, steps)
            answers.append(
                [
                    [self.answer(n, s, k, pulled=steps.median > 0) for k in range(len(self.leads))]
                    for s in range(len(self.raw[0]))
                ]
            )
        return np.array(answers)

    def first_issue_that_knows(self, m: int, s: int, k: int) -> int | None:
        """An outcome counts at the first later issue time at which it can be known."""
        known, outcome = self.known[m][s][k], self.outcome[m][s][k]
        if known is None or outcome != outcome:
            return None
        return next((n for n in range(m + 1, len(self.times)) if self.times[n] >= known), None)

    def skew(self, n: int, s: int, k: int) -> float:
        low, middle, high = (self.raw[n][s][k][q] for q in (1, 3, 5))
        return ((high - middle) - (middle - low)) / max(high - low, 1e-6)

    def half(self, n: int, s: int, k: int) -> float:
        return (self.raw[n][s][k][5] - self.raw[n][s][k][1]) / 2

    def answer(self, n: int, s: int, k: int, *, pulled: bool) -> list[float]:
        raw, half, hour = self.raw[n][s][k], self.half(n, s, k), self.hourly[s][k][self.hours[n][s][k]]
        balance = self.balance[s][k][self.hours[n][s][k]]
        error = (
            self.error[s]
            if pulled and self.origins[n][s] is not None and self.origins[n][s] == self.error_at[s]
            else 0.0
        )
        products, squares = self.pulls[s][k]
        gain = min(1.0, max(-1.0, products / (squares + 5.0)))
        shift = gain * min(3.0 * half, max(-3.0 * half, error))
        sides = [-1, -1, -1, 0, 1, 1, 1]
        factors = [self.base[s][k][q] + hour[q] + self.gains[s][k] * self.skew(n, s, k) * sides[q] for q in range(7)]
        self.used[n, s, k] = error, factors, raw[3] + 0.5 * balance * half + shift, shift
        distance = [(raw[q] - raw[3]) * math.exp(factors[q]) for q in range(7)]
        distance[3] = 0.0
        for q in (4, 5, 6):
            distance[q] = max(distance[q], distance[q - 1])
        for q in (2, 1, 0):
            distance[q] = min(distance[q], distance[q + 1])
        return [self.used[n, s, k][2] + far for far in distance]

    def count(self, m: int, s: int, k: int, steps: Steps) -> None:
        raw, half, outcome = self.raw[m][s][k], self.half(m, s, k), self.outcome[m][s][k]
        if raw[3] != raw[3]:
            return
        pulled_by, factors, median, shift = self.used[m, s, k]
        error = outcome - raw[3]
        if k == 0:
            reached = self.origins[m][s] + timedelta(minutes=self.leads[0])
            if self.error_at[s] is None or reached > self.error_at[s]:
                self.error[s], self.error_at[s] = error, reached
        if pulled_by != 0 and half > 1e-6:
            before, after = (min(3.0, max(-3.0, one / half)) for one in (pulled_by, error))
            weight = 1 / (1 + abs(error - shift) / half)
            sums = self.pulls[s][k]
            sums[0], sums[1] = 0.999 * sums[0] + weight * before * after, 0.999 * sums[1] + weight * before**2
        hourly, base, skew = self.hourly[s][k], self.base[s][k], self.skew(m, s, k)
        side = (outcome > median) - (outcome < median)
        balances, at = self.balance[s][k], self.hours[m][s][k]
        shares = {at: 1.0, (at + 23) % 24: steps.pooled, (at + 1) % 24: steps.pooled}
        for hour, share in shares.items():
            balances[hour] += share * steps.median * (side - balances[hour])
        for q in (0, 1, 2, 4, 5, 6):
            bound = median + (raw[q] - raw[3]) * math.exp(factors[q])
            outside, tail = (outcome > bound, 1 - QUANTILES[q]) if q > 3 else (outcome < bound, QUANTILES[q])
            surplus = outside - tail
            base[q] = limited(base[q] + steps.base * surplus)
            for hour, share in shares.items():
                hourly[hour][q] = limited(hourly[hour][q] + share * steps.hour * surplus)
            gain = self.gains[s][k] + steps.skew * surplus * skew * (1 if q > 3 else -1)
            self.gains[s][k] = limited(gain)


def limited(factor: float) -> float:
    return min(math.log(20), max(-math.log(20), factor))


@given(
    st.integers(0, 10_000),
    st.sampled_from([{}, {"median": 0.0}, {"base": 0.9, "hour": 0.6, "skew": 2.0}, {"pooled": 0.0}]),
)
@settings(deadline=None, max_examples=25)
def test_following_agrees_with_an_oracle_in_plain_python(seed: int, steps: dict[str, float]) -> None:
    """Two series, two leads, gaps, late and unknown outcomes, origins that come late or not at all, flat quantiles."""
    rng = np.random.default_rng(seed)
    count, series, leads = 60, ("A", "B"), (15, 30)
    shape = (count, 2, 2)
    spread = (
        np.sort(rng.normal(size=(*shape, 7)), axis=-1)
        * rng.choice([0.0, 1.0, 30.0], shape, p=[0.05, 0.6, 0.35])[..., None]
    )
    quantiles = 100 + spread
    outcome = 100 + rng.normal(size=shape) * rng.choice([0.5, 3.0, 300.0], shape)
    quantiles[rng.random(shape) < 0.05] = np.nan
    outcome[rng.random(shape) < 0.1] = np.nan
    times = np.datetime64("2024-01-01", "m") + np.arange(count) * np.timedelta64(15, "m")
    known = times[:, None, None] + rng.integers(0, 90, shape).astype("timedelta64[m]")
    known[rng.random(shape) < 0.05] = np.datetime64("NaT", "m")
    origins = times[:, None] - rng.choice([0, 0, 0, 15], (count, 2)).astype("timedelta64[m]")
    origins[rng.random((count, 2)) < 0.05] = np.datetime64("NaT", "m")
    quantiles[np.isnat(origins)] = np.nan  # without a value no model answers
    hours = rng.integers(-1, 3, shape) % 24
    start = replace(
        Calibration.neutral(series, leads, NONE.as_of - np.timedelta64(1, "h")),
        base=rng.normal(size=(2, 2, 7)) * 0.2 * (np.arange(7) != MEDIAN),
        hourly=rng.normal(size=(2, 2, 24, 7)) * 0.2 * (np.arange(7) != MEDIAN),
        balance=rng.normal(size=(2, 2, 24)) * 0.2,
        skew=rng.normal(size=(2, 2)) * 0.2,
        pulls=np.abs(rng.normal(size=(2, 2, 2))) * 4,
        error_mw=np.array([2.0, 0.0]),
        error_at=np.array([times[0], np.datetime64("NaT", "m")], "datetime64[m]"),
    )
    used = {"base": 0.0075, "hour": 0.02, "median": 0.005, "skew": 0.02, "pooled": 0.5} | steps
    oracle = Oracle(start, quantiles, hours, outcome, times, known, origins)
    expected = oracle.run(Steps(**used))
    out, after = start.follow(quantiles, hours, outcome, times, known, origins, Steps(**steps))
    np.testing.assert_allclose(out, expected, rtol=1e-9)
    np.testing.assert_allclose(after.base, oracle.base, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(after.hourly, oracle.hourly, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(after.balance, oracle.balance, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(after.skew, oracle.gains, rtol=1e-9, atol=1e-12)
    assert (after.base[..., MEDIAN] == 0).all()
    assert (after.hourly[..., MEDIAN] == 0).all()
    np.testing.assert_allclose(after.pulls, oracle.pulls, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(after.error_mw, oracle.error, rtol=1e-9)
    assert after.error_at.tolist() == oracle.error_at
    assert after.as_of == times[-1]
    assert start.id != after.id
