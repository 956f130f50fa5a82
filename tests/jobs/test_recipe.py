"""The recipe: whatever may decide a result changes it, whatever only tells one does not."""

import shutil
from pathlib import Path

import grimp
import pytest

from power_nowcast.jobs.recipe import PACKAGE, TELLING, code_digest, recipe
from power_nowcast.regions import load

DECIDING = ("features", "train", "evaluate", "promote", "period", "backtest", "tune")
"""Use cases whose results are kept by a recipe or registered."""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the modules of this package."""
    copy = tmp_path / "package"
    shutil.copytree(PACKAGE, copy, ignore=lambda _, names: [name for name in names if name == "__pycache__"])
    return copy


def test_a_copy_has_the_digest_of_the_original(package: Path) -> None:
    assert code_digest(package) == code_digest()
    region = load("victoria")
    assert recipe([], region, 1, package=package) == recipe([], region, 1)


def test_every_module_outside_the_telling_layers_counts(package: Path) -> None:
    seen = {code_digest(package)}
    layers = sorted(one.name for one in package.iterdir() if one.is_dir() and one.name not in TELLING)
    assert {"checks", "contracts", "evaluate", "features", "jobs", "regions", "scoring.py", "store"} <= {
        *layers,
        *(one.name for one in package.glob("*.py")),
    }
    for name in [*layers, "a_new_layer", "a_new_layer/inside"]:
        file = package / name / "added.py"
        file.parent.mkdir(exist_ok=True)
        file.touch()
        digest = code_digest(package)
        assert digest not in seen, f"a file that is added to {name} does not count"
        seen.add(digest)
    for path in package.glob("*.py"):
        path.write_text(path.read_text() + "\n# changed\n")
        digest = code_digest(package)
        assert digest not in seen, f"{path.name} does not count"
        seen.add(digest)
    (package / "a_new_layer" / "added.py").rename(package / "a_new_layer" / "renamed.py")
    assert code_digest(package) not in seen


@pytest.mark.parametrize("layer", TELLING)
def test_what_only_tells_a_result_does_not_count(package: Path, layer: str) -> None:
    before = code_digest(package)
    (package / layer).mkdir(exist_ok=True)
    (package / layer / "added.py").touch()
    for path in (package / layer).rglob("*.py"):
        path.write_text(path.read_text() + "\n# changed\n")
    assert code_digest(package) == before


def test_no_result_comes_from_a_layer_that_does_not_count() -> None:
    """Pages are written where a result is made, so `report` is imported there; the other layers are not."""
    graph = grimp.build_graph("power_nowcast", cache_dir=None)
    reached = set().union(*(graph.find_upstream_modules(f"power_nowcast.jobs.{name}") for name in DECIDING))
    assert len(reached) > 100
    others = tuple(f"power_nowcast.{name}" for name in TELLING if name != "report")
    assert {name for name in reached if name.startswith(others)} == set()
