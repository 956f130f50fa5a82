"""The examples in docstrings are true."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
MODULES = sorted(
    ".".join(file.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
    for file in SRC.rglob("*.py")
    if ">>> " in file.read_text(encoding="utf-8")
)


def examples(module: str) -> list[doctest.DocTest]:
    """The docstrings of a module that hold examples."""
    return [one for one in doctest.DocTestFinder(exclude_empty=True).find(import_module(module)) if one.examples]


@pytest.mark.parametrize("module", MODULES)
def test_examples_are_true(module: str) -> None:
    found = examples(module)
    assert found, f"{module} has >>> in a place that is no docstring"
    said: list[str] = []
    runner = doctest.DocTestRunner()
    for one in found:
        runner.run(one, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


def test_the_examples_are_found() -> None:
    assert sum(len(examples(module)) for module in MODULES) >= 17


def test_a_false_example_is_told() -> None:
    """The runner compares: a docstring whose example is false fails."""
    false = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "false", None, 0)
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(false, out=lambda _: None)
    assert runner.summarize(verbose=False).failed == 1
