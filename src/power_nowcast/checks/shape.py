"""Rules about the shape of a series: duplicate stamps, spikes, stuck telemetry."""

import polars as pl

from power_nowcast.checks.reasons import reasons
from power_nowcast.contracts import Reason

SPIKE_DEVIATIONS = 50
"""A jump that returns counts as a spike from this many times the usual deviation from its neighbours on ..."""
SPIKE_SHARE = 0.1
"""... if it is also this share of the level ..."""
SPIKE_ALONE = 4
"""... and this many times what the series moves right before and after it: a weather front is no spike."""
SPIKE_RETURN = 0.25
"""The value after a spike differs from the value before it by at most this share of the jump."""
STILL_SHARE = 0.0003
"""Share of the plausible maximum that counts as the usual deviation of a series that hardly moves."""
FLAT_SAMPLES = 6
"""Equal values in a row from which telemetry counts as stuck; real load was seen to repeat up to 4 times."""
CALM_SHARE = 0.01
"""Below this share of the plausible maximum equal values are calm, not stuck: wind and sun stand still."""


def duplicates(rows: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """All but the last of several values with one stamp: the value that the publisher wrote last counts."""
    later = pl.col("row").max().over(key)
    return reasons(
        rows.filter(pl.col("row") < later),
        Reason.DUPLICATE,
        pl.lit("another value follows with the same stamp"),
    )


def spikes(rows: pl.DataFrame) -> pl.DataFrame:
    """One value that jumps away and returns, far beyond what the series does otherwise. Rows sorted by series, at."""
    before, value, after = (pl.col("value").shift(n).over("series") for n in (1, 0, -1))
    step = pl.col("value").diff().abs()
    around = pl.max_horizontal(step.shift(n).over("series").fill_null(0) for n in (1, -2))
    spacing = pl.col("at").diff().over("series")
    # Compared with the middle of its neighbours, a value of a steep morning is as usual as one of a calm night.
    usual = (value - (before + after) / 2).abs().median().over("series")
    near = 3 * spacing.median().over("series")
    jump = pl.min_horizontal((value - before).abs(), (value - after).abs())
    level = pl.min_horizontal(before.abs(), after.abs())
    # A few values do not show what is usual.
    enough = pl.len().over("series") >= 24
    floor = pl.max_horizontal(
        SPIKE_DEVIATIONS * pl.max_horizontal(usual, pl.col("high") * STILL_SHARE), SPIKE_SHARE * level
    )
    found = (
        enough
        & ((value - before) * (value - after) > 0)
        & (jump > floor)
        & (jump > SPIKE_ALONE * around)
        & ((after - before).abs() < SPIKE_RETURN * jump)
        & (spacing <= near)
        & (spacing.shift(-1).over("series") <= near)
    )
    marked = rows.with_columns(found=found, jump=jump.round(3))
    return reasons(marked.filter("found"), Reason.SPIKE, pl.format("jumps by {} MW and returns", "jump"))


def flat_lines(rows: pl.DataFrame) -> pl.DataFrame:
    """Repeats of a value by stuck telemetry; the first occurrence was true. Rows sorted by series, at."""
    spacing = pl.col("at").diff().over("series")
    other = pl.col("series") != pl.col("series").shift()
    starts = other | (pl.col("value") != pl.col("value").shift()) | (spacing > 3 * spacing.median().over("series"))
    run = rows.with_columns(run=starts.fill_null(True).cum_sum())
    long = (
        run.group_by("run").agg(samples=pl.len(), first=pl.col("row").first()).filter(pl.col("samples") >= FLAT_SAMPLES)
    )
    stuck = (
        run.join(long, on="run")
        .filter(pl.col("row") != pl.col("first"))
        .filter(pl.col("value").abs() > CALM_SHARE * pl.col("high"))
    )
    return reasons(stuck, Reason.FLAT, pl.format("the same value {} times in a row", "samples"))
