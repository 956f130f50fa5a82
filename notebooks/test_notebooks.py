"""Every cell of every notebook runs, and shows what its text says."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("test_"))


def run(name: str) -> dict[str, Any]:
    """The names that a notebook defines, after all of its cells have run; an error of a cell is raised."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    _, names = module.app.run()
    names["folder"].cleanup()
    return dict(names)


def test_the_notebooks_are_these() -> None:
    assert NOTEBOOKS == ["compare_models", "explore_data", "operations"]


def test_exploring_shows_a_day_and_what_was_known_when() -> None:
    names = run("explore_data")
    assert names["day"].height == 48
    assert names["summary"].stored > 10_000
    assert names["after"] == [names["before"][0] + 100]


def test_the_comparison_finds_the_better_model() -> None:
    names = run("compare_models")
    assert all("smaller" in one and "not significant" not in one for one in names["said"])
    far = names["card"].row("VIC", 60)
    assert far["MAE"] < far["MAE_persistence_ramp"] < far["MAE_persistence"]


def test_operations_show_rungs_and_a_swap() -> None:
    names = run("operations")
    answers = names["answers"]
    assert answers["rung"].to_list() == ["all inputs", "load late", "seasonal persistence"]
    assert answers["width"].is_sorted()
    assert (names["before"].version, names["after"].version, names["back"].version) == ("1", "2", "1")
    assert names["before"].bundle.digest == names["back"].bundle.digest
    assert "issue time" in names["refused"].message


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_says_what_it_is(name: str) -> None:
    assert (FOLDER / f"{name}.py").read_text().startswith('"""')
