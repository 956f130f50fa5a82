"""judge: a window of live nowcasts decides between two versions, and seldom between two that are equally good."""

from dataclasses import dataclass

import numpy as np
import pytest

from power_nowcast.contracts import Nowcasts
from power_nowcast.errors import MissingDataError
from power_nowcast.evaluate.promotion import Outcome, Verdict, judge

STEPS = tuple(range(5, 61, 5))
SERIES = ("total", "zone")
NORMAL = np.array([-1.6449, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.6449])
"""Quantiles of the standard normal at the levels of `contracts.QUANTILES`."""
OWN = 0.3
"""Size of the part of an error that a version has by itself, in standard deviations of the part that nobody knows."""
MEMORY_HOURS = 3.0
"""Own errors and the volatility stay for about so long."""
A_DAY = 288


@dataclass
class Days:
    """Made-up days of a grid of 5 minutes: overlapping ramps, volatile hours, own errors that last for hours."""

    days: int
    seed: int

    def __post_init__(self) -> None:
        n, self.rng = self.days * A_DAY, np.random.default_rng(self.seed)
        self.issues = np.datetime64("2024-05-01T00:00", "m") + np.arange(n) * np.timedelta64(5, "m")
        self.spread = np.sqrt(np.array(STEPS) / 60.0)
        self.volatility = np.exp(0.4 * self.lasting())[..., None]
        shocks = self.rng.normal(size=(n + len(STEPS), len(SERIES)))
        walk = np.concatenate([np.zeros((1, len(SERIES))), shocks.cumsum(axis=0)]) / np.sqrt(len(STEPS))
        ramps = np.stack([walk[k + 1 : k + 1 + n] - walk[:n] for k in range(len(STEPS))], axis=-1)
        self.hidden = ramps * self.volatility
        self.actual = 1000.0 + self.hidden

    def lasting(self) -> np.ndarray:
        """A standard normal series of each zone with the memory of `MEMORY_HOURS`, shape (issue, series)."""
        n, rho = self.days * A_DAY, np.exp(-5 / 60 / MEMORY_HOURS)
        found = np.empty((n, len(SERIES)))
        found[0] = self.rng.normal(size=len(SERIES))
        shocks = np.sqrt(1 - rho**2) * self.rng.normal(size=(n, len(SERIES)))
        for k in range(1, n):
            found[k] = rho * found[k - 1] + shocks[k]
        return found

    def version(self, own: float = OWN, width: float = 1.0) -> Nowcasts:
        """Nowcasts with an error of their own of this size; the bands fit, but for `width`."""
        centre = 1000.0 + own * self.lasting()[..., None] * self.spread * self.volatility
        sigma = width * np.sqrt(1 + own**2) * self.spread * self.volatility
        return Nowcasts("toy", self.issues, SERIES, STEPS, centre[..., None] + sigma[..., None] * NORMAL)

    def judge(self, challenger: Nowcasts, incumbent: Nowcasts) -> Verdict:
        return judge(challenger=challenger, incumbent=incumbent, actual=self.actual)


def better_by(share: float) -> float:
    """The size of the own error with which the loss is smaller by a share: it grows as the total error does."""
    return float(np.sqrt((1 - share) ** 2 * (1 + OWN**2) - 1))


def shares(days: int, windows: int, own: float) -> dict[Outcome, float]:
    """Outcomes of windows, each of days of its own."""
    found = []
    for seed in range(windows):
        made = Days(days, seed)
        found.append(made.judge(made.version(own), made.version()).outcome)
    return {one: found.count(one) / windows for one in Outcome}


@pytest.fixture(scope="module")
def week() -> Days:
    return Days(3, 1)


def test_a_version_against_itself_is_never_decided(week: Days) -> None:
    same = week.version()
    verdict = week.judge(same, same)
    assert verdict.outcome is Outcome.UNDECIDED
    assert (verdict.figures["difference"], verdict.figures["p"]) == (0.0, 1.0)
    assert verdict.figures["issue_times"] == 3 * A_DAY


def test_a_much_better_one_and_a_much_worse_one_are_seen(week: Days) -> None:
    good, bad = week.version(0.1), week.version(0.8)
    verdict = week.judge(good, bad)
    assert verdict.outcome is Outcome.BETTER
    assert verdict.figures["difference upper bound"] < 0
    assert verdict.reasons[0].startswith("Its pinball loss differs by -")
    assert week.judge(bad, good).outcome is Outcome.WORSE


def test_bands_that_do_not_keep_their_promise_are_worse_whatever_the_loss(week: Days) -> None:
    verdict = week.judge(week.version(0.1, width=0.6), week.version(0.8))
    assert verdict.figures["difference"] < 0
    assert verdict.outcome is Outcome.WORSE
    assert "outside of 0.77-0.83" in verdict.reasons[1]


def test_answers_that_are_withheld_count_against_it_and_gaps_do_not(week: Days) -> None:
    good, bad = week.version(0.1), week.version(0.8)
    good.values[5, 0] = np.nan
    verdict = week.judge(good, bad)
    assert verdict.outcome is Outcome.WORSE
    assert "withholds" in verdict.reasons[1]
    bad.values[5, 0] = np.nan
    bad.values[7] = np.nan
    good.values[7] = np.nan
    verdict = week.judge(good, bad)
    assert verdict.outcome is Outcome.BETTER
    assert verdict.figures["issue_times"] == 3 * A_DAY - 1


def test_a_window_without_outcomes_is_not_judged(week: Days) -> None:
    with pytest.raises(MissingDataError, match="no pair 5 minutes ahead"):
        judge(challenger=week.version(), incumbent=week.version(), actual=np.full_like(week.actual, np.nan))


@pytest.mark.slow
@pytest.mark.parametrize("days", [7, 14])
def test_of_two_equally_good_versions_one_is_seldom_preferred(days: int) -> None:
    """The size of the test: at most 5 % of windows, here of 400, are decided."""
    found = shares(days, 400, OWN)
    assert found[Outcome.BETTER] + found[Outcome.WORSE] <= 0.05, found


@pytest.mark.slow
def test_a_version_that_is_two_percent_better_is_found_in_time() -> None:
    """docs/live.md tells these shares."""
    assert shares(14, 100, better_by(0.02))[Outcome.BETTER] >= 0.5
