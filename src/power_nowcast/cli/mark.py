"""Take a zone's telemetry out for some time: the live service nowcasts as if its values had not come."""

from datetime import datetime
from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, MOMENT, DecisionReason, PersonOption, RegionOption, console, errors
from power_nowcast.settings import settings


def mark(
    zone: Annotated[str, typer.Argument(help="The zone.")],
    until: Annotated[datetime, typer.Option(help="The mark's end; the present ends an earlier mark.", **MOMENT)],
    reason: DecisionReason,
    since: Annotated[datetime | None, typer.Option(help="Values after this time; now if absent.", **MOMENT)] = None,
    person: PersonOption = None,
    region: RegionOption = DEFAULTS.region,
) -> None:
    from power_nowcast.live.clock import clock_of
    from power_nowcast.live.interventions import MARK, Intervention, intervene
    from power_nowcast.regions import load
    from power_nowcast.store import Store

    with errors():
        store, followed = Store(settings().data), load(region)
        store.check_exists()
        now = clock_of(store, followed.name)()
        who = person or settings().owner
        given = Intervention(MARK, zone, now, min(since or now, until), until, 0.0, reason, who)
        intervene(store, followed, given)
    console.print(f"{zone} does not count until {until:%Y-%m-%d %H:%M} UTC.", highlight=False)
