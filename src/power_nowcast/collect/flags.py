"""Quality flags of a region's power by slot, as known at any time."""

from datetime import datetime

import polars as pl

from power_nowcast.checks.flags import FLAGGED, estimated, interpolated, kept_out, late
from power_nowcast.contracts import Table
from power_nowcast.regions import Region
from power_nowcast.store import Store


def flags(
    store: Store,
    region: Region,
    *,
    at: datetime | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> pl.DataFrame:
    """Rows of `checks.flags.FLAGGED`: slots of power with their flags, as known at `at`.

    Slots with `spike` or `stuck` have no value in the tables, or the value of another stamp of the same slot.

    Args:
        store: the store with the tables.
        region: the region of the flags.
        at: rows that became known later do not count; None for all rows.
        start: earliest `valid_at`.
        end: latest `valid_at`.

    Raises:
        StoreError: a table cannot be read.
    """
    values = store.as_of(Table.POWER, region.name, at=at, start=start, end=end)
    versions = store.versions(Table.POWER, region.name, start=start, end=end)
    forecasts = store.versions(Table.FORECAST, region.name, start=start, end=end)
    if at is not None:
        versions, forecasts = (rows.filter(pl.col("available_at") <= at) for rows in (versions, forecasts))
    kept = kept_out(store.read_quarantine(region.name), region)
    for column, limit in (("available_at", at), ("valid_at", end)):
        kept = kept if limit is None else kept.filter(pl.col(column) <= limit)
    kept = kept if start is None else kept.filter(pl.col("valid_at") >= start)
    found = [
        kept.select(FLAGGED.names()),
        interpolated(values, region),
        estimated(values, forecasts, region),
        late(versions, region, region.power),
    ]
    return pl.concat(found).unique().sort("series", "valid_at", "flag")
