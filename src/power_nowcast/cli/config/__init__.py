"""Look at the settings: show."""

from power_nowcast.cli.group import group

app = group(__name__, __file__, "show")
