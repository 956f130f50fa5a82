"""Checks of figures against their bars: an absent row, or a figure that is absent or not finite, misses its bar."""

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

KEY = ("series", "horizon_min")

type Bar = tuple[str, pl.Expr]
"""A demand in words, and the condition that each row has to fulfil."""
type Missed = tuple[str, pl.DataFrame]
"""A demand in words, and the rows that do not fulfil it."""

COMPLETE: Bar = ("a prediction for every pair", (pl.col("n") > 0) & (pl.col("missing") == 0))
"""The demand on every scored table: `missing` counts the pairs that have no prediction."""
MISSING_WHEN_LATE = 0.01
"""Maximum share of pairs without a prediction if load comes late: after a gap the last value is too old."""


def missed(table: pl.DataFrame, bars: Sequence[Bar], keys: Sequence[tuple[str, int]]) -> list[Missed]:
    """The bars that rows of the table miss.

    Args:
        table: a row a series and horizon, or several of them.
        bars: conditions; a row whose figures are null or not finite keeps none that reads them.
        keys: series and horizon of every row that must be there.
    """
    wanted = pl.DataFrame(list(keys), schema={"series": pl.String, "horizon_min": pl.Int64}, orient="row")
    there = table.select(pl.col("series"), pl.col("horizon_min").cast(pl.Int64))
    found: list[Missed] = [("a row for every series and horizon", wanted.join(there, on=KEY, how="anti"))]
    if wanted.is_empty():
        raise ValueError("No series and horizon is to be judged: no bar could be missed.")
    for words, condition in bars:
        holds = condition.fill_null(value=False)
        for name in condition.meta.root_names():
            if table.schema[name].is_float():
                holds &= pl.col(name).is_finite().fill_null(value=False)
        found.append((words, table.filter(~holds)))
    return [(words, rows) for words, rows in found if len(rows)]


def within(bar: Mapping[tuple[str, int], float], column: str, *, at_least: bool = False) -> pl.Expr:
    """Condition that `column` is within the bar of its row; rows without a bar fulfil it."""
    kept = pl.lit(value=True)
    for (series, horizon), limit in bar.items():
        good = pl.col(column) >= limit if at_least else pl.col(column) <= limit
        kept &= good | (pl.col("series") != series) | (pl.col("horizon_min") != horizon)
    return kept


def figures_missed(
    figures: Mapping[str, float], at_most: Mapping[str, float], at_least: Mapping[str, float] | None = None
) -> list[str]:
    """Messages for every figure that misses its bar, is absent or is not finite."""
    words = []
    for bars, is_kept in ((at_most, float.__le__), (at_least or {}, float.__ge__)):
        for name, bar in bars.items():
            value = float(figures.get(name, math.nan))
            if not (math.isfinite(value) and is_kept(value, float(bar))):
                words.append(f"{name} {value:,.3g}, the bar is {bar:,.3g}")
    return words


def of_the_service(
    description: str | None,
    measure: Callable[[Path, Path | None, list[str]], dict[str, float]],
    at_most: Mapping[str, Mapping[str, float]],
    at_least: Mapping[str, Mapping[str, float]] | None = None,
) -> int:
    """The command of a benchmark of the service that has parts: it measures, prints, and gives the exit code.

    Args:
        description: for `--help`.
        measure: gives the figures, from an empty folder, the bundle that was named, and the parts.
        at_most: the bars of each part.
        at_least: those of the figures that must be large.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="a model of New York's sample")
    parser.add_argument("--part", action="append", choices=list(at_most), help="only this part; repeatable")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    options = parser.parse_args()
    parts = options.part or list(at_most)
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.bundle, parts)
    for name, value in figures.items():
        print(f"{name:32} {value:>14,.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    given, bars = parts if options.check else [], at_least or {}
    words = [one for part in given for one in figures_missed(figures, at_most[part], bars.get(part))]
    for one in words:
        print(f"MISSED: {one}")
    return int(bool(words))
