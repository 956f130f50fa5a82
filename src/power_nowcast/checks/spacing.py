"""Spacing of rows: a mean of a longer interval than the region file says is refused."""

from datetime import timedelta

import polars as pl

from power_nowcast.contracts import Table
from power_nowcast.errors import SourceFormatError
from power_nowcast.regions import Region, SourceSpec

IN_A_ROW = 4
"""This many equal distances in a row are another spacing; fewer are missing rows."""
ALL_OF = 2
"""This many are enough if a series has no other distances."""


def check_spacing(rows: pl.DataFrame, region: Region, table: Table, spec: SourceSpec, origin: str) -> None:
    """Check that the rows of a series are no further apart than its interval, except where rows are missing.

    A mean of an hour in place of a mean of a quarter hour would count as known before the hour is over. The rule leaves
    instants alone, which measure the same at any distance, and reports of weather, which have no fixed spacing.

    Raises:
        SourceFormatError: rows of a series are means of longer intervals; the message says from when until when.
    """
    if spec.label == "instant" or table.is_weather:
        return
    usual = timedelta(minutes=spec.interval_minutes or region.interval_minutes)
    key = ["series", "written"]
    stamps = rows.select(*key, "at").drop_nulls("at").unique().sort(*key, "at", nulls_last=True)
    apart = stamps.with_columns(apart=pl.col("at").diff().over(key)).drop_nulls("apart")
    changes = (pl.col("apart") != pl.col("apart").shift().over(key)).fill_null(True)
    runs = (
        apart.with_columns(run=changes.cum_sum())
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("series").first(),
            pl.col("written").first(),
            apart=pl.col("apart").first(),
            first=pl.col("at").first() - pl.col("apart").first(),
            last=pl.col("at").last(),
            count=pl.len(),
        )
        .with_columns(is_all=pl.len().over(key) == 1)
    )
    coarser = (pl.col("apart") > usual) & (pl.col("apart").dt.total_microseconds() % _micros(usual) == 0)
    long = (pl.col("count") >= IN_A_ROW) | (pl.col("is_all") & (pl.col("count") >= ALL_OF))
    found = runs.filter(coarser & long)
    if found.is_empty():
        return
    one = found.row(0, named=True)
    found_minutes, minutes = one["apart"] // timedelta(minutes=1), usual // timedelta(minutes=1)
    raise SourceFormatError(
        f"{origin}: rows of {one['series']} are {found_minutes} minutes apart from {one['first']:%Y-%m-%dT%H:%MZ} to "
        f"{one['last']:%Y-%m-%dT%H:%MZ}; the region file says {minutes}. The mean of {found_minutes} minutes is not "
        f"that of {minutes}, and is known later.",
        remedy=f"Leave the rows of {found_minutes} minutes out, or make a region of interval_minutes = {found_minutes} "
        "for them.",
        file=origin,
        series=one["series"],
        first=one["first"],
        last=one["last"],
        minutes=found_minutes,
    )


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
