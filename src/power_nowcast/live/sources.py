"""How new the data of each source are."""

from datetime import datetime

import polars as pl

from power_nowcast.features.panel import FORECAST_REACH
from power_nowcast.regions import Region
from power_nowcast.store import Store


def newest_by_table(store: Store, region: Region, known_at: datetime) -> dict[str, datetime | None]:
    """By table, the time of its newest value; of a forecast, the time at which it became known.

    Raises:
        StoreError: a table cannot be read.
    """
    found: dict[str, datetime | None] = {}
    for table in region.specs:
        if not table.is_forecast:
            found[table.value] = store.last(table, region.name, until=known_at)
            continue
        rows = store.versions(table, region.name, start=known_at, end=known_at + FORECAST_REACH)
        known: datetime | None = rows.filter(pl.col("available_at") <= known_at)["available_at"].max()  # type: ignore[assignment]
        found[table.value] = known
    return found
