"""The examples of docs/serving.md, by route, as the tests of the servers run them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tests.toy import toy_rows

PAGE = Path(__file__).parents[1] / "docs/serving.md"
SENTENCE = re.compile(r"(?:answer|row|It) has ((?:`\w+`(?:, (?:and )?)?)+)")


@dataclass(frozen=True)
class Section:
    """A heading's calls by curl, its Python, and the keys that it says the answer has."""

    heading: str
    calls: tuple[str, ...]
    python: str
    keys: tuple[str, ...]


def sections() -> Iterator[Section]:
    """The sections of the page that have an example."""
    for part in re.split(r"^##+ ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        # Commands of the project itself are tried by test_docs.py.
        lines = [line for kind, block in blocks if not kind for line in block.splitlines()]
        calls = [line for line in lines if not re.match(r"(?:NOWCAST_\w+=\S+ .*)?nowcast ", line)]
        python = "".join(block for kind, block in blocks if kind == "python")
        told = SENTENCE.search(" ".join(text.split()))
        if calls or python:
            keys = re.findall(r"`(\w+)`", told[1]) if told else []
            yield Section(heading, tuple(address(call) for call in calls), python, tuple(keys))


def address(call: str) -> str:
    """The address that a line of curl asks, with its query."""
    program, *_, url = shlex.split(call)
    assert program == "curl", call
    return url


def write_recent(folder: Path) -> None:
    """The toy region's `recent.csv`."""
    toy_rows()[-50 * 48 :].write_csv(folder / "recent.csv")


def run(python: str) -> dict[str, object]:
    """Run an example in the working folder; the names that it leaves."""
    names: dict[str, object] = {"pl": pl}
    exec(compile(python, PAGE.name, "exec"), names)  # noqa: S102 - the page of this repository
    return names
