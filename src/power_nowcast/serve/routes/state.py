"""Routes that say what the service has, and how it is."""

from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from power_nowcast import __version__
from power_nowcast.serve.openapi import problems_of
from power_nowcast.serve.schemas import Health, ModelCard, Readiness, RegionCard
from power_nowcast.serve.service import Service

ExcludeQuery = Annotated[
    Literal["data"] | None,
    Query(description="Leave out how old the data are: they are as old in every process that reads the same tables."),
]


def add(app: FastAPI, service: Service) -> None:
    """Add the routes."""

    @app.get("/v1/models", tags=["service"], responses=problems_of(503))
    def models() -> list[ModelCard]:
        """The models that answer, and the history that each needs."""
        return service.models()

    @app.get("/v1/regions", tags=["service"])
    def regions() -> list[RegionCard]:
        """The regions of this service."""
        return service.regions()

    @app.get("/metrics", tags=["service"], response_class=PlainTextResponse)
    def metrics(request: Request) -> Response:
        """Requests, regions, data and models, in Prometheus' text format."""
        return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/healthz", tags=["service"])
    def healthz() -> Health:
        """The process is alive."""
        return Health(version=__version__)

    not_ready: dict[int | str, dict[str, Any]] = {503: {"model": Readiness, "description": "Not ready, and why."}}

    @app.get("/readyz", tags=["service"], responses=problems_of(422) | not_ready)
    def readyz(response: Response, exclude: ExcludeQuery = None) -> Readiness:
        """Whether every region has a model and observations that are new enough.

        With `exclude=data`, whether this process hands out what there is. This is the question of a load balancer:
        where data are late no process is better than the others, and each one says so in its answers.
        """
        found = service.readiness(counts_age=exclude is None)
        response.status_code = 200 if found.ready else 503
        return found
