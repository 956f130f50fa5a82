"""The store: append-only Delta tables in which each value has the time at which it became available."""

from power_nowcast.store.address import Address
from power_nowcast.store.changes import AppendReport
from power_nowcast.store.store import Store

__all__ = ["Address", "AppendReport", "Store"]
