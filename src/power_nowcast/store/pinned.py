"""The tables of a region in the versions that manifests name, whatever was appended since."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from power_nowcast.contracts import Manifest, Table
from power_nowcast.store.store import Store


class Pinned:
    """A store as it was when manifests were made: `versions` and `read_quarantine` answer as they did then.

    Args:
        store: the store.
        at: version of each table.
        quarantined: number of rows that were in quarantine then, the oldest ones; None for all rows.
    """

    def __init__(self, store: Store, at: Mapping[Table, int], quarantined: int | None = None) -> None:
        self.store = store
        self._at = dict(at)
        self._quarantined = quarantined

    @classmethod
    def of(cls, store: Store, manifests: Sequence[Manifest], quarantined: int | None = None) -> "Pinned":
        """The store in the versions of these manifests."""
        return cls(store, {Table(one.table): one.version for one in manifests}, quarantined)

    def versions(
        self, table: Table, region: str, *, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        """As `Store.versions`, in the pinned version of the table.

        Raises:
            StoreError: the table is damaged, or that version no longer exists.
        """
        return self.store.versions(table, region, start=start, end=end, version=self._at[table])

    def read_quarantine(self, region: str) -> pl.DataFrame:
        """As `Store.read_quarantine`, without the rows that came later."""
        rows = self.store.read_quarantine(region)
        return rows if self._quarantined is None else rows.head(self._quarantined)

    def span(self, table: Table, region: str) -> tuple[datetime | None, datetime | None]:
        """The oldest and the newest `valid_at` of a region, None if there is none."""
        first, last = (
            self.versions(table, region).select(first=pl.col("valid_at").min(), last=pl.col("valid_at").max()).row(0)
        )
        return first, last


def version_of(store: Store, region: str, wanted: Manifest) -> int | None:
    """The version of a table in which a region has exactly the rows of a manifest, None if none has.

    Tables are append-only, so the number of rows never falls from one version to the next, and a search by halves finds
    the version. It may have another number in a store that was rebuilt, or ingested anew.

    Raises:
        StoreError: a version in between cannot be read.
    """
    table = Table(wanted.table)
    low, high = -1, store.version(table)
    while low < high:
        middle = (low + high) // 2
        if len(store.versions(table, region, version=middle)) < wanted.rows:
            low = middle + 1
        else:
            high = middle
    found = store.manifest(table, region, version=low)
    return low if found.sha256 == wanted.sha256 else None
