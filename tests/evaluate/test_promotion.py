from statistics import mean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.contracts import QUANTILES, Nowcasts
from power_nowcast.errors import ConfigurationError, MissingDataError
from power_nowcast.evaluate.inference import hac_variance_of_mean
from power_nowcast.evaluate.promotion import Decision, decide
from tests.toy import toy_region

REGION = toy_region()
SERIES, STEPS = REGION.series, REGION.steps_minutes
N = 1500
NORMAL = np.array([-1.6449, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.6449])
"""Quantiles of the standard normal at QUANTILES."""


class World:
    """Truth whose ramps are half predictable, and nowcasts that know more or less of it."""

    def __init__(self, seed: int = 0, n: int = N) -> None:
        rng = np.random.default_rng(seed)
        self.issues = np.datetime64("2024-05-01T00:00", "m") + np.arange(n) * np.timedelta64(30, "m")
        self.size = np.array([3500.0, 1000.0, 2500.0])[:, None] / 100
        self.at_issue = 100 * self.size[:, 0] + np.zeros((n, 3))
        self.known = rng.normal(size=(n, 3, 2)) * self.size
        self.hidden = rng.normal(size=(n, 3, 2)) * self.size
        self.actual = self.at_issue[..., None] + self.known + self.hidden
        self.rng = rng

    def nowcasts(self, knows: float = 1.0, width: float = 1.0, noise: float | np.ndarray = 0.0) -> Nowcasts:
        centre = self.at_issue[..., None] + knows * self.known
        centre = centre + noise * self.size * self.rng.normal(size=centre.shape)
        spread = np.sqrt(1 + (1 - knows) ** 2) * width * self.size
        return Nowcasts("toy", self.issues, SERIES, STEPS, centre[..., None] + spread[..., None] * NORMAL)

    def decide(self, challenger: Nowcasts, incumbent: Nowcasts | None = None, **changes) -> Decision:
        given = {
            "challenger": challenger,
            "incumbent": incumbent,
            "baselines": {"persistence": self.nowcasts(0), "half": self.nowcasts(0.5)},
            "actual": self.actual,
            "at_issue": self.at_issue,
        }
        return decide(**(given | changes))


@pytest.fixture
def world() -> World:
    return World()


def test_a_good_first_model_is_promoted(world: World) -> None:
    decision = world.decide(world.nowcasts())
    assert decision.promoted
    assert decision.figures["pinball"] < decision.figures["pinball half"] < decision.figures["pinball persistence"] < 1
    assert "There is no incumbent." in decision.reasons
    assert decision.figures["pairs"] == N * 6


def test_the_best_baseline_is_the_bar(world: World) -> None:
    decision = world.decide(world.nowcasts(0.4))
    assert not decision.promoted
    assert decision.reasons == tuple(reason for reason in decision.reasons if "best baseline (half)" in reason)
    assert not world.decide(world.nowcasts(0.5), baselines={"same": world.nowcasts(0.5)}).promoted


def test_the_same_again_is_not_inferior(world: World) -> None:
    decision = world.decide(world.nowcasts(), world.nowcasts())
    assert decision.promoted
    assert decision.figures["difference"] == 0
    assert decision.figures["difference upper bound"] == 0


def test_a_little_worse_is_allowed_a_lot_is_not(world: World) -> None:
    good = world.nowcasts()
    assert world.decide(world.nowcasts(0.98), good).promoted
    worse = world.decide(world.nowcasts(0.75), good)
    assert not worse.promoted
    assert worse.figures["difference upper bound"] > 0.01
    assert any("Against the incumbent" in reason for reason in worse.reasons)


def test_too_few_issue_times_prove_nothing() -> None:
    few, many = (
        world.decide(world.nowcasts(noise=0.1), world.nowcasts(noise=0.1)) for world in (World(1, 20), World(1, 1500))
    )
    # The difference is small in both; after a few hours only how little is known of it speaks against the challenger.
    assert few.figures["difference"] < 0.01 < few.figures["difference upper bound"]
    assert not few.promoted
    assert [reason for reason in few.reasons if "upper 95 % bound" in reason] == list(few.reasons)
    assert many.figures["difference standard error"] < few.figures["difference standard error"] / 5
    assert many.promoted


def test_one_bad_series_is_refused_by_name(world: World) -> None:
    challenger, incumbent = world.nowcasts(), world.nowcasts(0.9)
    challenger.values[:, 1] = world.nowcasts(0.6).values[:, 1]
    decision = world.decide(challenger, incumbent)
    assert not decision.promoted
    assert any("N.E. +" in reason and "SOUTH 1" not in reason for reason in decision.reasons)
    assert decision.figures["difference N.E."] > 0.03 > decision.figures["difference SOUTH 1"]


@pytest.mark.parametrize("width", [0.8, 1.2])
def test_wrong_widths_are_refused(world: World, width: float) -> None:
    decision = world.decide(world.nowcasts(width=width))
    assert not decision.promoted
    assert "q10-q90" in decision.reasons[0]
    assert "outside of 0.77-0.83" in decision.reasons[0]


def test_one_horizon_may_be_off_a_little_and_not_much(world: World) -> None:
    little, much = (world.nowcasts(0.9) for _ in range(2))
    for challenger, width in ((little, 1.1), (much, 3.0)):
        median = challenger.values[:, :, :1, 3:4]
        challenger.values[:, :, :1] = median + (challenger.values[:, :, :1] - median) * width
    assert world.decide(little).promoted
    refused = world.decide(much)
    assert not refused.promoted
    assert any("30 min" in reason for reason in refused.reasons)


def test_coverage_is_averaged_over_series_by_horizon(world: World) -> None:
    challenger = world.nowcasts()
    inside = (world.actual >= challenger.values[..., 1]) & (world.actual <= challenger.values[..., 5])
    figures = world.decide(challenger).figures
    assert figures["coverage 80 % at 30 min"] == pytest.approx(inside[:, :, 0].mean())
    assert figures["coverage 80 % at 60 min"] == pytest.approx(inside[:, :, 1].mean())


def test_answers_withheld_are_not_a_way_to_win(world: World) -> None:
    challenger = world.nowcasts()
    challenger.values[:100, 0] = np.nan
    decision = world.decide(challenger, world.nowcasts(0.9))
    assert not decision.promoted
    assert decision.figures["withheld"] == pytest.approx(200 / (N * 6))


def test_gaps_in_the_truth_count_for_nobody(world: World) -> None:
    challenger = world.nowcasts()
    world.actual[10:40] = np.nan
    decision = world.decide(challenger, world.nowcasts(0.9))
    assert decision.promoted
    assert decision.figures["pairs"] == (N - 30) * 6


@given(st.floats(0.01, 1000), st.integers(0, 5))
def test_the_unit_does_not_matter(factor: float, seed: int) -> None:
    world = World(seed, n=200)
    ours, theirs, base = world.nowcasts(0.9), world.nowcasts(0.8), world.nowcasts(0.2)

    def scaled(one: Nowcasts) -> Nowcasts:
        return Nowcasts("toy", one.issue_times, one.series, one.steps_minutes, one.values * factor)

    before = world.decide(ours, theirs, baselines={"base": base})
    after = world.decide(
        scaled(ours),
        scaled(theirs),
        baselines={"base": scaled(base)},
        actual=world.actual * factor,
        at_issue=world.at_issue * factor,
    )
    assert before.promoted == after.promoted
    assert before.figures == pytest.approx(after.figures, abs=1e-9)


@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1), st.floats(0.7, 1.3))
def test_promotion_means_every_rule_holds(seed: int, knows: float, incumbent: float, width: float) -> None:
    world = World(seed % 7, n=300)
    decision = world.decide(world.nowcasts(knows, width), world.nowcasts(incumbent))
    figures = decision.figures
    rules = (
        figures["pinball"] < min(figures["pinball persistence"], figures["pinball half"]),
        figures["difference upper bound"] <= 0.01,
        all(figures[f"difference {name}"] <= 0.03 for name in SERIES),
        figures["coverage 80 %"] + 1.645 * figures["coverage standard error"] >= 0.77
        and figures["coverage 80 %"] - 1.645 * figures["coverage standard error"] <= 0.83,
        all(0.70 <= figures[f"coverage 80 % at {step} min"] <= 0.90 for step in STEPS),
    )
    assert decision.promoted == all(rules)
    assert decision.reasons
    if not decision.promoted:
        assert len(decision.reasons) == rules.count(False)


def test_autocorrelated_luck_does_not_promote() -> None:
    """A challenger that is better for days and worse for days has not proved itself as quickly as by single pairs."""
    world = World(n=600)
    days = np.repeat(np.where(np.arange(13) % 2, 1.0, 0.4), 48)[:600, None, None]
    challenger, incumbent = world.nowcasts(noise=0.9 * days), world.nowcasts(noise=0.9 * 0.8)
    decision = world.decide(challenger, incumbent)
    independent = np.random.default_rng(0).permutation(600)
    shuffled = [
        Nowcasts("toy", one.issue_times, SERIES, STEPS, one.values[independent]) for one in (challenger, incumbent)
    ]
    base = world.nowcasts(0)
    again = decide(
        challenger=shuffled[0],
        incumbent=shuffled[1],
        baselines={"base": Nowcasts("toy", base.issue_times, SERIES, STEPS, base.values[independent])},
        actual=world.actual[independent],
        at_issue=world.at_issue[independent],
    )
    assert decision.figures["difference"] == pytest.approx(again.figures["difference"])
    assert decision.figures["difference standard error"] > 1.3 * again.figures["difference standard error"]


def test_what_cannot_be_compared_is_said(world: World) -> None:
    good = world.nowcasts()
    with pytest.raises(ConfigurationError, match="baseline"):
        world.decide(good, baselines={})
    other = Nowcasts("toy", good.issue_times + np.timedelta64(30, "m"), SERIES, STEPS, good.values)
    with pytest.raises(ConfigurationError, match="the incumbent"):
        world.decide(good, other)
    with pytest.raises(ConfigurationError, match="shape"):
        world.decide(good, actual=world.actual[:5])
    backwards = Nowcasts("toy", good.issue_times[::-1], SERIES, STEPS, good.values)
    with pytest.raises(ConfigurationError, match="order"):
        world.decide(backwards, baselines={"same": backwards})
    twice = Nowcasts("toy", good.issue_times.copy(), SERIES, STEPS, good.values)
    twice.issue_times[7] = twice.issue_times[6]
    with pytest.raises(ConfigurationError, match="order"):
        world.decide(twice, baselines={"same": twice})
    unknown = world.actual.copy()
    unknown[:, 2, 1] = unknown[:5, 0, 0] = np.nan  # a cell that lacks some pairs is not the one without any
    with pytest.raises(MissingDataError, match="SOUTH 1 has no pair 60 minutes"):
        world.decide(good, actual=unknown)
    still = world.actual.copy()
    still[:, 1] = world.at_issue[:, 1, None]
    with pytest.raises(MissingDataError, match=r"N\.E\. never moved 30 minutes"):
        world.decide(good, actual=still)


def test_every_figure_agrees_with_loops_over_single_pairs() -> None:
    """Rows without a value count for nobody, and nowhere: unknown truths, no last value, no answer of one of them."""
    world = World(seed=3, n=60)
    challenger, incumbent, base = world.nowcasts(noise=0.3), world.nowcasts(0.8), world.nowcasts(0.3)
    world.actual[5:9, 0] = np.nan
    world.actual[20, 1, 1] = np.nan
    world.at_issue[30, 2] = np.nan
    base.values[40:43, 1, 0] = np.nan
    incumbent.values[44, 2, 1, 6] = np.nan
    challenger.values[50:53, 2, 0, 0] = np.nan
    told = world.decide(challenger, incumbent, baselines={"base": base})
    actual, at_issue = world.actual.tolist(), world.at_issue.tolist()
    cells = [(s, h) for s in range(3) for h in range(2)]

    def loss(truth: float, values: list[float]) -> float:
        gaps = [(level, truth - value) for level, value in zip(QUANTILES, values, strict=True)]
        return mean(level * gap if gap > 0 else (level - 1) * gap for level, gap in gaps)

    withheld, known, used = 0, 0, {cell: [] for cell in cells}
    for i in range(60):
        for s, h in cells:
            others = [actual[i][s][h], at_issue[i][s], *incumbent.values[i, s, h], *base.values[i, s, h]]
            if any(value != value for value in others):
                continue
            known += 1
            if any(value != value for value in challenger.values[i, s, h]):
                withheld += 1
            else:
                used[s, h].append(i)
    assert (known, withheld) == (360 - 8 - 1 - 2 - 3 - 1, 3)

    scales = {(s, h): mean(loss(actual[i][s][h], [at_issue[i][s]] * 7) for i in used[s, h]) for s, h in cells}

    def scaled(one: Nowcasts, i: int, s: int, h: int) -> float:
        return loss(actual[i][s][h], one.values[i, s, h].tolist()) / scales[s, h]

    def scores(one: Nowcasts) -> dict[tuple[int, int], float]:
        return {(s, h): mean(scaled(one, i, s, h) for i in used[s, h]) for s, h in cells}

    def covered(i: int, s: int, h: int) -> float:
        return float(challenger.values[i, s, h, 1] <= actual[i][s][h] <= challenger.values[i, s, h, 5])

    def error(value) -> float:
        """Standard error of the mean over cells, by the sums of each issue time."""
        sums = [sum(value(i, *cell) * 60 / len(used[cell]) / 6 for cell in cells if i in used[cell]) for i in range(60)]
        return float(np.sqrt(hac_variance_of_mean(np.array(sums))))

    ours, theirs, bases = scores(challenger), scores(incumbent), scores(base)
    total = mean(theirs.values())
    difference = mean(ours.values()) - total
    paired = error(lambda *at: scaled(challenger, *at) - scaled(incumbent, *at))
    shares = {cell: mean(covered(i, *cell) for i in used[cell]) for cell in cells}
    share = mean(shares.values())
    expected = {
        "pairs": known - withheld,
        "issue_times": len(set().union(*used.values())),
        "pinball": mean(ours.values()),
        "withheld": withheld / known,
        "pinball base": mean(bases.values()),
        "pinball incumbent": total,
        "difference": difference / total,
        "difference standard error": paired / total,
        "difference upper bound": (difference + 1.6448536269514722 * paired) / total,
        "coverage 80 %": share,
        "coverage standard error": error(lambda *at: covered(*at) - share),
    }
    for s, name in enumerate(SERIES):
        expected[f"difference {name}"] = mean(ours[s, h] for h in (0, 1)) / mean(theirs[s, h] for h in (0, 1)) - 1
    for h, step in enumerate(STEPS):
        expected[f"coverage 80 % at {step} min"] = mean(shares[s, h] for s in range(3))
    assert told.figures == pytest.approx(expected, rel=1e-9)
    assert any("It withholds 0.87%" in reason for reason in told.reasons)
