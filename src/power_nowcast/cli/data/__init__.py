"""Look after the data: status, gaps, quarantine, verify, rebuild, compact, vacuum."""

from power_nowcast.cli.group import group

app = group(__name__, __file__, "status", "gaps", "quarantine", "verify", "rebuild", "compact", "vacuum")
