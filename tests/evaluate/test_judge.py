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
OWN = 0.1
"""Size of the part of an error that a version has by itself, in standard deviations of the part that nobody knows. With
it, the differences of two versions vary somewhat more from day to day (0.7 % of the loss) than those of LightGBM and
XGBoost do on New York's June of 2019 (0.6 %)."""
MEMORY_HOURS = 0.5
"""Own errors and the volatility stay for about so long; in New York, differences of losses are forgotten in 2 hours."""
A_DAY = 288


@dataclass
class Days:
    """Made-up days of a grid of 5 minutes: overlapping ramps, volatile hours, own errors that last for hours."""

    days: int
    seed: int
    memory_hours: float = MEMORY_HOURS

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
        """A standard normal series of each zone with this memory, shape (issue, series)."""
        n, rho = self.days * A_DAY, np.exp(-5 / 60 / self.memory_hours)
        found = np.empty((n, len(SERIES)))
        found[0] = self.rng.normal(size=len(SERIES))
        shocks = np.sqrt(1 - rho**2) * self.rng.normal(size=(n, len(SERIES)))
        for k in range(1, n):
            found[k] = rho * found[k - 1] + shocks[k]
        return found

    def version(self, *, knows: float = 0.0, own: float = OWN, width: float = 1.0) -> Nowcasts:
        """Nowcasts that know a share of what is hidden and have an error of their own; the bands fit, but for `width`.

        With a small own error, a version that knows .02 has a loss that is 2 % smaller.
        """
        centre = 1000.0 + knows * self.hidden + own * self.lasting()[..., None] * self.spread * self.volatility
        sigma = width * np.sqrt((1 - knows) ** 2 + own**2) * self.spread * self.volatility
        return Nowcasts("toy", self.issues, SERIES, STEPS, centre[..., None] + sigma[..., None] * NORMAL)

    def judge(self, challenger: Nowcasts, incumbent: Nowcasts) -> Verdict:
        return judge(challenger=challenger, incumbent=incumbent, actual=self.actual)


def shares(days: int, windows: int, *, better: float = 0.0, memory_hours: float = MEMORY_HOURS) -> dict[Outcome, float]:
    """Shares of the outcomes of windows, each of days of its own, for a challenger that is better by a share."""
    found = []
    for seed in range(windows):
        made = Days(days, seed, memory_hours)
        found.append(made.judge(made.version(knows=better), made.version()).outcome)
    return {one: found.count(one) / windows for one in Outcome}


@pytest.fixture(scope="module")
def three_days() -> Days:
    return Days(3, 1)


def test_a_version_against_itself_is_never_decided(three_days: Days) -> None:
    same = three_days.version()
    verdict = three_days.judge(same, same)
    assert verdict.outcome is Outcome.UNDECIDED
    assert (verdict.figures["difference"], verdict.figures["p"]) == (0.0, 1.0)
    assert verdict.figures["issue_times"] == 3 * A_DAY


def test_a_much_better_one_and_a_much_worse_one_are_seen(three_days: Days) -> None:
    good, bad = three_days.version(), three_days.version(own=0.8)
    verdict = three_days.judge(good, bad)
    assert verdict.outcome is Outcome.BETTER
    assert verdict.figures["difference upper bound"] < 0
    assert verdict.reasons[0].startswith("Its pinball loss differs by -")
    assert three_days.judge(bad, good).outcome is Outcome.WORSE


def test_bands_that_do_not_keep_their_promise_are_worse_whatever_the_loss(three_days: Days) -> None:
    verdict = three_days.judge(three_days.version(width=0.6), three_days.version(own=0.8))
    assert verdict.figures["difference"] < 0
    assert verdict.outcome is Outcome.WORSE
    assert "outside of 0.77-0.83" in verdict.reasons[1]


def test_answers_that_are_withheld_count_against_it_and_gaps_do_not(three_days: Days) -> None:
    good, bad = three_days.version(), three_days.version(own=0.8)
    good.values[5, 0] = np.nan
    verdict = three_days.judge(good, bad)
    assert verdict.outcome is Outcome.WORSE
    assert "withholds" in verdict.reasons[1]
    bad.values[5, 0] = np.nan
    bad.values[7] = np.nan
    good.values[7] = np.nan
    verdict = three_days.judge(good, bad)
    assert verdict.outcome is Outcome.BETTER
    assert verdict.figures["issue_times"] == 3 * A_DAY - 1


def test_a_window_without_outcomes_is_not_judged(three_days: Days) -> None:
    with pytest.raises(MissingDataError, match="no pair 5 minutes ahead"):
        judge(
            challenger=three_days.version(),
            incumbent=three_days.version(),
            actual=np.full_like(three_days.actual, np.nan),
        )


@pytest.mark.slow
@pytest.mark.parametrize("memory_hours", [MEMORY_HOURS, 3.0])
@pytest.mark.parametrize("days", [3, 7, 14])
def test_of_two_equally_good_versions_one_is_seldom_preferred(days: int, memory_hours: float) -> None:
    """At most 5 % of windows, here of 400, are decided, also if errors last longer than they do in New York."""
    found = shares(days, 400, memory_hours=memory_hours)
    assert found[Outcome.BETTER] + found[Outcome.WORSE] <= 0.05, found


@pytest.mark.slow
def test_a_version_that_is_two_percent_better_needs_five_days() -> None:
    """docs/live.md tells these shares."""
    found = {days: shares(days, 200, better=0.02)[Outcome.BETTER] for days in (3, 5)}
    assert 0.65 <= found[3] <= 0.85, found
    assert found[5] >= 0.87, found
