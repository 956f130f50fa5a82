"""Values that come near the plausible maximum, or exceed it: plants are built, and `max_mw` has to follow."""

import logging
from functools import cache

import polars as pl

from power_nowcast.regions import Region

logger = logging.getLogger("power_nowcast.checks")

NEAR = 0.97
"""Share of the plausible maximum from which it is said that it comes near."""
JUST_ABOVE = 1.5
"""Share of the plausible maximum up to which what exceeds it may be true."""
REPEATED = 3
"""So many values just above the maximum are no outliers."""


def tell_of_capacity(rows: pl.DataFrame, region: Region) -> None:
    """Warn, once of a process and zone, of values near `max_mw` and above it, which are kept out of the tables.

    Args:
        rows: series, value, as published.
        region: whose power.
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
        "%s: %s %s its max_mw of %g MW; what exceeds it is kept out of the tables. If its capacity has grown, raise "
        "max_mw in the region file and ingest again.",
        region,
        name,
        "exceeds" if exceeds else "comes near",
        limit,
    )
