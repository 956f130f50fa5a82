"""Warnings of values near the plausible maximum or above it: when plants are built, `max_mw` has to follow."""

import logging
from functools import cache

import polars as pl

from power_nowcast.regions import Region

logger = logging.getLogger("power_nowcast.checks")

NEAR = 0.97
"""From this share of the plausible maximum on, a value comes near it."""
JUST_ABOVE = 1.5
"""A value above the plausible maximum may be true up to this share of it."""
REPEATED = 3
"""This many values just above the maximum are no outliers."""


def tell_of_capacity(rows: pl.DataFrame, region: Region) -> None:
    """Warn of values near `max_mw` and above it, once for each process and zone. Those above it go into quarantine.

    Args:
        rows: series, value, as published.
        region: the region of the rows.
    """
    limits = {zone.name: zone.max_mw for zone in region.zones}
    high = pl.col("series").replace_strict(limits, default=None, return_dtype=pl.Float64)
    share = pl.col("value") / high
    found = (
        rows.filter(pl.col("value").is_finite())
        .with_columns(share=share)
        .filter(pl.col("share").is_between(NEAR, JUST_ABOVE))
        .group_by("series")
        .agg(above=(pl.col("share") > 1).sum())
    )
    for name, above in found.iter_rows():
        if above == 0 or above >= REPEATED:
            _tell(region.name, name, limits[name], exceeds=above > 0)


@cache
def _tell(region: str, name: str, limit: float, *, exceeds: bool) -> None:
    logger.warning(
        "%s: %s %s its max_mw of %g MW; values above it go into quarantine. If its capacity has grown, raise "
        "max_mw in the region file and ingest again.",
        region,
        name,
        "exceeds" if exceeds else "comes near",
        limit,
    )
