"""Routes of the alarms that stand. The guard lets nobody but administrators acknowledge and shelve them."""

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException

from power_nowcast.monitor.alarms import alarms as alarms_of
from power_nowcast.monitor.alarms import attend
from power_nowcast.serve.alarms import AlarmCard, Attention, alarm_cards
from power_nowcast.serve.openapi import problems_of
from power_nowcast.serve.routes.decisions import person_of
from power_nowcast.serve.service import Service


def add(app: FastAPI, service: Service) -> None:
    """Add the routes."""

    @app.get("/v1/alarms/{region}", tags=["live"], responses=problems_of(404, 422, 503))
    def alarms(region: str) -> list[AlarmCard]:
        """The alarms that stand, oldest first, each with its one action and with what people have done about it."""
        return alarm_cards(service.store, service.of(region).region.name, service.clock())

    @app.post("/v1/alarms/{region}", tags=["decisions"], responses=problems_of(400, 404, 409, 413, 415, 422, 503))
    def attend_to(region: str, asked: Attention, request: Request) -> list[AlarmCard]:
        """Acknowledge an alarm, shelve it until a time, or both, as `nowcast alarms`; answers the alarms that stand."""
        name, now = service.of(region).region.name, service.clock()
        stand = alarms_of(service.store, name, now)
        if asked.name not in stand:
            names = ", ".join(map(repr, stand)) or "none"
            raise HTTPException(409, f"{name} has no alarm {asked.name!r} any more. Alarms that stand: {names}.")
        one, until = stand[asked.name], asked.shelve_until
        # The same request, sent again, notes nothing new.
        is_seen = asked.acknowledge and not one.acknowledged_by
        until = None if until == one.shelved_until else until
        attend(service.store, name, one.name, is_seen=is_seen, until=until, person=person_of(request), now=now)
        return alarm_cards(service.store, name, now)
