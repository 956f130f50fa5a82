"""ensemble: weights from held-out time, shares of those that answer, and members kept in folders of their own."""

from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from power_nowcast.bundle.train import examples
from power_nowcast.contracts import MEDIAN, QUANTILES, FeatureBlock
from power_nowcast.errors import ModelError
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.baselines import Persistence
from power_nowcast.models.ensemble import DEFAULT, SHRINKAGE, Ensemble, best_weights, best_width_weights, total_of
from power_nowcast.models.examples import Examples
from tests.toy import toy_panel, toy_region

TINY = {"n_estimators": 10, "num_leaves": 4, "min_child": 20}


@pytest.fixture(scope="module")
def known() -> Examples:
    region = toy_region()
    panel = toy_panel(region)
    return examples(panel, region, panel.times[44 * 48 :], FeatureSpec.for_interval(30))


class Silent(Persistence):
    """Never has an answer."""

    def predict(self, block: FeatureBlock) -> NDArray[np.float64]:
        return np.full((*block.origin_mw.shape, len(self.knots), len(QUANTILES)), np.nan)


@given(st.integers(0, 2), st.integers(0, 1000))
def test_the_member_that_was_right_gets_the_weight(right: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    outcome = chance.normal(0, 100, (60, 1, 2))
    medians = outcome[..., None] + chance.normal(0, 50, (60, 1, 2, 3))
    medians[..., right] = outcome
    weights = best_weights(medians, outcome)
    np.testing.assert_allclose(weights.sum(axis=-1), 1)
    np.testing.assert_allclose(weights[..., right], 1 - SHRINKAGE + SHRINKAGE / 3)


def test_weights_of_widths_are_those_of_a_search_by_hand() -> None:
    """The least pinball loss over the tenths, by loops; outcomes lie above more often, so both sides count."""
    chance = np.random.default_rng(3)
    for _ in range(5):
        distances = np.sort(chance.normal(0, 50, (40, 1, 1, 7, 2)), axis=3)
        gaps = chance.normal(20, 40, (40, 1, 1))

        def loss(share: float, distances: NDArray[np.float64] = distances, gaps: NDArray[np.float64] = gaps) -> float:
            total = 0.0
            for i, q in np.ndindex(40, 7):
                first, second = distances[i, 0, 0, q]
                gap = gaps[i, 0, 0] - share * first - (1 - share) * second
                total += QUANTILES[q] * gap if gap > 0 else (QUANTILES[q] - 1) * gap
            return total

        best = min((n / 10 for n in range(11)), key=loss)
        found = best_width_weights(distances, gaps)[0, 0]
        np.testing.assert_allclose(found, [(best + 0.5) / 2, (1.5 - best) / 2])


def test_weights_are_found_in_tenths() -> None:
    chance = np.random.default_rng(2)
    medians = chance.normal(0, 100, (200, 1, 1, 2))
    outcome = medians @ np.array([0.3, 0.7])
    np.testing.assert_allclose(best_weights(medians, outcome)[0, 0], [(0.3 + 0.5) / 2, (0.7 + 0.5) / 2])


def test_the_members_are_those_that_were_measured() -> None:
    """The figures of docs/benchmarks.md are those of these settings."""
    assert DEFAULT == {
        "mlp_global": {},
        "mlp_local": {"noise": 0.15},
        "lightgbm": {"max_rows": 60_000, "n_estimators": 400, "learning_rate": 0.08, "linear": False},
    }


def test_the_member_with_the_right_width_gets_the_weight() -> None:
    chance = np.random.default_rng(1)
    size = chance.uniform(10, 100, (4000, 1, 1))
    scores = np.array([NormalDist().inv_cdf(level) for level in QUANTILES])
    right, flat = size[..., None] * scores, np.full_like(size, 50)[..., None] * scores
    weights = best_width_weights(np.stack([flat, right], axis=-1), size * chance.normal(size=size.shape))
    np.testing.assert_allclose(weights[0, 0], [SHRINKAGE / 2, 1 - SHRINKAGE / 2], atol=0.051)


def test_what_a_member_did_not_answer_decides_no_weight() -> None:
    """Issue times at which one member has no answer, or an answer with a hole, are left out for all of them."""
    chance = np.random.default_rng(8)
    outcome = chance.normal(0, 100, (60, 1, 1))
    medians = outcome[..., None] + chance.normal(0, 50, (60, 1, 1, 3))
    medians[..., 0] = outcome  # the first member is right
    whole = best_weights(medians[20:], outcome[20:])
    np.testing.assert_allclose(whole[0, 0], [2 / 3, 1 / 6, 1 / 6])
    medians[:20, ..., 0] = 1e6  # and far off where another one is silent
    medians[:20, ..., 2] = np.nan
    np.testing.assert_array_equal(best_weights(medians, outcome), whole)
    distances = np.linspace(-1, 1, 7)[:, None] * [10.0, 80.0] * np.ones((60, 1, 1, 1, 1))
    gaps = chance.normal(0, 8, (60, 1, 1))
    narrow = best_width_weights(distances[20:], gaps[20:])
    gaps[:20] = 100.0
    distances[:20, ..., 0, 0] = np.nan
    np.testing.assert_array_equal(best_width_weights(distances, gaps), narrow)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_before_it_learns_all_weigh_alike(count: int) -> None:
    made = Ensemble(("A", "B"), (30, 60), [Persistence(("A", "B"), (30, 60)) for _ in range(count)])
    for weights in (made.weights, made.width_weights):
        np.testing.assert_array_equal(weights, np.full((2, 2, count), 1 / count))


def test_without_outcomes_all_weigh_alike() -> None:
    weights = best_weights(np.zeros((5, 1, 1, 2)), np.full((5, 1, 1), np.nan))
    np.testing.assert_allclose(weights, 0.5)


def test_the_answer_is_the_weighted_mean(known: Examples) -> None:
    knots = FeatureSpec.for_interval(30).knots
    model = Ensemble.of(toy_region().series, knots, ("persistence", "lightgbm"), **TINY)
    model.fit(known, known)
    model.summed[:] = 0
    answer, parts = model.predict(known.block), [member.predict(known.block) for member in model.members]
    medians = [part[..., [MEDIAN]] for part in parts]
    weights, widths = model.weights[..., None, :], model.width_weights[..., None, :]
    expected = sum(medians[m] * weights[..., m] + (parts[m] - medians[m]) * widths[..., m] for m in (0, 1))
    np.testing.assert_allclose(answer, expected)
    assert (np.diff(answer, axis=-1) >= 0).all()


def test_a_member_without_an_answer_leaves_it_to_the_others(known: Examples) -> None:
    region, knots = toy_region(), FeatureSpec.for_interval(30).knots
    alone = Persistence(region.series, knots)
    alone.fit(known, known)
    model = Ensemble(region.series, knots, [alone, Silent(region.series, knots)])
    np.testing.assert_allclose(model.predict(known.block), alone.predict(known.block))
    nobody = Ensemble(region.series, knots, [Silent(region.series, knots)])
    assert np.isnan(nobody.predict(known.block)).all()


def test_the_total_is_drawn_to_the_sum_of_its_zones() -> None:
    zones = np.random.default_rng(1).uniform(50, 100, (40, 3))
    assert total_of(np.column_stack([zones[:, :1], zones.sum(axis=1), zones[:, 1:]])) == 1
    assert total_of(zones) is None
    assert total_of(zones[:, :2]) is None
    model = Ensemble(("all", "a", "b"), (30,))
    model.total, model.summed = 0, np.array([0.25])
    median = np.array([300.0, 100.0, 160.0, 300.0, 100.0, np.nan]).reshape(2, 3, 1, 1)
    answer = model._reconciled(median + np.arange(-3.0, 4.0))
    np.testing.assert_allclose(answer[:, 0, 0], np.array([[290.0], [300.0]]) + np.arange(-3.0, 4.0))


class Offset(Persistence):
    """Errs by 5 MW for the first series of its region, by 10 MW for the next, and so on; answers any of them."""

    def predict(self, block: FeatureBlock) -> NDArray[np.float64]:
        errors = np.array([5.0 * (1 + self.series.index(name)) for name in block.series])
        median = (block.origin_mw + errors)[..., None, None]
        return median + np.zeros((len(self.knots), 1)) + np.arange(-3.0, 4.0)


def exact(known: Examples) -> Examples:
    """Outcomes at which the origin's value stays."""
    return Examples(known.block, np.repeat(known.block.origin_mw[..., None], known.outcome_mw.shape[2], axis=2))


def test_the_total_and_the_sum_of_its_zones_are_weighed_by_what_they_were_worth(known: Examples) -> None:
    """The total is the first series and errs by 5 MW, its zones by 10 and 15: the sum by 25, so it gets no weight of
    its own, and a quarter by the pull to equal shares.
    """
    region, knots = toy_region(), FeatureSpec.for_interval(30).knots
    assert region.series == ("ALL", "N.E.", "SOUTH 1")
    model = Ensemble(region.series, knots, [Offset(region.series, knots)])
    report, answer = model.fit(exact(known), exact(known))
    assert model.total == 0
    np.testing.assert_allclose(model.summed, SHRINKAGE / 2)
    assert report.metrics == pytest.approx(
        {"weight/persistence": 1.0, "width weight/persistence": 1.0, "weight/sum of zones": SHRINKAGE / 2}
    )
    error = np.array([5 + SHRINKAGE / 2 * (25 - 5), 10, 15])
    expected = (known.block.origin_mw + error)[:, :, None, None] + np.arange(-3.0, 4.0)
    np.testing.assert_allclose(answer, np.broadcast_to(expected, answer.shape))
    np.testing.assert_array_equal(model.predict(known.block), answer)


def test_a_subset_is_answered_as_its_members_do(known: Examples) -> None:
    """Without all of its zones in their places a total has no sum, and no other series is taken for the total."""
    region, knots = toy_region(), FeatureSpec.for_interval(30).knots
    model = Ensemble(region.series, knots, [Offset(region.series, knots)])
    model.fit(exact(known), exact(known))
    for names in (("SOUTH 1", "N.E."), ("N.E.",), ("ALL", "SOUTH 1"), ("SOUTH 1", "N.E.", "ALL")):
        block = known.block.only(names)
        np.testing.assert_allclose(model.predict(block), model.members[0].predict(block))


def test_members_keep_checkpoints_in_folders_of_their_own(known: Examples, tmp_path: Path) -> None:
    region, knots = toy_region(), FeatureSpec.for_interval(30).knots
    model = Ensemble(region.series, knots, [Offset(region.series, knots)])
    model.fit(known, known)
    assert model.members[0].checkpoints is None
    model.checkpoints = tmp_path
    model.fit(known, known)
    assert model.members[0].checkpoints == tmp_path / "persistence"


def test_it_is_read_as_it_was_saved(known: Examples, tmp_path: Path) -> None:
    region, knots = toy_region(), FeatureSpec.for_interval(30).knots
    model = Ensemble.of(region.series, knots, {"persistence": {}, "lightgbm": TINY})
    model.fit(known, known)
    model.save(tmp_path)
    again = Ensemble.load(tmp_path, region.series, knots)
    np.testing.assert_array_equal(again.predict(known.block), model.predict(known.block))
    assert model.params["members"] == "persistence,lightgbm"
    assert model.params["lightgbm/n_estimators"] == 10
    shares = list(model.importance().values())
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    assert len(set(shares)) > 2


def test_what_is_asked_of_all_comes_before_defaults_and_after_what_is_asked_of_one() -> None:
    boosters = Ensemble.of(("A",), (30,), n_estimators=7, learning_rate=None).members[-1]
    kept = DEFAULT["lightgbm"]
    assert boosters.params["n_estimators"] == 7
    assert (boosters.params["learning_rate"], boosters.params["max_rows"]) == (kept["learning_rate"], kept["max_rows"])
    named = Ensemble.of(("A",), (30,), {"lightgbm": {"n_estimators": 3}}, n_estimators=7, num_leaves=5).members[0]
    assert (named.params["n_estimators"], named.params["num_leaves"], named.params["max_rows"]) == (3, 5, None)


def test_an_empty_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no members"):
        Ensemble(("A",), (30,)).save(tmp_path)
