"""What a panel reads, held in memory: the store's own rule of what counts, without its files."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from power_nowcast.contracts import QUARANTINE, VALUES, Table
from power_nowcast.store.changes import latest


@dataclass(frozen=True)
class Held:
    """Rows of `contracts.VALUES` by table and a quarantine, read as a store reads them."""

    frames: dict[Table, pl.DataFrame]
    quarantine: pl.DataFrame

    @classmethod
    def of(cls, frames: dict[Table, pl.DataFrame], quarantine: pl.DataFrame | None = None) -> "Held":
        return cls(frames, QUARANTINE.to_frame() if quarantine is None else quarantine)

    def as_of(
        self,
        table: Table,
        region: str,
        *,
        at: datetime | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pl.DataFrame:
        rows = self.versions(table, region, start=start, end=end)
        return latest(rows if at is None else rows.filter(pl.col("available_at") <= at))

    def versions(
        self, table: Table, region: str, *, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        rows = self.frames.get(table, VALUES.to_frame()).filter(pl.col("region") == region)
        rows = rows if start is None else rows.filter(pl.col("valid_at") >= start)
        rows = rows if end is None else rows.filter(pl.col("valid_at") <= end)
        return rows.sort("available_at", "first_seen_at", "series", "valid_at")

    def read_quarantine(self, region: str) -> pl.DataFrame:
        return self.quarantine.filter(pl.col("region") == region)
