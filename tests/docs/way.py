"""The newcomer's way: the commands of docs/own-data.md, and the page's table of how long each of them takes.

`test_own_data.py` measures it. It writes the table where `WRITE_NEWCOMER` is set; else it only tells it.
"""

import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from tests.docs.following import BLOCK, ROOT

PAGE = ROOT / "docs/own-data.md"
CHAPTER = "## A feeder, from its CSV to the API\n"
STAYING = ("cd ", ". ")
"""Commands that only change the terminal in which they are typed."""
TOTAL = "total"
HEAD = "| step | seconds | processor seconds |\n|---|---|---|\n"
MEASURED = re.compile(
    rf"^(?:Measured on|Not measured)[^\n]*\n(?:\n{re.escape(HEAD)}(?P<rows>(?:\|[^\n]*\n)+))?", re.MULTILINE
)
"""A sentence with the date and, once it is measured, the table."""


class Taken(NamedTuple):
    """What a command took: seconds by the clock, and of the processor."""

    seconds: float
    processor: float


def commands() -> list[str]:
    """The commands of the chapter, in order, without comments."""
    _, _, rest = PAGE.read_text().partition(CHAPTER)
    blocks = [block for kind, block in BLOCK.findall(rest.partition("\n## ")[0]) if not kind]
    return [re.split(r"\s+#\s", line)[0] for block in blocks for line in block.splitlines()]


def steps() -> list[str]:
    """The commands that take time."""
    return [line for line in commands() if not line.startswith(STAYING)]


def keep(taken: Mapping[str, Taken], said: str) -> None:
    """Tell what was measured; write it into the page if that is asked for.

    Args:
        taken: what each command took.
        said: under which conditions, the end of a sentence.
    """
    whole = Taken(*(sum(part) for part in zip(*taken.values(), strict=True)))
    lines = [
        f"| {name} | {one.seconds:.0f} | {one.processor:.0f} |"
        for name, one in ({f"`{command}`": one for command, one in taken.items()} | {TOTAL: whole}).items()
    ]
    began = f"Measured on {datetime.now(UTC):%Y-%m-%d} with {os.cpu_count()} cores{said}:"
    table = f"{began}\n\n{HEAD}" + "".join(f"{line}\n" for line in lines)
    sys.stdout.write(table)
    if os.environ.get("WRITE_NEWCOMER"):
        text, count = MEASURED.subn(lambda _: table, PAGE.read_text())
        assert count == 1, f"{PAGE} has no place for the table of the steps"
        PAGE.write_text(text)


def rows() -> dict[str, Taken]:
    """The page's table, by command; `total` is the last one. Without a table there are none."""
    found = MEASURED.search(PAGE.read_text())
    assert found, f"{PAGE} has no place for the table of the steps"
    cells = [line.strip("| ").rsplit(" | ", 2) for line in (found["rows"] or "").splitlines()]
    return {name.strip("`"): Taken(float(seconds), float(processor)) for name, seconds, processor in cells}
