import subprocess
import sys

import pytest

from power_nowcast.errors import ConfigurationError
from power_nowcast.models.kinds import ALIASES, KINDS, create, model_class


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
