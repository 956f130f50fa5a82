"""What a start imports: libraries that take long are there only when something works with them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toy import toy_bundle, toy_region

HEAVY = {"matplotlib", "mlflow", "numba", "numpy", "pandas", "polars", "pydantic", "scipy", "torch"}
HELPS = """
import json, sys
from typer.testing import CliRunner
from power_nowcast.cli import app

def help_of(*names):
    shown = CliRunner().invoke(app, [*names, "--help"])
    assert shown.exit_code == 0, shown.output
    return shown.output

told = {"": help_of()}
for line in told[""].splitlines():
    words = line.strip("│ ").split()
    if line.startswith("│ ") and words and words[0].isalpha() and line[2] != " ":
        told[words[0]] = help_of(words[0])
told["data gaps"] = help_of("data", "gaps")
told["regions check"] = help_of("regions", "check")
told["registry copy"] = help_of("registry", "copy")
told["config show"] = help_of("config", "show")
told["regions new"] = help_of("regions", "new")
print(json.dumps([told, sorted(sys.modules)]))
"""
SERVICE = """
import json, sys
import power_nowcast.serve.start
print(json.dumps(sorted(sys.modules)))
"""
OPENED = """
import json, sys
from pathlib import Path
from power_nowcast.bundle.bundle import Bundle
Bundle.load(Path({folder!r})).check()
print(json.dumps(sorted(sys.modules)))
"""


def _answer(code: str) -> list:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_no_help_waits_for_a_heavy_library() -> None:
    told, modules = _answer(HELPS)
    assert {"", "run", "explain", "data", "data gaps", "mlflow"} <= set(told)
    assert len(told) == 39
    assert all("Usage" in text for text in told.values())
    assert HEAVY & set(modules) == set()


@pytest.mark.parametrize("library", ["matplotlib", "mlflow", "scipy.optimize", "torch"])
def test_the_service_starts_without(library: str, service: set[str]) -> None:
    assert library not in service


@pytest.fixture(scope="module")
def service() -> set[str]:
    return set(_answer(SERVICE))


def test_a_model_of_lightgbm_answers_without_the_library(tmp_path: Path) -> None:
    """It would bring scikit-learn and pandas with it, a second or two and their memory."""
    toy_bundle(toy_region(), kind="lightgbm", n_estimators=3).save(tmp_path / "bundle")
    modules = set(_answer(OPENED.format(folder=str(tmp_path / "bundle"))))
    assert {"lightgbm", "sklearn", "pandas"} & modules == set()
