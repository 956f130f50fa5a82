"""The newcomer's way: the commands of docs/own-data.md, and the page's table of how long each of them takes.

`test_own_data.py` measures it. It writes the table where `WRITE_NEWCOMER` is set; else it only tells it.
"""

import os
import re
import sys
from collections.abc import Mapping
from datetime import date

from tests.docs.following import BLOCK, ROOT

PAGE = ROOT / "docs/own-data.md"
CHAPTER = "## A feeder, from its CSV to the API\n"
STAYING = ("cd ", ". ")
"""Commands that only change the terminal in which they are typed."""
TOTAL = "total"
TABLE = re.compile(r"^Measured on [^\n]*\n\n\| step \| seconds \|\n\|---\|---\|\n(?P<rows>(?:\|[^\n]*\n)+)", re.MULTILINE)


def commands() -> list[str]:
    """The commands of the chapter, in order, without comments."""
    _, _, rest = PAGE.read_text().partition(CHAPTER)
    blocks = [block for kind, block in BLOCK.findall(rest.partition("\n## ")[0]) if not kind]
    return [re.split(r"\s+#\s", line)[0] for block in blocks for line in block.splitlines()]


def steps() -> list[str]:
    """The commands that take time."""
    return [line for line in commands() if not line.startswith(STAYING)]


def keep(seconds: Mapping[str, float], said: str) -> None:
    """Tell what was measured; write it into the page if that is asked for.

    Args:
        seconds: how long each command took.
        said: under which conditions, the end of a sentence.
    """
    rows = {f"`{command}`": taken for command, taken in seconds.items()} | {TOTAL: sum(seconds.values())}
    lines = [f"| {name} | {taken:.0f} |" for name, taken in rows.items()]
    table = "\n".join(
        [f"Measured on {date.today()} with {os.cpu_count()} cores{said}:", "", "| step | seconds |", "|---|---|", *lines]
    )
    sys.stdout.write(f"{table}\n")
    if os.environ.get("WRITE_NEWCOMER"):
        text, count = TABLE.subn(lambda _: f"{table}\n", PAGE.read_text())
        assert count == 1, f"{PAGE} has no table of the steps"
        PAGE.write_text(text)


def rows() -> dict[str, int]:
    """The seconds of the page's table, by command; `total` is the last one."""
    found = TABLE.search(PAGE.read_text())
    assert found, f"{PAGE} has no table of the steps"
    cells = [line.strip("| ").rsplit(" | ", 1) for line in found["rows"].splitlines()]
    return {name.strip("`"): int(seconds) for name, seconds in cells}
