"""List the alarms of a followed region, acknowledge one by name, or shelve it until a time."""

from datetime import datetime
from typing import Annotated

import typer

from power_nowcast.cli import show
from power_nowcast.cli.base import DEFAULTS, MOMENT, JsonOption, PersonOption, RegionOption, errors
from power_nowcast.settings import settings


def alarms(
    alarm: Annotated[str | None, typer.Argument(help='The alarm, such as "loss of a day"; all if absent.')] = None,
    ack: Annotated[bool, typer.Option("--ack", help="Acknowledge it: somebody has seen it.")] = False,
    shelve: Annotated[
        datetime | None, typer.Option(help="Shelve it until this time; the present takes it back.", **MOMENT)
    ] = None,
    person: PersonOption = None,
    region: RegionOption = DEFAULTS.region,
    as_json: JsonOption = False,
) -> None:
    from power_nowcast.live.clock import clock_of
    from power_nowcast.monitor.alarms import attend, listed
    from power_nowcast.regions import load
    from power_nowcast.store import Store

    with errors():
        store, name = Store(settings().data), load(region).name
        store.check_exists()
        now = clock_of(store, name)()
        if ack or shelve is not None:
            who = person or settings().owner
            attend(store, name, alarm, is_seen=ack, until=shelve, person=who, now=now)
        found = listed(store, name, alarm, now)
        title = f"Alarms of {name}, times in UTC" if found else f"No alarm of {name} stands."
        show.rows(found, title, as_json=as_json)
