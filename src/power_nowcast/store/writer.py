"""The only way to write to a table of a store: compare with the stored rows and append, as one step."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import polars as pl

from power_nowcast.errors import WriterBusyError
from power_nowcast.store.address import Address
from power_nowcast.store.datafiles import Snapshot
from power_nowcast.store.delta import SMALL_FILE, ConflictError, Delta
from power_nowcast.store.lease import FileLease

COMPACT_AT = 24
"""The writer merges the small files of a partition from this number on: five-minute appends make 288 a day."""
_ATTEMPTS = 50


class Writer:
    """The writer lease, and the step that every append uses.

    A folder has a lease. An object store has none: there the commit itself is the lock.

    Args:
        address: address of the store.
        kept: returns the versions of a table, by its name, that must stay readable.
    """

    def __init__(self, address: Address, kept: Callable[[str], frozenset[int]]) -> None:
        self.root = address.root
        self.has_lease = address.is_local
        self.kept = kept
        self.lease: Callable[[], AbstractContextManager[None]] = (
            FileLease(Path(address.root), wait_seconds=address.wait_seconds) if self.has_lease else nullcontext
        )

    def commit[Report](self, delta: Delta, fresh: Callable[[Snapshot], tuple[pl.DataFrame, Report]]) -> Report:
        """Append the rows that `fresh` returns for the newest version, and return its report.

        If another writer of an object store commits in between, `fresh` is called again.

        Raises:
            WriterBusyError: other writers kept the table busy.
            StoreError: the table cannot be written.
        """
        with self.lease():
            for _ in range(_ATTEMPTS):
                at = delta.snapshot()
                rows, report = fresh(at)
                if rows.is_empty():
                    return report
                try:
                    delta.append(rows, onto=at.version)
                except ConflictError:
                    continue
                self._tidy(delta, rows.select(delta.partition_by).unique())
                return report
        raise WriterBusyError(
            f"Others wrote {delta.uri} first, {_ATTEMPTS} times in a row.", remedy="Try again later.", store=self.root
        )

    def _tidy(self, delta: Delta, written: pl.DataFrame) -> None:
        """Merge small files of the written partitions and trim the log, if needed."""
        for partition in written.to_dicts():
            if delta.files(partition, up_to_bytes=SMALL_FILE) >= COMPACT_AT:
                delta.compact(partition, up_to_bytes=SMALL_FILE)
        if delta.is_long:
            delta.trim(self.kept(delta.name))
