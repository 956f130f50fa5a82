import json
from pathlib import Path

import numpy as np
import pytest

from power_nowcast.bundle.train import examples
from power_nowcast.contracts import MEDIAN, QUANTILES
from power_nowcast.errors import ModelError
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.boosters.base import STARTS
from power_nowcast.models.boosters.series import joined
from power_nowcast.models.examples import Examples
from power_nowcast.models.kinds import create
from power_nowcast.workers import PARALLEL_FROM
from tests.toy import toy_panel, toy_region

SMALL = {"n_estimators": 30, "learning_rate": 0.2, "num_leaves": 7, "max_depth": 3, "refit": False}
SPEC = FeatureSpec.for_interval(30)


@pytest.fixture(scope="module")
def known() -> Examples:
    region = toy_region()
    panel = toy_panel(region)
    return examples(panel, region, panel.times[44 * 48 : -4], SPEC, series=("ALL",))


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_of_too_many_rows_every_second_or_third_is_learnt(kind: str, known: Examples) -> None:
    issues = known.block.issue_times
    whole = np.isfinite(known.outcome_mw).all(axis=(1, 2))
    known = Examples(known.block.take(whole), known.outcome_mw[whole])
    border = issues[len(issues) * 3 // 4]
    train, valid = known.during(issues[0], border), known.during(border, issues[-1])
    rows = len(train.block.issue_times)

    def thinned(part: Examples) -> Examples:
        third = np.arange(0, len(part.block.issue_times), 3)
        return Examples(part.block.take(third), part.outcome_mw[third])

    def answer(given: Examples, stop: Examples = valid, **options: int) -> np.ndarray:
        model = create(kind, ("ALL",), SPEC.knots, **SMALL, **options)
        model.fit(given, stop)
        return model.predict(valid.block)

    few, all_of_them = answer(train, max_rows=rows // 3 + 1), answer(train)
    np.testing.assert_array_equal(few[..., MEDIAN], answer(thinned(train), thinned(valid))[..., MEDIAN])
    np.testing.assert_array_equal(answer(train, max_rows=rows * len(SPEC.knots)), all_of_them)
    assert (all_of_them[..., MEDIAN] != few[..., MEDIAN]).any()
    # The sides learn from a part of the errors, and of every knot.
    by_third = answer(thinned(train))
    width = (by_third[..., -1] - by_third[..., 0]).mean(axis=(0, 1))
    assert (few[..., -1] - few[..., 0]).mean(axis=(0, 1)) / width == pytest.approx(1, abs=0.25)


def test_rows_side_by_side_are_joined_without_a_copy() -> None:
    table = np.arange(40, dtype=np.float32).reshape(10, 4).copy()
    for first, second in ((table[1:4], table[4:9]), (table[:0], table[:2])):
        assert np.shares_memory(joined(first, second), table)
        np.testing.assert_array_equal(joined(first, second), np.concatenate([first, second]))
    apart = [(table[1:4], table[5:9]), (table[4:9], table[1:4]), (table[1:4], table[4:9].copy())]
    for first, second in (*apart, (table[1:4, :2], table[4:9, :2]), (table[0:4:2], table[4:9])):
        assert not np.shares_memory(joined(first, second), table)
        np.testing.assert_array_equal(joined(first, second), np.concatenate([first, second]))


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_bands_reach_further_where_errors_do(kind: str, known: Examples) -> None:
    # What comes on top is nothing most of the time and much now and then.
    above = np.random.default_rng(1).exponential(100.0, known.outcome_mw.shape)
    lopsided = Examples(known.block, known.outcome_mw + above)
    issues = known.block.issue_times
    border = issues[len(issues) // 2]
    model = create(kind, ("ALL",), SPEC.knots, **SMALL)
    model.fit(lopsided.during(issues[0], border), lopsided.during(border, issues[-1]))
    answer = model.predict(known.during(border, issues[-1]).block)
    low, median, high = (np.nanmean(answer[..., n]) for n in (QUANTILES.index(0.1), MEDIAN, QUANTILES.index(0.9)))
    assert high - median > 1.3 * (median - low)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_many_rows_have_the_answers_of_few(kind: str) -> None:
    """Threads answer many rows, a series each; a series without an origin has no answer."""
    region = toy_region()
    panel = toy_panel(region)
    whole = examples(panel, region, panel.times[-700:-4], SPEC)
    border = whole.block.issue_times[350]
    model = create(kind, whole.block.series, SPEC.knots, n_estimators=3, num_leaves=4, max_depth=2)
    model.fit(whole.during(whole.block.issue_times[0], border), whole.during(border, panel.times[-4]))
    block = whole.block
    block.origin_mw[5:9, 1] = np.nan
    answer = model.predict(block)
    assert answer[..., 0].size // len(SPEC.knots) >= PARALLEL_FROM
    few = [model.predict(block.take(np.arange(first, first + 50))) for first in range(0, 650, 50)]
    assert few[0][..., 0].size // len(SPEC.knots) < PARALLEL_FROM
    np.testing.assert_array_equal(answer[:650], np.concatenate(few))
    lacks = np.isnan(answer).all(axis=(2, 3))
    np.testing.assert_array_equal(lacks, np.isnan(block.origin_mw))
    np.testing.assert_array_equal(answer[:, [2, 0]], model.predict(block.only((block.series[2], block.series[0]))))


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_boosters_of_before_the_linear_fit_answer_as_before(kind: str, known: Examples, tmp_path: Path) -> None:
    issues = known.block.issue_times
    parts = known.during(issues[0], issues[600]), known.during(issues[600], issues[-1])
    model = create(kind, ("ALL",), SPEC.knots, **SMALL, linear=False)
    model.fit(*parts)
    model.save(tmp_path)
    head = json.loads((tmp_path / "boosters.json").read_text())
    del head["config"]["linear"]  # they did not say so
    (tmp_path / "boosters.json").write_text(json.dumps(head))
    assert not (tmp_path / STARTS).exists()
    again = type(model).load(tmp_path, ("ALL",), SPEC.knots)
    np.testing.assert_array_equal(again.predict(parts[1].block), model.predict(parts[1].block))


def test_a_model_that_lacks_the_linear_fit_of_a_series_is_refused(known: Examples, tmp_path: Path) -> None:
    issues = known.block.issue_times
    model = create("lightgbm", ("ALL",), SPEC.knots, **SMALL)
    model.fit(known.during(issues[0], issues[600]), known.during(issues[600], issues[-1]))
    model.save(tmp_path)
    (tmp_path / STARTS).write_text("[]")
    with pytest.raises(ModelError, match="linear fit"):
        type(model).load(tmp_path, ("ALL",), SPEC.knots)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_ramps_that_are_said_are_as_large_as_those_that_come(kind: str, known: Examples) -> None:
    issues = known.block.issue_times
    border = issues[len(issues) * 3 // 4]
    train, valid = known.during(issues[0], border), known.during(border, issues[-1])
    unit = np.nanstd(known.ramps)
    # The ramp is a sum of features, and a part that no feature tells.
    noise = np.random.default_rng(1).normal(0, 0.2 * unit, known.outcome_mw.shape)
    said = {}
    for linear in (True, False):
        model = create(kind, ("ALL",), SPEC.knots, **SMALL | {"n_estimators": 15}, linear=linear)
        model.fit(Examples(train.block, train.outcome_mw + noise[: len(train.outcome_mw)]), valid)
        said[linear] = model.predict(valid.block)[..., MEDIAN] - valid.block.origin_mw[..., None]
    came = valid.ramps
    known_here = np.isfinite(came) & np.isfinite(said[True])
    error = {linear: np.abs(came - ramps)[known_here].mean() for linear, ramps in said.items()}
    slope = {linear: (came * ramps)[known_here].sum() / (ramps**2)[known_here].sum() for linear, ramps in said.items()}
    assert error[True] < error[False]
    assert abs(slope[True] - 1) < abs(slope[False] - 1)
    assert 0.95 < slope[True] < 1.05


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_an_unknown_outcome_teaches_nothing(kind: str, known: Examples) -> None:
    """Boosters of all knots share their rows, and some rows lack the outcome of one knot."""
    issues = known.block.issue_times
    border = issues[len(issues) * 3 // 4]
    valid = known.during(border, issues[-1])
    learnt = known.during(issues[0], border)
    hole = np.arange(0, len(learnt.outcome_mw), 2)
    answers = []
    for value in (np.nan, 1e6):
        outcome = learnt.outcome_mw.copy()
        outcome[hole, :, -1] = value
        model = create(kind, ("ALL",), SPEC.knots, **SMALL)
        model.fit(Examples(learnt.block, outcome), valid)
        answers.append(model.predict(valid.block)[..., -1, MEDIAN])
    error, spoilt = (np.nanmean(np.abs(valid.outcome_mw[..., -1] - answer)) for answer in answers)
    assert error < 0.2 * np.nanmean(np.abs(valid.ramps[..., -1])) + 50
    assert spoilt > 100 * error
