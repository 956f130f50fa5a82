"""Routes of nowcasts: from the store, and from observations that the caller brings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BeforeValidator
from starlette.exceptions import HTTPException

from power_nowcast.contracts import QUANTILES
from power_nowcast.contracts.rungs import Rung
from power_nowcast.live.nowcaster import Quality
from power_nowcast.live.present import etag_of
from power_nowcast.scoring import label
from power_nowcast.serve.answers import check_quality, csv_of, short_of, with_quantiles
from power_nowcast.serve.chances import Happening
from power_nowcast.serve.drawn import Part, chances, sample_paths
from power_nowcast.serve.observations import read
from power_nowcast.serve.openapi import body_of, problems_of, tables_of
from power_nowcast.serve.schemas import (
    ChancesAnswer,
    NowcastAnswer,
    Observations,
    PathsAnswer,
    ShortAnswer,
    ShortRequest,
)
from power_nowcast.serve.service import Service


def _split(value: object) -> object:
    """The parts of a list whose members may be several, separated by commas."""
    if not isinstance(value, list):
        return value
    return [part for one in value for part in (one.split(",") if isinstance(one, str) else [one])]


SeriesQuery = Annotated[list[str] | None, Query(description="Only these series; repeatable.")]
HorizonsQuery = Annotated[
    list[int] | None,
    BeforeValidator(_split),
    Query(description="Only these minutes ahead, separated by commas or repeated."),
]
HorizonQuery = Annotated[list[int] | None, Query(description="As `horizons`, repeatable.", deprecated=True)]
QuantilesQuery = Annotated[
    list[float] | None,
    BeforeValidator(_split),
    Query(description=f"Only these of {', '.join(map(str, QUANTILES))}, separated by commas or repeated."),
]
FormatQuery = Annotated[Literal["json", "csv"], Query(description="The form of the answer; CSV has rows only.")]
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

IfNoneMatch = Annotated[str | None, Header()]

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


@dataclass(frozen=True)
class Chosen:
    """The part of a nowcast that a request asks for."""

    series: SeriesQuery = None
    horizons: HorizonsQuery = None
    horizon: HorizonQuery = None

    @property
    def steps(self) -> list[int] | None:
        """The chosen minutes ahead under either name, None for all."""
        return self.horizon if self.horizons is None else self.horizons


@dataclass(frozen=True)
class Sample:
    """The sample paths that a request asks for."""

    issue_time: IssueQuery = None
    count: CountQuery = 100
    seed: SeedQuery = 0


def tagged(body: bytes, media_type: str, known: str | None, headers: Mapping[str, str] | None = None) -> Response:
    """Bytes with their entity tag; 304 for a reader that has them."""
    told = {"etag": etag_of(body), "cache-control": "no-cache", **(headers or {})}
    if known == told["etag"]:
        return Response(status_code=304, headers=told)
    return Response(body, media_type=media_type, headers=told)


def add(app: FastAPI, service: Service) -> None:
    """Add the routes."""

    @app.get(
        "/v1/nowcast/{region}",
        tags=["nowcast"],
        responses=problems_of(404, 422, 503) | tables_of("text/csv"),
        response_model=NowcastAnswer,
    )
    def nowcast(
        region: str,
        chosen: Annotated[Chosen, Depends()],
        quantiles: QuantilesQuery = None,
        issue_time: IssueQuery = None,
        min_quality: QualityQuery = None,
        min_rung: RungQuery = None,
        format: FormatQuery = "json",  # noqa: A002 - the name that callers know
    ) -> NowcastAnswer | Response:
        """The nowcast from the observations in the store; of a region that this process follows, the published one."""
        names = _names(quantiles)
        answer = service.from_store(region, chosen.series, chosen.steps, issue_time)
        check_quality(answer, min_quality, min_rung)
        if format == "csv":
            return Response(csv_of(answer, names), media_type="text/csv")
        return answer if names is None else with_quantiles(answer, names)

    @app.get(
        "/v1/nowcast/{region}/paths",
        tags=["nowcast"],
        responses=problems_of(404, 422, 503),
        response_model=PathsAnswer,
    )
    def paths(
        region: str,
        chosen: Annotated[Chosen, Depends()],
        asked: Annotated[Sample, Depends()],
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """The peak and the trough of the coming hour, and sample paths through it."""
        part = Part(region, chosen.series, chosen.steps, asked.issue_time)
        return tagged(sample_paths(service, part, asked.count, asked.seed), "application/json", if_none_match)

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
        return chances(service, Part(region, series, None, issue_time), happening, within)

    _add_posts(app, service)


def _names(quantiles: list[float] | None) -> list[str] | None:
    """The names of quantiles in answers, None for all.

    Raises:
        RequestValidationError: one of them is none of the levels.
    """
    for level in quantiles or ():
        if level not in QUANTILES:
            what = f"{level:g} is none of {', '.join(map(str, QUANTILES))}"
            raise RequestValidationError([{"type": "level", "loc": ("query", "quantiles"), "msg": what}])
    return None if quantiles is None else [f"q{label(level)}" for level in quantiles]


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
