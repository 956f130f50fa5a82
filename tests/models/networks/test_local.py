"""local: a network a series, each of its own features, side by side in processes or one after the other."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from power_nowcast.bundle.train import examples
from power_nowcast.errors import ConfigurationError
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.examples import Examples
from power_nowcast.models.networks.local import INPUTS_AT_ONCE, MlpLocal, encoded_together
from power_nowcast.models.networks.neural import Mlp
from tests.toy import toy_panel, toy_region

pytest.importorskip("torch", reason="networks are trained with PyTorch, the extra `neural`")
SMALL = {"epochs": 1, "width": 8, "layers": 1}
KNOTS = FeatureSpec.for_interval(30).knots


@pytest.fixture(scope="module")
def known() -> Examples:
    region = toy_region()
    panel = toy_panel(region)
    known = examples(panel, region, panel.times[44 * 48 :], FeatureSpec.for_interval(30))
    return Examples(known.block.only(region.series[:2]), known.outcome_mw[:, :2])


@pytest.fixture(scope="module")
def model(known: Examples) -> MlpLocal:
    model = MlpLocal.of(known.block.series, KNOTS, **SMALL)
    report, held_out = model.fit(known, known)
    assert held_out.shape == model.predict(known.block).shape
    assert {name.split("/")[0] for name in report.curves} == set(known.block.series)
    return model


def test_each_series_is_answered_by_its_own_network(known: Examples, model: MlpLocal) -> None:
    answer = model.predict(known.block)
    name = known.block.series[1]
    alone = Mlp.of((name,), KNOTS, without=(), **SMALL)
    one = known.block.only((name,))
    alone.fit(*[Examples(one, known.outcome_mw[:, [1]])] * 2)
    np.testing.assert_array_equal(answer[:, [1]], alone.predict(one))
    np.testing.assert_array_equal(model.predict(one), alone.predict(one))


def test_a_network_sees_the_ramps_of_other_series(known: Examples, model: MlpLocal) -> None:
    names = known.block.names
    first, second = known.block.series[:2]
    encoder = model.networks[0].encoder
    assert encoder is not None
    inputs = {names[n] for n in (*encoder.own, *encoder.shared)}
    assert f"ramp_30m[{second}]" in inputs
    assert f"ramp_30m[{first}]" not in inputs


def test_it_is_read_as_it_was_saved(known: Examples, model: MlpLocal, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = MlpLocal.load(tmp_path, model.series, KNOTS)
    np.testing.assert_array_equal(again.predict(known.block), model.predict(known.block))
    assert again.params == model.params


def test_a_series_can_have_options_of_its_own(known: Examples, model: MlpLocal, tmp_path: Path) -> None:
    series = known.block.series
    own = {series[1]: {"width": 4, "learning_rate": 1e-3}}
    mixed = MlpLocal.of(series, KNOTS, **SMALL, by_series=own)
    mixed.fit(known, known)
    assert mixed.params == model.params | {"by_series": own}
    np.testing.assert_array_equal(mixed.predict(known.block)[:, 0], model.predict(known.block)[:, 0])
    mixed.save(tmp_path)
    assert MlpLocal.load(tmp_path, series, KNOTS).params == mixed.params
    with pytest.raises(ConfigurationError, match="NOWHERE, which the model does not have") as raised:
        MlpLocal.of(series, KNOTS, by_series={"NOWHERE": {"width": 4}})
    assert raised.value.fields["names"] == ["NOWHERE"]


def test_series_encode_together_as_far_as_memory_allows(known: Examples, model: MlpLocal) -> None:
    encoders = [network.trained for network in model.networks]
    assert list(encoded_together(encoders, 1)) == [[0, 1]]
    assert list(encoded_together(encoders, INPUTS_AT_ONCE)) == [[0], [1]]
    other = Mlp.of(model.series[:1], KNOTS, without=("range of past hours",), **SMALL)
    other.fit(*[Examples(known.block.only(model.series[:1]), known.outcome_mw[:, :1])] * 2)
    assert list(encoded_together([encoders[0], other.trained, encoders[1]], 1)) == [[0, 2], [1]]
    few, every = known.block.take(np.arange(3)), model.predict(known.block)
    np.testing.assert_array_equal(model.predict(few), every[:3])


def test_its_options_are_known_before_its_series() -> None:
    known = MlpLocal.of((), (), width=8).configuration
    assert known["width"] == 8
    assert known["without"] == ()
    assert known["by_series"] == {}


@pytest.mark.slow
def test_processes_side_by_side_train_the_same(known: Examples, model: MlpLocal) -> None:
    beside = MlpLocal.of(known.block.series, KNOTS, **SMALL)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        beside.fit(known, known, executor=pool)
    np.testing.assert_allclose(beside.predict(known.block), model.predict(known.block), rtol=1e-5)
