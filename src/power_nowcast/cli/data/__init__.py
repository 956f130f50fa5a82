"""Look after the data: status, gaps, verify, rebuild, compact, vacuum."""

from power_nowcast.cli.group import group

app = group(__name__, __file__, "status", "gaps", "verify", "rebuild", "compact", "vacuum")
