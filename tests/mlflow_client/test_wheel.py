import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from power_nowcast.mlflow_client import wheel
from power_nowcast.mlflow_client.wheel import build_wheel, requirements
from power_nowcast.models.baselines import Persistence
from power_nowcast.models.ensemble import Ensemble


def test_the_wheel_is_the_code_that_runs(tmp_path: Path) -> None:
    """An interpreter that sees only the wheel among this project's code imports it and reads its data files."""
    wheel = build_wheel(tmp_path, ["polars==1.0"])
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import power_nowcast as p\n"
        "from importlib.metadata import requires\n"
        "from power_nowcast.regions import load\n"
        "print(p.__file__, p.__version__, load('nyiso').model, requires(p.__name__))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(wheel)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert str(wheel) in done.stdout
    assert version("power-nowcast") in done.stdout
    assert "power-nowcast ['polars==1.0']" in done.stdout


def test_the_same_code_gives_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first, second = build_wheel(tmp_path, []), build_wheel(tmp_path / "again", [])
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert "power_nowcast/regions/nyiso.toml" in names
    assert "power_nowcast/serve/pyfunc.py" in names
    assert not [name for name in names if "__pycache__" in name]


def test_requirements_follow_the_model() -> None:
    both = Ensemble.of(("A",), (30,), ("mlp", "lightgbm"))
    assert {f"{name}=={version(name)}" for name in ("lightgbm", "onnxruntime")} <= set(requirements(both.libraries))
    plain = requirements(Persistence(("A",), (30,)).libraries)
    assert not [need for need in plain if need.startswith(("lightgbm", "onnxruntime", "xgboost"))]
    assert f"numpy=={version('numpy')}" in plain


def test_a_build_without_code_for_gpus_stands_for_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image for the processor has xgboost-cpu: a model names the package that it was trained with."""

    def distribution_of(name: str) -> Any:
        if name == "xgboost":
            raise PackageNotFoundError(name)
        return SimpleNamespace(name=name, version="3.4.1") if name == "xgboost-cpu" else distribution(name)

    monkeypatch.setattr(wheel, "distribution", distribution_of)
    assert "xgboost-cpu==3.4.1" in requirements(("xgboost",))
    with pytest.raises(PackageNotFoundError, match="no-such-package"):
        wheel.installed("no-such-package")
