"""The nowcast API: routes over `service.Service`, and their assembly."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, RedirectResponse

from power_nowcast import __version__
from power_nowcast.serve import docs, problems
from power_nowcast.serve.answers import short_of
from power_nowcast.serve.middleware import AccessLog, BodyLimit
from power_nowcast.serve.observations import read
from power_nowcast.serve.openapi import body_of, describe, problems_of
from power_nowcast.serve.schemas import (
    Health,
    ModelCard,
    NowcastAnswer,
    Observations,
    PathsAnswer,
    Readiness,
    RegionCard,
    ShortAnswer,
    ShortRequest,
)
from power_nowcast.serve.service import Served, Service
from power_nowcast.store import Store

MAX_BODY = 32 * 1024 * 1024

SeriesQuery = Annotated[list[str] | None, Query(description="Only these series; repeatable.")]
HorizonQuery = Annotated[list[int] | None, Query(description="Only these minutes ahead; repeatable.")]
IssueQuery = Annotated[
    str | None,
    Query(
        description="Answer with what was known then: an ISO time with an offset, or `latest` for the time of the "
        "newest observation. Now if absent; for an archive `latest`.",
        examples=["2019-06-30T23:55:00Z"],
    ),
]
CountQuery = Annotated[int, Query(description="Number of sample paths in the answer; 0 for none.", ge=0, le=1000)]
SeedQuery = Annotated[int, Query(description="The same seed draws the same paths.", ge=0, lt=2**32)]


def create_app(
    served: Mapping[str, Served],
    store: Store,
    *,
    default_region: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    max_body: int = MAX_BODY,
) -> FastAPI:
    """The application. Models that are not loaded yet are loaded in the background once it runs.

    Args:
        served: what is served, by the region's name.
        store: where `GET` reads observations.
        default_region: the region of the short form where a request names none.
        clock: now, aware.
        max_body: the most bytes of a request's body.
    """
    service = Service(served, store, default_region=default_region, clock=clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        service.stop()

    app = FastAPI(
        title="power-nowcast",
        version=__version__,
        description="Calibrated nowcasts of power load up to an hour ahead, for a region and its zones.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(AccessLog), Middleware(BodyLimit, limit=max_body)],
        generate_unique_id_function=_operation_id,
    )
    problems.install(app)
    _add_nowcasts(app, service)
    _add_state(app, service)
    example = served[default_region].region if default_region in served else None
    describe(app, [Observations, ShortRequest], example)

    @app.get("/docs", include_in_schema=False)
    def documentation() -> HTMLResponse:
        return HTMLResponse(docs.page(app.openapi()), headers={"content-security-policy": docs.POLICY})

    @app.get("/", include_in_schema=False)
    def front() -> RedirectResponse:
        return RedirectResponse("docs")

    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _add_nowcasts(app: FastAPI, service: Service) -> None:
    @app.get("/v1/nowcast/{region}", tags=["nowcast"], responses=problems_of(404, 422, 503))
    def nowcast(
        region: str, series: SeriesQuery = None, horizon: HorizonQuery = None, issue_time: IssueQuery = None
    ) -> NowcastAnswer:
        """The nowcast from the observations in the store."""
        return service.from_store(region, series, horizon, issue_time)

    @app.get("/v1/nowcast/{region}/paths", tags=["nowcast"], responses=problems_of(404, 422, 503))
    def paths(
        region: str,
        series: SeriesQuery = None,
        horizon: HorizonQuery = None,
        issue_time: IssueQuery = None,
        count: CountQuery = 100,
        seed: SeedQuery = 0,
    ) -> PathsAnswer:
        """The peak and the trough of the coming hour, and sample paths through it."""
        return service.paths(region, series, horizon, issue_time, count=count, seed=seed)

    # Bodies are megabytes: they are parsed and checked in a thread, so that other callers need not wait.
    @app.post(
        "/v1/nowcast/{region}",
        tags=["nowcast"],
        responses=problems_of(400, 404, 413, 415, 422, 503),
        openapi_extra=body_of(Observations),
    )
    async def nowcast_of_observations(region: str, request: Request) -> NowcastAnswer:
        """The nowcast from observations that the caller brings."""
        body = await _json_body(request)

        def work() -> NowcastAnswer:
            service.of(region)
            return service.from_observations(region, read(Observations, body))

        return await run_in_threadpool(work)

    @app.post(
        "/nowcast",
        tags=["nowcast"],
        responses=problems_of(400, 404, 413, 415, 422, 503),
        openapi_extra=body_of(ShortRequest),
    )
    async def short_nowcast(request: Request) -> ShortAnswer:
        """The short form: rows in, the median (`yhat`) and quantiles out, one row a series and horizon."""
        body = await _json_body(request)

        def work() -> ShortAnswer:
            asked = read(ShortRequest, body)
            return short_of(service.from_observations(asked.region or service.default_region, asked))

        return await run_in_threadpool(work)


def _add_state(app: FastAPI, service: Service) -> None:
    @app.get("/v1/models", tags=["service"], responses=problems_of(503))
    def models() -> list[ModelCard]:
        """The models that answer, and the history that each needs."""
        return service.models()

    @app.get("/v1/regions", tags=["service"])
    def regions() -> list[RegionCard]:
        """The regions of this service."""
        return service.regions()

    @app.get("/healthz", tags=["service"])
    def healthz() -> Health:
        """The process is alive."""
        return Health(version=__version__)

    @app.get("/readyz", tags=["service"], responses={503: {"model": Readiness, "description": "Not ready, and why."}})
    def readyz(response: Response) -> Readiness:
        """Whether every region has a model and observations that are new enough."""
        found = service.readiness()
        response.status_code = 200 if found.ready else 503
        return found


async def _json_body(request: Request) -> bytes:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise HTTPException(415, f"The body is sent as {kind}; send content-type: application/json.")
    return await request.body()
