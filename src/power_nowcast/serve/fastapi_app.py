"""The nowcast API: the application, assembled from the register of routes."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse

from power_nowcast import __version__
from power_nowcast.live.changes import Changes
from power_nowcast.live.keyring import KeyRing
from power_nowcast.live.sessions import Sessions
from power_nowcast.serve import docs, problems
from power_nowcast.serve.guard import NO_KEYS, Guard, Limits
from power_nowcast.serve.metrics import Metrics
from power_nowcast.serve.middleware import AccessLog, BodyLimit, FromPresent
from power_nowcast.serve.openapi import describe
from power_nowcast.serve.routes import ROUTES, Routes
from power_nowcast.serve.schemas import Observations, ShortRequest
from power_nowcast.serve.service import Served, Service
from power_nowcast.store import Store
from power_nowcast.store.keys import Scope


def create_app(
    served: Mapping[str, Served],
    store: Store,
    *,
    default_region: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    limits: Limits = NO_KEYS,
    changes: Changes | None = None,
    routes: Sequence[Routes] = ROUTES,
) -> FastAPI:
    """The application. Models that are not loaded yet are loaded in the background once it runs.

    Args:
        served: what is served, by the region's name.
        store: where `GET` reads observations.
        default_region: the region of the short form where a request names none.
        clock: now, aware.
        limits: what callers may do.
        changes: does promotions and rollbacks; by default by the command `nowcast promote`.
        routes: functions that add the routes.
    """
    service = Service(served, store, default_region=default_region, clock=clock)
    metrics, ring, changing = Metrics(service), KeyRing(store), changes or Changes(clock=clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        ring.start()
        yield
        changing.stop()
        ring.stop()
        service.stop()

    sessions = Sessions()
    guard = Middleware(
        Guard, limits=limits, ring=ring, sessions=sessions, refuse=lambda inner: AccessLog(inner, metrics.count)
    )
    present = Middleware(FromPresent, edition=service.edition, count=metrics.count)
    # Where anybody may read, and at any rate, the present needs no look at who asks.
    is_open = not limits.rate and Scope.READ not in limits.needs_key
    app = FastAPI(
        title="power-nowcast",
        version=__version__,
        description="Calibrated nowcasts of power load up to an hour ahead, for a region and its zones.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        middleware=[
            *([present, guard] if is_open else [guard, present]),
            Middleware(AccessLog, count=metrics.count),
            Middleware(BodyLimit, limit=limits.max_body, posts=limits.posts, waiting=limits.waiting),
        ],
        generate_unique_id_function=_operation_id,
        dependencies=[Depends(_known_query)],
    )
    app.state.present, app.state.metrics = service.present, metrics
    app.state.keys, app.state.sessions, app.state.changes = ring, sessions, changing
    problems.install(app)
    for add in routes:
        add(app, service)
    example = served[default_region].region if default_region in served else None
    describe(app, [Observations, ShortRequest], example, limits)

    @app.get("/docs", include_in_schema=False)
    def documentation() -> HTMLResponse:
        return HTMLResponse(docs.page(app.openapi()), headers={"content-security-policy": docs.POLICY})

    return app


async def _known_query(request: Request) -> None:
    """Refuse query keys that an address does not take: a misspelt one would be ignored without a word.

    Routes that describe no invalid request, such as health, take any query.
    """
    route: APIRoute = request.scope["route"]
    if HTTPStatus.UNPROCESSABLE_ENTITY not in route.responses:
        return
    known = [one.alias for part in (*route.dependant.dependencies, route.dependant) for one in part.query_params]
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        what = f"is not known here; known are {', '.join(known)}" if known else "is not known: this takes no query"
        raise RequestValidationError([{"type": "unknown", "loc": ("query", name), "msg": what} for name in unknown])


def _operation_id(route: APIRoute) -> str:
    return route.name
