"""Look after MLflow's registry: copy."""

from power_nowcast.cli.group import group

app = group(__name__, __file__, "copy")
