"""explaining: contributions add up to the ramp for every kind, and what a model does not read contributes nothing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.explaining import SHAPLEY, SUM_OF_ZONES, TREES, contributions, permutation_importance
from power_nowcast.bundle.train import examples, scaled_pinball, train_bundle
from power_nowcast.contracts import MEDIAN, FeatureBlock
from power_nowcast.errors import HistoryError
from power_nowcast.features.families import families_of, family_of
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.base import Model
from power_nowcast.models.examples import Examples
from power_nowcast.models.kinds import create
from tests.toy import toy_panel, toy_region

SPEC = FeatureSpec.for_interval(30)
TINY = {"n_estimators": 15, "num_leaves": 5, "max_depth": 3, "learning_rate": 0.2, "min_child": 20, "early_stopping": 5}
NETWORK = {"epochs": 3, "batch_size": 64, "width": 16, "layers": 1}
MEMBERS = {"lightgbm": TINY, "persistence_ramp": {}, "xgboost": TINY}
NEURAL = pytest.param("mlp", marks=pytest.mark.slow)
KINDS = ("persistence", "persistence_ramp", "seasonal_naive", "lightgbm", "xgboost", "ensemble", NEURAL)


@pytest.fixture(scope="module")
def parts() -> tuple[Examples, Examples]:
    region = toy_region()
    panel = toy_panel(region)
    known = examples(panel, region, panel.times[30 * 48 :: 3], SPEC)
    times = known.block.issue_times
    border = times[len(times) * 3 // 4]
    return known.during(times[0], border, 90), known.during(border, times[-1], 90)


@pytest.fixture(scope="module")
def bundles(parts: tuple[Examples, Examples]) -> dict[str, Bundle]:
    """Each kind trained when it is first asked for."""

    class Trained(dict[str, Bundle]):
        def __repr__(self) -> str:
            return "bundles"

        def __missing__(self, kind: str) -> Bundle:
            if kind == "mlp":
                pytest.importorskip("torch", reason="the extra neural is not installed")
            options = {"ensemble": {"members": MEMBERS}, "mlp": NETWORK}.get(kind, TINY)
            region = toy_region()
            self[kind] = train_bundle(region, SPEC, create(kind, region.series, SPEC.knots, **options), *parts)[0]
            return self[kind]

    return Trained()


def ramps(model: Model, block: FeatureBlock, series: str, knot: int) -> np.ndarray:
    s = block.series.index(series)
    return model.predict(block)[:, s, model.knots.index(knot), MEDIAN] - block.origin_mw[:, s]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 200), st.sampled_from(["ALL", "SOUTH 1"]), st.sampled_from(SPEC.knots))
def test_contributions_add_up_to_the_ramp(bundles, parts, kind: str, row: int, series: str, knot: int) -> None:
    model = bundles[kind].model
    block, background = parts[1].block.take(np.array([row % 100])), parts[0].block.take(np.arange(0, 90, 45))
    told = contributions(model, block, series, knot, background)
    scale = 1 + np.abs(block.origin_mw).max() * 1e-3
    assert told.base_mw + told.values_mw.sum(axis=1) == pytest.approx(ramps(model, block, series, knot), abs=1e-6)
    together = told.by_family()
    assert together.by_family() is together
    assert together.values_mw.sum(axis=1) == pytest.approx(told.values_mw.sum(axis=1), abs=1e-6)
    assert set(together.names) <= {*families_of(block.names), SUM_OF_ZONES}
    if told.methods == (SHAPLEY,):
        assert told.base_mw == pytest.approx(ramps(model, _at(block, background), series, knot).mean(), abs=1e-6)
    if told.by_feature:
        # The base is that of the trees, which knows no row.
        other = contributions(model, parts[1].block.take(np.array([7])), series, knot)
        assert told.base_mw == pytest.approx(other.base_mw, abs=1e-4 * scale)


def _at(row: FeatureBlock, background: FeatureBlock) -> FeatureBlock:
    """The row's origin with the features of the background."""
    return replace(row.take(np.zeros(len(background.issue_times), int)), x=background.x)


@pytest.mark.parametrize("kind", ["persistence_ramp", "lightgbm", NEURAL])
def test_what_a_model_does_not_read_contributes_nothing(bundles, parts, kind: str) -> None:
    model = bundles[kind].model
    block = parts[1].block.take(np.arange(3))
    told = contributions(model, block, "ALL", 60, parts[0].block.take(np.arange(4)))
    values = dict(zip(told.names, told.values_mw.T, strict=True))
    if kind == "persistence_ramp":
        assert np.abs(values.pop("same time, past days")).max() > 0
        np.testing.assert_allclose(list(values.values()), 0, atol=1e-9)
    if kind == "mlp":  # its inputs leave out the ramps of other series
        np.testing.assert_allclose(values["other series"], 0, atol=1e-9)
    if kind == "lightgbm":
        k = model.knots.index(60)
        gains = model.gains(model.boosters[0][k], len(told.names))
        assert (gains == 0).any()
        line = model.starts[0].contributions(block.x[:, block.series.index("ALL")], k)
        own = [block.names.index(name) for name in told.names]
        np.testing.assert_allclose(told.values_mw[:, gains == 0], line[:, own][:, gains == 0], atol=1e-9)


def test_persistence_has_no_reasons(bundles, parts) -> None:
    told = contributions(bundles["persistence"].model, parts[1].block.take(np.arange(3)), "ALL", 30, parts[0].block)
    np.testing.assert_array_equal(told.base_mw, 0)
    np.testing.assert_array_equal(told.values_mw, 0)


def test_an_ensemble_is_told_by_its_members_weights(bundles, parts) -> None:
    model = bundles["ensemble"].model
    block, background = parts[1].block.take(np.arange(2)), parts[0].block.take(np.arange(4))
    told = contributions(model, block, "ALL", 60, background)
    assert told.methods == (TREES, SHAPLEY)
    weights = model.weights[0, model.knots.index(60)]
    own = [contributions(member, block, "ALL", 60, background).by_family() for member in model.members]
    expected = sum(
        w * one.values_mw[:, one.names.index("same time, past days")] for w, one in zip(weights, own, strict=True)
    )
    np.testing.assert_allclose(told.values_mw[:, told.names.index("same time, past days")], expected)


def test_without_times_to_compare_with_only_boosters_tell(bundles, parts) -> None:
    block = parts[1].block.take(np.arange(2))
    assert contributions(bundles["lightgbm"].model, block, "ALL", 60).values_mw.shape[0] == 2
    with pytest.raises(HistoryError, match="no earlier time to compare"):
        contributions(bundles["persistence"].model, block, "ALL", 60)


def test_accuracy_rests_on_what_the_model_reads(bundles, parts) -> None:
    bundle = bundles["persistence_ramp"]
    grown = permutation_importance(bundle, parts[1], repeats=3, rows=60)
    assert next(iter(grown)) == "same time, past days"
    assert (grown.pop("same time, past days") > 0).all()
    np.testing.assert_array_equal(np.stack(list(grown.values())), 0)
    again = permutation_importance(bundles["lightgbm"], parts[1], repeats=2, rows=60)
    assert all(len(draws) == 2 for draws in again.values())
    assert scaled_pinball(bundle.quantiles(parts[1].block), parts[1]) > 0
    assert {family_of(name) for name in parts[1].block.names} == set(again)
