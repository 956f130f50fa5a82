"""The store: append-only Delta tables that remember when each value could first be known."""

from power_nowcast.store.address import Address
from power_nowcast.store.changes import AppendReport
from power_nowcast.store.store import Store

__all__ = ["Address", "AppendReport", "Store"]
