"""The tables of docs/peers.md: a part of the page for each grid, made from its record and nothing else."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peers.grids import POWER_GRIDS, PowerGrid
from peers.record import months_of, read
from peers.table import markdown

BEGIN, END = "<!-- tables of {} -->", "<!-- end of {} -->"


def class_words(grid: PowerGrid) -> dict[str, str]:
    """What each class may see, in words."""
    return {"a": "own history and calendar", "b": f"with {grid.further}"}


def tables(record: Mapping[str, Any], grid: PowerGrid, level: str = "####") -> str:
    """The tables of every class and series of a record as Markdown, in the order of series."""
    results, rows = read(record)
    months, words = months_of(record), class_words(grid)
    parts = []
    for series in dict.fromkeys(result.series for result in results):
        for inputs in dict.fromkeys(result.inputs for result in results if result.series == series):
            own = [result for result in results if (result.inputs, result.series) == (inputs, series)]
            parts.append(f"{level} {series}, class {inputs.upper()}: {words[inputs]}\n")
            horizons = record["protocol"]["horizons_min"]
            parts.append(markdown(own, rows, series, horizons, score=grid.score, months=months) + "\n")
    return "\n".join(parts)


def written(text: str, name: str, record: Mapping[str, Any]) -> str:
    """The page with the tables of grid `name` made anew.

    Raises:
        ValueError: the page has no place for them.
    """
    begin, end = BEGIN.format(name), END.format(name)
    place = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
    if len(place.findall(text)) != 1:
        raise ValueError(f"The page has no single place for the tables of {name}: {begin} ... {end}")
    made = tables(record, POWER_GRIDS[name])
    return place.sub(lambda _: f"{begin}\n\n{made}\n{end}", text)


def write(page: Path, name: str, record: Mapping[str, Any]) -> None:
    """As `written`, into the file."""
    page.write_text(written(page.read_text(), name, record))
