import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from power_nowcast import models
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import MEDIAN
from power_nowcast.errors import ConfigurationError
from power_nowcast.models.kinds import ALIASES, KINDS, create, model_class
from tests.toy import toy_bundle, toy_region


@pytest.mark.parametrize("kind", [*KINDS, *ALIASES])
def test_each_name_gives_its_model(kind: str) -> None:
    made = create(kind, ("A",), (30, 60), n_estimators=7, learning_rate=None)
    assert made.kind == ALIASES.get(kind, kind)
    assert type(made) is model_class(kind)
    assert (made.series, made.knots) == (("A",), (30, 60))


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_options_that_are_given_replace_defaults(kind: str) -> None:
    made = create(kind, ("A",), (30, 60), n_estimators=7, learning_rate=None)
    assert made.params["n_estimators"] == 7
    assert made.params["learning_rate"] == create(kind, ("A",), (30,)).params["learning_rate"]


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'oracle'.*lightgbm") as caught:
        create("oracle", ("A",), (30,))
    assert caught.value.fields == {"kind": "oracle"}


def test_a_library_is_imported_when_asked_for() -> None:
    code = (
        "import sys; from power_nowcast.models.kinds import create; create('persistence', ('A',), (30,)); "
        "print([name for name in ('lightgbm', 'xgboost', 'mlflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_kind_is_one_file_and_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # As if `doubled.py` lay beside the other models.
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(Path(__file__).parent / "added")])
    monkeypatch.setitem(KINDS, "doubled", ("doubled", "Doubled"))
    bundle = toy_bundle(toy_region(), kind="doubled")
    bundle.save(tmp_path / "bundle")
    again = Bundle.load(tmp_path / "bundle", bundle.digest)
    assert again.model.kind == "doubled"
    origin, medians = again.golden.origin_mw, again.model.predict(again.golden)[..., MEDIAN]
    assert np.isfinite(origin).any()
    np.testing.assert_allclose(medians, np.repeat(2 * origin[..., None], medians.shape[-1], axis=-1))
