"""The route of the alarms that stand."""

from fastapi import FastAPI

from power_nowcast.serve.alarms import AlarmCard, alarm_cards
from power_nowcast.serve.openapi import problems_of
from power_nowcast.serve.service import Service


def add(app: FastAPI, service: Service) -> None:
    """Add the route."""

    @app.get("/v1/alarms/{region}", tags=["live"], responses=problems_of(404, 422, 503))
    def alarms(region: str) -> list[AlarmCard]:
        """The alarms that stand, oldest first, each with its one action and with what people have done about it."""
        return alarm_cards(service.store, service.of(region).region.name, service.clock())
