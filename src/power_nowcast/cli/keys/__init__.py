"""Look after the keys of the API: new, list, revoke."""

from power_nowcast.cli.group import group

app = group(__name__, __file__, "new", "list", "revoke")
