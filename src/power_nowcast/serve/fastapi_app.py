"""The nowcast API: FastAPI over a model slot a region, the store and a clock, all handed in."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
from fastapi import FastAPI, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AwareDatetime
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse

from power_nowcast import __version__
from power_nowcast.contracts import Table
from power_nowcast.errors import NowcastError, StaleDataError, UnknownRegionError
from power_nowcast.features.panel import FORECAST_PREFIX, window
from power_nowcast.live.model_slot import Loaded, ModelSlot
from power_nowcast.live.nowcaster import calibration_in_force
from power_nowcast.regions import Region, load
from power_nowcast.serve import docs, problems
from power_nowcast.serve.answers import answer_of, identity, iso, minute, panel_of, short_of
from power_nowcast.serve.middleware import AccessLog, BodyLimit
from power_nowcast.serve.schemas import (
    Health,
    ModelCard,
    NowcastAnswer,
    Observations,
    Readiness,
    RegionCard,
    ShortAnswer,
    ShortRequest,
)
from power_nowcast.settings import Settings, settings
from power_nowcast.store import Store

MAX_BODY = 32 * 1024 * 1024

SeriesQuery = Annotated[list[str] | None, Query(description="Only these series; repeatable.")]
HorizonQuery = Annotated[list[int] | None, Query(description="Only these minutes ahead; repeatable.")]
IssueQuery = Annotated[AwareDatetime | None, Query(description="Answer as of then; now if absent.")]


@dataclass(frozen=True)
class Served:
    """A region with what answers for it."""

    region: Region
    slot: ModelSlot


def create_app(
    served: Mapping[str, Served],
    store: Store,
    *,
    default_region: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    max_body: int = MAX_BODY,
) -> FastAPI:
    """The application.

    Args:
        served: what is served, by the region's name.
        store: where `GET` reads observations.
        default_region: of the short form.
        clock: now, aware.
        max_body: bytes of a request's body at most.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for one in served.values():
            try:
                # Loading compiles the kernels too: the golden rows and the first window pass through them.
                await run_in_threadpool(_warm_up, one, store)
            except NowcastError as error:
                failed[one.region.name] = str(error)
        yield

    failed: dict[str, str] = {}
    app = FastAPI(
        title="power-nowcast",
        version=__version__,
        description="Calibrated nowcasts of power load up to an hour ahead, for a region and its zones.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(AccessLog), Middleware(BodyLimit, limit=max_body)],
    )
    problems.install(app)

    def of(name: str) -> Served:
        if name not in served:
            raise UnknownRegionError(
                f"This service has no region {name!r}.", remedy=f"Use one of: {', '.join(served)}.", region=name
            )
        return served[name]

    def brought(one: Served, asked: Observations) -> NowcastAnswer:
        loaded = one.slot.current
        panel = panel_of(one.region, asked)
        issue = minute(asked.issue_time) if asked.issue_time else panel.end
        return answer_of(loaded, loaded.nowcaster.nowcast(panel, issue), asked.series, asked.horizon)

    @app.get("/v1/nowcast/{region}", tags=["nowcast"])
    def nowcast(
        region: str, series: SeriesQuery = None, horizon: HorizonQuery = None, issue_time: IssueQuery = None
    ) -> NowcastAnswer:
        """The nowcast from the observations in the store."""
        one = of(region)
        loaded = one.slot.current
        at = issue_time or clock()
        step = np.timedelta64(one.region.interval_minutes, "m")
        issue = minute(at) - minute(at).astype(np.int64) % step.astype(np.int64) * np.timedelta64(1, "m")
        last = store.last(Table.POWER, one.region.name)
        if last is not None and minute(last) < issue - np.timedelta64(1, "D"):
            raise StaleDataError(
                f"The newest observation of {region} is of {iso(minute(last))}, the issue time is {iso(issue)}.",
                remedy=f"Ingest newer data, or ask for the past: ?issue_time={iso(minute(last))}",
                region=region,
                newest=iso(minute(last)),
                issue_time=iso(issue),
            )
        panel = window(store, one.region, at)
        return answer_of(loaded, loaded.nowcaster.nowcast(panel, issue), series, horizon)

    @app.post("/v1/nowcast/{region}", tags=["nowcast"])
    def nowcast_of_observations(region: str, asked: Observations) -> NowcastAnswer:
        """The nowcast from observations that the caller brings."""
        return brought(of(region), asked)

    @app.post("/nowcast", tags=["nowcast"])
    def short(asked: ShortRequest) -> ShortAnswer:
        """The short form: rows in, the median (yhat) and quantiles out."""
        return short_of(brought(of(asked.region or default_region), asked))

    @app.get("/v1/models", tags=["service"])
    def models() -> list[ModelCard]:
        """The models that answer, and the history that each needs."""
        return [_card(one, one.slot.current) for one in served.values() if one.slot.is_loaded]

    @app.get("/v1/regions", tags=["service"])
    def regions() -> list[RegionCard]:
        """The regions of this service."""
        return [
            RegionCard(
                name=one.region.name,
                title=one.region.title,
                timezone=one.region.timezone,
                interval_minutes=one.region.interval_minutes,
                series=list(one.region.series),
                horizon_min=list(one.region.steps_minutes),
            )
            for one in served.values()
        ]

    @app.get("/healthz", tags=["service"])
    def healthz() -> Health:
        """Alive."""
        return Health()

    @app.get("/readyz", tags=["service"], responses={503: {"model": Readiness}})
    def readyz(response: Response) -> Readiness:
        """Whether every region has a model; how new its observations are is told beside."""
        state: dict[str, str] = {}
        newest: dict[str, str | None] = {}
        for name, one in served.items():
            state[name] = "ready" if one.slot.is_loaded else failed.get(name, "loading")
            try:
                last = store.last(Table.POWER, name)
                newest[name] = iso(minute(last)) if last else None
            except NowcastError as error:
                state[name], newest[name] = str(error), None
        ready = all(value == "ready" for value in state.values())
        response.status_code = 200 if ready else 503
        return Readiness(ready=ready, regions=state, newest_observation=newest)

    @app.get("/docs", include_in_schema=False)
    def documentation() -> HTMLResponse:
        return HTMLResponse(docs.page(app.openapi()))

    return app


def _warm_up(one: Served, store: Store) -> None:
    loaded = one.slot.load()
    last = store.last(Table.POWER, one.region.name)
    if last is not None:
        try:
            loaded.nowcaster.nowcast(window(store, one.region, last), minute(last))
        except NowcastError:
            return  # too little data to answer from: the first request says so


def _card(one: Served, loaded: Loaded) -> ModelCard:
    region, info = one.region, loaded.bundle.info
    forecasts = [f"{FORECAST_PREFIX}{name}" for name in region.series] if region.forecast else []
    return ModelCard(
        region=region.name,
        model=identity(loaded),
        train_start=info.train_start,
        train_end=info.train_end,
        calibrated_until=info.calibrated_until,
        history_minutes=loaded.bundle.history_minutes,
        minimum_history_minutes=loaded.bundle.minimum_history_minutes,
        columns=[
            "valid_at",
            *(zone.name for zone in region.zones),
            *forecasts,
            *(region.weather.variables if region.weather else ()),
        ],
        from_disk=loaded.fallback,
    )


def production(region: Region, store: Store, chosen: Settings) -> ModelSlot:
    """A slot that loads the region's production version from the registry, with its newest calibration."""
    cache = chosen.artifacts / region.name / "versions"

    def loader() -> tuple[Path, str]:
        # MLflow is needed to fetch a version, not to answer.
        from power_nowcast import mlflow_client  # noqa: PLC0415

        folder, version = mlflow_client.download(region, mlflow_client.PRODUCTION, cache)
        return folder, version.version

    return ModelSlot(loader, cache, lambda bundle: calibration_in_force(store, bundle))


def serve_api(host: str, port: int, names: list[str]) -> None:
    """Serve these regions until interrupted."""
    import uvicorn  # noqa: PLC0415 - the application itself runs under any server

    store = Store(settings().data)
    found = [load(name) for name in names]
    served = {region.name: Served(region, production(region, store, settings())) for region in found}
    app = create_app(served, store, default_region=found[0].name)
    uvicorn.run(app, host=host, port=port, log_config=_LOGGING, access_log=False)


_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "uvicorn": {"handlers": ["console"], "level": "INFO"},
        "power_nowcast": {"handlers": ["console"], "level": "INFO"},
    },
}
