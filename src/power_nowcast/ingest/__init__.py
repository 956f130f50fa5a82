"""Ingest: what publishers publish, aligned to the region's grid, checked, and ready for the store."""

from power_nowcast.ingest.catalog import with_source
from power_nowcast.ingest.fetch import fetch
from power_nowcast.ingest.sources.replay import ReplayClock, replayed

__all__ = ["ReplayClock", "fetch", "replayed", "with_source"]
