"""neural: trained with PyTorch, answered by ONNX Runtime alone; bulk and single answers agree."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from power_nowcast.bundle.train import examples
from power_nowcast.contracts import MEDIAN
from power_nowcast.errors import ModelError, install_remedy
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.examples import Examples
from power_nowcast.models.networks.neural import Lstm, Mlp, MlpGlobal, NeuralModel, Tft
from tests.toy import toy_panel, toy_region

OPTIONS = {"epochs": 6, "batch_size": 64}
SIZES: dict[type[NeuralModel], dict[str, int]] = {
    Mlp: {"width": 32, "layers": 1},
    MlpGlobal: {"width": 32, "layers": 1, "shared_width": 16, "shared_layers": 1},
    Lstm: {"width": 32, "layers": 1, "hidden": 8},
    Tft: {"hidden": 16, "heads": 2},
}


@pytest.fixture(scope="module")
def parts() -> tuple[Examples, Examples]:
    region = toy_region()
    panel = toy_panel(region)
    known = examples(panel, region, panel.times[44 * 48 :], FeatureSpec.for_interval(30))
    times = known.block.issue_times
    border = times[len(times) * 3 // 4]
    return known.during(times[0], border), known.during(border, times[-1])


# The exporter takes ten seconds for the TFT, whose training and graph other tests of `make test` cover.
LONG = pytest.param(Tft, marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=[Mlp, MlpGlobal, Lstm, LONG], ids=lambda model: model.kind)
def trained(request: pytest.FixtureRequest, parts: tuple[Examples, Examples]) -> NeuralModel:
    pytest.importorskip("torch", reason="the extra neural is not installed")
    size = SIZES[request.param]
    model = request.param.of(toy_region().series, FeatureSpec.for_interval(30).knots, **OPTIONS, **size, refit=False)
    report, held_out = model.fit(*parts)
    assert held_out.shape == (*parts[1].outcome_mw.shape, 7)
    # What is exported answers as the network that was trained.
    np.testing.assert_allclose(model.predict(parts[1].block), held_out, rtol=1e-5)
    assert min(report.curves["held out/valid"][1:]) < report.curves["held out/valid"][0]
    return model


def test_it_is_better_than_the_last_value(trained: NeuralModel, parts: tuple[Examples, Examples]) -> None:
    answer, valid = trained.predict(parts[1].block), parts[1]
    assert (np.diff(answer, axis=-1) > 0).all(), "quantiles never cross"
    error = np.nanmean(np.abs(answer[..., MEDIAN] - valid.outcome_mw))
    assert error < 0.8 * np.nanmean(np.abs(valid.ramps))


def test_bulk_and_single_answers_agree(trained: NeuralModel, parts: tuple[Examples, Examples]) -> None:
    block = parts[1].block
    whole = trained.predict(block)
    single = np.concatenate([trained.predict(block.take(np.array([n]))) for n in range(20)])
    np.testing.assert_allclose(single, whole[:20], rtol=0, atol=1e-6)


def test_several_networks_answer_with_their_mean(parts: tuple[Examples, Examples]) -> None:
    pytest.importorskip("torch", reason="the extra neural is not installed")

    def answer(**options: int) -> np.ndarray:
        small = OPTIONS | SIZES[Mlp] | {"epochs": 1} | options
        model = Mlp.of(toy_region().series, FeatureSpec.for_interval(30).knots, **small)
        model.fit(*parts)
        return model.predict(parts[1].block)

    one, other = answer(seed=5), answer(seed=6)
    assert (one != other).any()
    np.testing.assert_allclose(answer(seed=5, networks=2), (one + other) / 2, rtol=1e-6)


def test_a_part_of_the_series_is_answered(trained: NeuralModel, parts: tuple[Examples, Examples]) -> None:
    block = parts[1].block
    x, origin = block.x.copy(), block.origin_mw.copy()
    x[:, 1], origin[:, 1] = np.nan, np.nan
    from dataclasses import replace

    answer = trained.predict(replace(block, x=x, origin_mw=origin))
    assert np.isnan(answer[:, 1]).all()
    assert np.isfinite(answer[:, [0, 2]]).all()
    one = replace(
        block,
        series=block.series[:1],
        x=block.x[:, :1],
        origin_mw=block.origin_mw[:, :1],
        age_minutes=block.age_minutes[:, :1],
        scale_mw=block.scale_mw[:, :1],
    )
    assert trained.predict(one).shape[1] == 1


def test_it_is_read_without_torch(trained: NeuralModel, parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    trained.save(tmp_path)
    series, knots = trained.series, trained.knots
    again = type(trained).load(tmp_path, series, knots)
    np.testing.assert_array_equal(again.predict(parts[1].block), trained.predict(parts[1].block))
    assert again.params == trained.params
    code = (
        "import sys; sys.modules['torch'] = None; from pathlib import Path; "
        "from power_nowcast.models.kinds import model_class; "
        f"model = model_class({trained.kind!r}).load(Path({str(tmp_path)!r}), {series!r}, {knots!r}); "
        "print(model.session.get_inputs()[0].type)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "tensor(float)"


def test_an_untrained_one_says_so(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    model = Mlp(("A",), (30,))
    with pytest.raises(ModelError, match="not trained"):
        model.predict(parts[1].block)
    with pytest.raises(ModelError, match="not trained"):
        model.save(tmp_path)


def test_training_without_torch_names_the_remedy(parts: tuple[Examples, Examples]) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from power_nowcast.errors import ConfigurationError\n"
        "from power_nowcast.models.networks.neural import Mlp\n"
        "assert Mlp.missing() == ('torch',)\n"
        "try:\n    Mlp(('A',), (30,)).configuration\n"
        "except ConfigurationError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert install_remedy("neural") in done.stdout
