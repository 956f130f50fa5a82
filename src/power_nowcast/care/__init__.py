"""Looking after the data: what there is, what is missing, whether it is right, and making it again from raw bytes."""

from power_nowcast.care.findings import Finding, State
from power_nowcast.care.gaps import Gap, fill, gaps
from power_nowcast.care.quality import flags
from power_nowcast.care.rebuild import Rebuilt, rebuild
from power_nowcast.care.status import TableStatus, status
from power_nowcast.care.verify import verify

__all__ = [
    "Finding",
    "Gap",
    "Rebuilt",
    "State",
    "TableStatus",
    "fill",
    "flags",
    "gaps",
    "rebuild",
    "status",
    "verify",
]
