"""Joins means of parts of an interval to the mean of the interval."""

from datetime import timedelta

import polars as pl

from power_nowcast.ingest.published import PUBLISHED
from power_nowcast.regions import Region, SourceSpec

JITTER = 0.25
"""The parts' number times their distance may differ from the interval by this share of a part: stamps are inexact."""


def spacing(longest: timedelta) -> pl.Expr:
    """Distance of a row's stamp to the nearest other stamp of its series, at most `longest`; rows sorted by both."""
    before = pl.col("at").diff().over("series")
    after = before.shift(-1).over("series")
    return pl.min_horizontal(*(pl.when(span > timedelta(0)).then(span) for span in (before, after)), pl.lit(longest))


def join_parts(rows: pl.DataFrame, region: Region, spec: SourceSpec) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Join rows of power whose stamps are closer than the region's interval to means of the interval.

    Instants stay as they are: a slot takes the last one. The mean of a part is not the mean of the whole, so an
    interval counts only where all of its parts are there.

    Args:
        rows: of `PUBLISHED`, plausible.
        region: the region of the rows.
        spec: says what the stamps mean.

    Returns:
        Rows at the interval's own stamp; parts of intervals without some part; such parts of the newest interval, which
        the next delivery may complete. All of `PUBLISHED`.
    """
    none, grid = rows.clear(), region.interval
    if spec.label == "instant" or rows.is_empty():
        return rows, none, none
    placed = rows.sort("series", "at", maintain_order=True).with_columns(apart=spacing(grid))
    # A single row beside parts counts as a part, too: nothing distinguishes it from the mean of an interval.
    beside = (pl.col("apart").shift(step).over("series") for step in (-1, 0, 1))
    placed = placed.with_columns(apart=pl.min_horizontal(*beside))
    is_part = pl.col("apart") < grid
    if not placed.select(is_part.any()).item():
        return rows, none, none
    starts = spec.label == "start"
    begin = pl.col("at") if starts else pl.col("at") - timedelta(microseconds=1)
    slot = ["series", "begin"]
    parts = placed.filter(is_part).with_columns(begin=begin.dt.truncate(grid))
    needed = grid / pl.col("apart").min().over(slot)
    parts = parts.with_columns(
        is_whole=(pl.len().over(slot) - needed).abs() < JITTER, is_newest=pl.col("begin") == pl.col("begin").max()
    )
    whole = (
        parts.filter("is_whole")
        .group_by(slot, maintain_order=True)
        .agg(pl.col("value").mean(), pl.col("written").max(), pl.col("basis").first())
        .with_columns(at=pl.col("begin") if starts else pl.col("begin") + grid)
        .with_columns(pl.lit(None, pl.String).alias(name) for name in ("stamp", "text", "fault"))
    )
    names = PUBLISHED.names()
    joined = pl.concat([placed.filter(~is_part).select(names), whole.select(names)]).sort("series", "at")
    rest = parts.filter(~pl.col("is_whole"))
    return joined, rest.filter(~pl.col("is_newest")).select(names), rest.filter("is_newest").select(names)
