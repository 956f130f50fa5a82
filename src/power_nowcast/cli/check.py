"""Say in one line whether a followed region is well; exit with 1 for an alarm, with 2 without a fresh nowcast."""

import typer

from power_nowcast.cli.base import DEFAULTS, RegionOption, errors
from power_nowcast.settings import settings


def check(region: RegionOption = DEFAULTS.region) -> None:
    from power_nowcast.live.clock import clock_of
    from power_nowcast.monitor.check import check as checked
    from power_nowcast.regions import load
    from power_nowcast.store import Store

    with errors():
        store, followed = Store(settings().data), load(region)
        store.check_exists()
        found = checked(store, followed, clock_of(store, followed.name)())
    typer.echo(found.line)
    raise typer.Exit(found.code)
