"""Quality flags of a region's power, slot by slot, as they were known at any time."""

from datetime import datetime, timedelta

import polars as pl

from power_nowcast.contracts import Flag, Reason, Table
from power_nowcast.ingest.flags import FLAGGED, estimated, interpolated, late
from power_nowcast.regions import Region
from power_nowcast.store import Store

_KEPT_OUT = {Reason.SPIKE.value: Flag.SPIKE.value, Reason.FLAT.value: Flag.STUCK.value}


def flags(
    store: Store,
    region: Region,
    *,
    at: datetime | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> pl.DataFrame:
    """Rows of `ingest.flags.FLAGGED`: which slots of power have which flag, by what was known at `at`.

    Slots with `spike` or `stuck` have no value in the tables, or the one that another stamp of theirs had.

    Args:
        store: where the tables are.
        region: whose.
        at: what became known later does not count; None for all that is there.
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
    found = [
        _kept_out(store, region, at, start, end),
        interpolated(values, region),
        estimated(values, forecasts, region),
        late(versions, region, region.power),
    ]
    return pl.concat(found).unique().sort("series", "valid_at", "flag")


def _kept_out(
    store: Store, region: Region, at: datetime | None, start: datetime | None, end: datetime | None
) -> pl.DataFrame:
    """Slots of what is in quarantine."""
    grid = timedelta(minutes=region.interval_minutes)
    stamp = pl.col("at") + grid if region.power.label == "start" else pl.col("at")
    rows = (
        store.read_quarantine(region.name)
        .filter(pl.col("table") == Table.POWER.value, pl.col("reason").is_in(list(_KEPT_OUT)))
        .select(
            "series",
            valid_at=(stamp + grid - timedelta(microseconds=1)).dt.truncate(grid),
            flag=pl.col("reason").replace_strict(_KEPT_OUT, return_dtype=pl.String),
            # When a value was known is not noted of what is kept out: it cannot have been before its time.
        )
        .cast(FLAGGED)
    )
    for limit in (at, end):
        rows = rows if limit is None else rows.filter(pl.col("valid_at") <= limit)
    return rows if start is None else rows.filter(pl.col("valid_at") >= start)
