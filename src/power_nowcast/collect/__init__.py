"""Collect: write sources into tables, once or continuously, and maintain the stored data."""

from power_nowcast.collect.findings import Finding, State
from power_nowcast.collect.flags import flags
from power_nowcast.collect.follow import Follower
from power_nowcast.collect.freshness import TableStatus, status, usual_age
from power_nowcast.collect.gaps import Gap, fill, gaps
from power_nowcast.collect.load import IngestReport, write, write_all
from power_nowcast.collect.quarantine import FellOut, fell_out
from power_nowcast.collect.rebuild import Rebuilt, rebuild
from power_nowcast.collect.verify import verify

__all__ = [
    "FellOut",
    "Finding",
    "Follower",
    "Gap",
    "IngestReport",
    "Rebuilt",
    "State",
    "TableStatus",
    "fell_out",
    "fill",
    "flags",
    "gaps",
    "rebuild",
    "status",
    "usual_age",
    "verify",
    "write",
    "write_all",
]
