"""Regions: one TOML each, checked when it is read."""

from power_nowcast.regions.files import available, load, of
from power_nowcast.regions.region import Region, SourceSpec, Zone

__all__ = ["Region", "SourceSpec", "Zone", "available", "load", "of"]
