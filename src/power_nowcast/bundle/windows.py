"""Figures of rolling windows: loss, coverage and bias by series over a day or a week, from sums by hour.

The watch computes them from what was published, and training from hold-out time, by the same functions: so a limit is a
quantile of the very figure that it limits.
"""

import polars as pl

from power_nowcast.contracts import UTC

HOUR, DAY, THREE_DAYS, WEEK = 60, 24 * 60, 3 * 24 * 60, 7 * 24 * 60
"""Lengths of windows, in minutes."""
BLOCK_HOURS = 4
"""Hours of a block of the local day: bias is told by block."""
LEAST_SHARE = 0.25
"""A window with a smaller share of the pairs that it could have is left out; solar power has pairs in daylight only."""

PAIRS = pl.Schema(
    {
        "series": pl.String(),
        "valid_at": UTC,
        "error": pl.Float64(),  # median minus the value, in MW
        "pinball": pl.Float64(),  # mean pinball loss over the quantiles, in MW
        "persistence": pl.Float64(),  # absolute error of the last known value, in MW
        "is_inside": pl.Boolean(),  # whether the value is within the band of 80 %
    }
)
"""One row for each pair of a nowcast and its value."""
TALLIES = pl.Schema(
    {
        "series": pl.String(),
        "hour": UTC,  # the hour's end
        "block": pl.Int64(),  # 4-hour block of the local day in which the hour begins, from 0
        "n": pl.Int64(),
        "error": pl.Float64(),
        "pinball": pl.Float64(),
        "persistence": pl.Float64(),
        "inside": pl.Int64(),
    }
)
"""Sums of `PAIRS` by series and hour."""
FIGURES = pl.Schema(
    {
        "series": pl.String(),
        "hour": UTC,  # the end of the window
        "n": pl.Int64(),
        "loss": pl.Float64(),  # pinball loss in units of that of persistence
        "coverage": pl.Float64(),  # of the band of 80 %
        "bias": pl.Float64(),  # mean error in units of persistence's mean absolute error; positive if too high
    }
)
"""Figures of a window, by series and end; null if they would divide by zero."""


def tally(pairs: pl.DataFrame, timezone: str) -> pl.DataFrame:
    """Rows of `TALLIES` of rows of `PAIRS`; a row without an error does not count.

    Args:
        pairs: rows of `PAIRS`.
        timezone: IANA zone of the region, for the blocks of the day.
    """
    known = pairs.filter(pl.col("error").is_not_null())
    # A value at the hour's end belongs to the hour that ends.
    begin = (pl.col("valid_at") - pl.duration(microseconds=1)).dt.truncate("1h")
    summed = known.group_by("series", hour=begin + pl.duration(hours=1)).agg(
        n=pl.len(),
        error=pl.col("error").sum(),
        pinball=pl.col("pinball").sum(),
        persistence=pl.col("persistence").sum(),
        inside=pl.col("is_inside").sum(),
    )
    local = (pl.col("hour") - pl.duration(hours=1)).dt.convert_time_zone(timezone).dt.hour().cast(pl.Int64)
    told = summed.with_columns(block=local // BLOCK_HOURS)
    return told.select(pl.col(name).cast(kind) for name, kind in TALLIES.items()).sort("series", "hour")


def rolling(tallies: pl.DataFrame, minutes: int, pairs_an_hour: float, *, by_block: bool = False) -> pl.DataFrame:
    """Rows of `FIGURES` of every window that ends with an hour of the tallies.

    A window that begins before the tallies do is left out, and so is one that has less than `LEAST_SHARE` of its pairs.

    Args:
        tallies: rows of `TALLIES`.
        minutes: length of the windows, whole hours.
        pairs_an_hour: the most pairs that a series has in an hour.
        by_block: whether each block of the day has figures of its own, in a further column `block`.
    """
    by = ["series", "block"] if by_block else ["series"]
    first = pl.lit(tallies["hour"].min(), UTC)
    most = pairs_an_hour * minutes / HOUR * (BLOCK_HOURS * HOUR / DAY if by_block else 1)
    sums = (
        tallies.sort("hour")
        .rolling("hour", period=f"{minutes}m", group_by=by)
        .agg(pl.col("n", "error", "pinball", "persistence", "inside").sum())
        .filter(
            pl.col("hour") - pl.duration(minutes=minutes - HOUR) >= first,
            pl.col("n") >= LEAST_SHARE * most,
        )
    )
    told = sums.with_columns(
        # The levels are symmetric about .5, so that all quantiles at one value cost half its absolute error.
        loss=_ratio("pinball", pl.col("persistence") / 2),
        coverage=_ratio("inside", pl.col("n")),
        bias=_ratio("error", pl.col("persistence")),
    )
    columns = [*FIGURES, *(["block"] if by_block else [])]
    return told.select(columns).sort(*by, "hour")


def together(figures: pl.DataFrame, name: str = "") -> pl.DataFrame:
    """Rows of `FIGURES` of the mean over all series, where each of them has its figures.

    Args:
        figures: rows of `FIGURES`, not by block.
        name: stands in place of the series.
    """
    count = figures["series"].n_unique()
    means = figures.group_by("hour").agg(
        pl.col("loss", "coverage", "bias").mean(), pl.col("n").sum(), has=pl.col("coverage").count()
    )
    told = means.filter(pl.col("has") == count).with_columns(series=pl.lit(name))
    return told.select(pl.col(column).cast(kind) for column, kind in FIGURES.items()).sort("hour")


def _ratio(above: str, below: pl.Expr) -> pl.Expr:
    return pl.when(below > 0).then(pl.col(above) / below)
