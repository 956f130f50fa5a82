"""Publish an adjusted series beside the model's for some time, such as: nowcast adjust NYCA +150."""

from datetime import datetime
from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, MOMENT, DecisionReason, PersonOption, RegionOption, console, errors
from power_nowcast.settings import settings

TAKES_NEGATIVE_NUMBERS = True


def adjust(
    series: Annotated[str, typer.Argument(help="The series.")],
    megawatts: Annotated[float, typer.Argument(metavar="+MW|-MW", help="What is added to the nowcast.")],
    until: Annotated[datetime, typer.Option(help="The last moment that is adjusted; the present ends it.", **MOMENT)],
    reason: DecisionReason,
    person: PersonOption = None,
    region: RegionOption = DEFAULTS.region,
) -> None:
    from power_nowcast.live.clock import clock_of
    from power_nowcast.live.interventions import ADJUST, Intervention, intervene
    from power_nowcast.regions import load
    from power_nowcast.store import Store

    with errors():
        store, followed = Store(settings().data), load(region)
        store.check_exists()
        now = clock_of(store, followed.name)()
        given = Intervention(ADJUST, series, now, min(now, until), until, megawatts, reason, person or settings().owner)
        intervene(store, followed, given)
    console.print(f"{series} is adjusted by {megawatts:+g} MW until {until:%Y-%m-%d %H:%M} UTC.", highlight=False)
