"""Values that are in the tables and were not measured in the usual way: interpolated, estimated, late.

Values that are wrong beyond doubt, spikes and stuck telemetry, never get into the tables (`ingest.validate`). These
rules mark values that may well be right: they stay, with a flag. docs/quality.md says how often each rule fires.
"""

from datetime import timedelta

import polars as pl

from power_nowcast.checks.shape import CALM_SHARE, FLAT_SAMPLES
from power_nowcast.contracts import LIVE, UTC, Basis, Flag, Reason, Table
from power_nowcast.regions import Region, SourceSpec

INTERPOLATED_SAMPLES = 6
"""So many values in a row that lie midway between their neighbours, within their rounding, are an interpolation."""
RUGGED = 2
"""A line proves nothing in a series whose usual deviation from its neighbours is below so many of its roundings."""
STEEP = 5
"""A line rises or falls by more than so many roundings a value; calm wind may do less."""
ESTIMATED_SAMPLES = 4
"""So many values in a row that equal the operator's forecast, while it moves, are the forecast and no measurement."""
LATE_SLOTS = 3
"""Intervals after the time at which a value is usually known, from which it is late."""

FLAGGED = pl.Schema({"series": pl.String(), "valid_at": UTC, "flag": pl.String()})
"""One row a slot and flag."""

_KEPT_OUT = {Reason.SPIKE.value: Flag.SPIKE.value, Reason.FLAT.value: Flag.STUCK.value}


def interpolated(values: pl.DataFrame, region: Region) -> pl.DataFrame:
    """Rows of `FLAGGED` for runs on a straight, rising or falling line.

    Args:
        values: series, valid_at, value: one row a slot, in any order.
        region: the region of the values.
    """
    step = region.interval
    rows = values.select("series", "valid_at", "value").sort("series", "valid_at")
    before, after = (pl.col("value").shift(n).over("series") for n in (1, -1))
    next_to_each_other = (pl.col("valid_at").diff().over("series") == step) & (
        pl.col("valid_at").shift(-1).over("series") - pl.col("valid_at") == step
    )
    change = pl.col("value").diff().abs()
    rows = rows.with_columns(
        off=(pl.col("value") - (before + after) / 2).abs(),
        slope=(after - before).abs() / 2,
        inside=next_to_each_other.fill_null(False),
        # The rounding of the series: the smallest change that it ever shows.
        rounding=change.filter(change > 1e-6).min().over("series"),
    )
    midway = (
        pl.col("inside")
        & (pl.col("off") <= pl.col("rounding") * (1 + 1e-6))
        & (pl.col("slope") > STEEP * pl.col("rounding"))
        & (pl.col("off").median().over("series") >= RUGGED * pl.col("rounding"))
    )
    runs = _runs(rows.with_columns(found=midway.fill_null(False)), INTERPOLATED_SAMPLES)
    # A curve also lies midway everywhere. On a line every value is within its rounding of the chord between the ends.
    first, last, place = pl.col("value").first(), pl.col("value").last(), pl.int_range(pl.len())
    away = (pl.col("value") - first - (last - first) * place / (pl.len() - 1)).abs().max().over("run")
    return _flagged(runs.filter(away <= pl.col("rounding") * (1 + 1e-6)), Flag.INTERPOLATED)


def estimated(values: pl.DataFrame, forecasts: pl.DataFrame, region: Region) -> pl.DataFrame:
    """Rows of `FLAGGED` where the operator's forecast stands in place of a measurement; calm does not count.

    Args:
        values: series, valid_at, value: one row a slot, in any order.
        forecasts: rows of `contracts.VALUES` of the forecast, every vintage.
        region: the region of the values.
    """
    known = forecasts.filter(pl.col("available_at") <= pl.col("valid_at"))
    told = known.select("series", "valid_at", told="value").unique()
    limits = pl.DataFrame(
        {"series": [zone.name for zone in region.zones], "calm": [zone.max_mw * CALM_SHARE for zone in region.zones]}
    )
    equal = pl.col("value").is_close(pl.col("told"), abs_tol=1e-6, rel_tol=0) & (pl.col("value") > pl.col("calm"))
    rows = (
        values.select("series", "valid_at", "value")
        .join(told, on=["series", "valid_at"])
        .join(limits, on="series")
        .group_by("series", "valid_at")
        .agg(pl.col("value").first(), found=equal.any())
        .sort("series", "valid_at")
    )
    moving = rows.with_columns(found=pl.col("found") & (pl.col("value").diff().over("series").fill_null(1) != 0))
    return _flagged(_runs(moving, ESTIMATED_SAMPLES), Flag.ESTIMATED)


def late(versions: pl.DataFrame, region: Region, spec: SourceSpec) -> pl.DataFrame:
    """Rows of `FLAGGED` where a value, or its correction, was known later than is usual.

    An archive does not say when its values were known: they never count as late, but their corrections do.

    Args:
        versions: rows of `contracts.VALUES`, every version of them.
        region: the region of the rows.
        spec: the source, with its usual delay.
    """
    usual = timedelta(minutes=spec.delay_minutes + LATE_SLOTS * region.interval_minutes)
    found = versions.filter(pl.col("basis") != Basis.DELAY.value, pl.col("available_at") > pl.col("valid_at") + usual)
    return _flagged(found, Flag.LATE)


def kept_out(quarantine: pl.DataFrame, region: Region) -> pl.DataFrame:
    """Rows of `FLAGGED` of power in quarantine as spike or stuck, with `available_at`: when that could be known.

    A spike is known from the value after it, stuck telemetry from the last of its first samples, each after the
    source's usual delay. If a row was refused when it came live, it is known from then.

    Args:
        quarantine: rows of `contracts.QUARANTINE`.
        region: the region of the rows.
    """
    grid = region.interval
    stamp = pl.col("at") + grid if region.power.label == "start" else pl.col("at")
    rows = (
        quarantine.filter(pl.col("table") == Table.POWER.value, pl.col("reason").is_in(list(_KEPT_OUT)))
        .select(
            "series",
            valid_at=(stamp + grid - timedelta(microseconds=1)).dt.truncate(grid),
            flag=pl.col("reason").replace_strict(_KEPT_OUT, return_dtype=pl.String),
            first_seen_at="first_seen_at",
        )
        .group_by("series", "valid_at", "flag")
        .agg(pl.col("first_seen_at").min())
        .sort("series", "flag", "valid_at")
    )
    key = ("series", "flag")
    begins = (pl.col("valid_at").diff().over(key) != grid).fill_null(True)
    first = pl.when(begins).then("valid_at").forward_fill().over(key)
    # The first of a run of equal values is right and stays: the others are one fewer.
    shown = pl.max_horizontal("valid_at", first + (FLAT_SAMPLES - 2) * grid)
    told = pl.when(pl.col("flag") == Flag.STUCK.value).then(shown).otherwise(pl.col("valid_at") + grid)
    told += timedelta(minutes=region.power.delay_minutes)
    came = pl.col("first_seen_at") <= pl.col("valid_at") + LIVE
    known = pl.when(came).then(pl.max_horizontal("first_seen_at", "valid_at")).otherwise(told)
    # By flag, too: if a slot has both, known at the same time, the result must not depend on the rows around it.
    return rows.select(*FLAGGED, available_at=known).sort("series", "valid_at", "flag")


def _runs(rows: pl.DataFrame, samples: int) -> pl.DataFrame:
    """Rows that are `found` in runs that are long enough, with the run's number. Rows sorted by series, valid_at."""
    starts = (pl.col("series") != pl.col("series").shift()) | (pl.col("found") != pl.col("found").shift())
    run = rows.with_columns(run=starts.fill_null(True).cum_sum())
    return run.filter(pl.col("found") & (pl.len().over("run") >= samples))


def _flagged(rows: pl.DataFrame, flag: Flag) -> pl.DataFrame:
    return rows.select("series", "valid_at", flag=pl.lit(flag.value)).unique().sort("series", "valid_at").cast(FLAGGED)
