"""Routes of nowcasts: from the store, and from observations that the caller brings."""

from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from power_nowcast.contracts.rungs import Rung
from power_nowcast.live.nowcaster import Quality
from power_nowcast.serve.answers import check_quality, short_of
from power_nowcast.serve.chances import Happening
from power_nowcast.serve.observations import read
from power_nowcast.serve.openapi import body_of, problems_of
from power_nowcast.serve.schemas import (
    ChancesAnswer,
    NowcastAnswer,
    Observations,
    PathsAnswer,
    ShortAnswer,
    ShortRequest,
)
from power_nowcast.serve.service import Service

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
QualityQuery = Annotated[Quality | None, Query(description="Refuse an answer of worse quality with 503.")]
RungQuery = Annotated[Rung | None, Query(description="Refuse an answer of a lower rung of the ladder with 503.")]
CountQuery = Annotated[int, Query(description="Number of sample paths in the answer; 0 for none.", ge=0, le=1000)]
SeedQuery = Annotated[int, Query(description="The same seed draws the same paths.", ge=0, lt=2**32)]

AboveQuery = Annotated[
    float | None, Query(description="The chance that the series exceeds so many MW.", allow_inf_nan=False)
]
BelowQuery = Annotated[
    float | None, Query(description="The chance that the series falls below so many MW.", allow_inf_nan=False)
]
RampQuery = Annotated[
    float | None,
    Query(
        description="The chance that the series rises by so many MW or more from its last value; a negative number "
        "asks for a fall.",
        allow_inf_nan=False,
    ),
]
WithinQuery = Annotated[
    int | None, Query(description="It happens within so many minutes, one of the horizons; the longest if absent.")
]


def add(app: FastAPI, service: Service) -> None:
    """Add the routes."""

    @app.get("/v1/nowcast/{region}", tags=["nowcast"], responses=problems_of(404, 422, 503))
    def nowcast(
        region: str,
        series: SeriesQuery = None,
        horizon: HorizonQuery = None,
        issue_time: IssueQuery = None,
        min_quality: QualityQuery = None,
        min_rung: RungQuery = None,
    ) -> NowcastAnswer:
        """The nowcast from the observations in the store; of a region that this process follows, the published one."""
        answer = service.from_store(region, series, horizon, issue_time)
        check_quality(answer, min_quality, min_rung)
        return answer

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

    @app.get("/v1/nowcast/{region}/probability", tags=["nowcast"], responses=problems_of(404, 422, 503))
    def probability(
        region: str,
        above: AboveQuery = None,
        below: BelowQuery = None,
        ramp: RampQuery = None,
        within: WithinQuery = None,
        series: SeriesQuery = None,
        issue_time: IssueQuery = None,
    ) -> ChancesAnswer:
        """The chance of a peak, a trough or a ramp: give one of `above`, `below` and `ramp`."""
        happening = Happening(above, below, ramp)
        if not happening.is_one:
            what = "give exactly one of above, below and ramp; a ramp is not 0"
            raise RequestValidationError([{"type": "happening", "loc": ("query",), "msg": what}])
        return service.chances(region, series, issue_time, happening, within)

    _add_posts(app, service)


def _add_posts(app: FastAPI, service: Service) -> None:
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


async def _json_body(request: Request) -> bytes:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise HTTPException(415, f"The body is sent as {kind}; send content-type: application/json.")
    return await request.body()
