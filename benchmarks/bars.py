"""Whether bars hold: a figure that is not there, not a number, or of a row that was skipped holds none."""

import math
from collections.abc import Mapping, Sequence

import polars as pl

KEY = ("series", "horizon_min")

type Bar = tuple[str, pl.Expr]
"""What is demanded, in words, and the condition that each row has to keep."""
type Missed = tuple[str, pl.DataFrame]
"""What was demanded, and the rows that do not keep it."""

COMPLETE: Bar = ("a prediction for every pair", (pl.col("n") > 0) & (pl.col("missing") == 0))
"""Of every table that is scored: `missing` counts the pairs that have no prediction."""
MISSING_WHEN_LATE = 0.01
"""Share of the pairs that may lack a prediction where load comes late: behind a gap the last value is too old."""


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
    """Rows whose `column` keeps its bar; rows without a bar keep it."""
    kept = pl.lit(value=True)
    for (series, horizon), limit in bar.items():
        good = pl.col(column) >= limit if at_least else pl.col(column) <= limit
        kept &= good | (pl.col("series") != series) | (pl.col("horizon_min") != horizon)
    return kept


def figures_missed(
    figures: Mapping[str, float], at_most: Mapping[str, float], at_least: Mapping[str, float] | None = None
) -> list[str]:
    """In words, every figure that does not keep its bar, is not there or is no finite number."""
    words = []
    for bars, is_kept in ((at_most, float.__le__), (at_least or {}, float.__ge__)):
        for name, bar in bars.items():
            value = float(figures.get(name, math.nan))
            if not (math.isfinite(value) and is_kept(value, float(bar))):
                words.append(f"{name} {value:,.3g}, the bar is {bar:,.3g}")
    return words
