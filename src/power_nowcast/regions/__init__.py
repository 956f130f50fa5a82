"""Regions: one TOML each, checked when it is read."""

from power_nowcast.regions.region import Region, SourceSpec, Zone, available, load

__all__ = ["Region", "SourceSpec", "Zone", "available", "load"]
