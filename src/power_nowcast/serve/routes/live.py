"""Routes of followed regions: the stream of publications, and the events."""

import io
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

import polars as pl
import polars.selectors as cs
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.responses import StreamingResponse

from power_nowcast.live.present import event
from power_nowcast.serve.answers import SIGNIFICANT, iso_exact
from power_nowcast.serve.history import By, Span
from power_nowcast.serve.openapi import problems_of, tables_of
from power_nowcast.serve.routes.nowcasts import SeriesQuery
from power_nowcast.serve.schemas import EventCard, HistoryRow, Time
from power_nowcast.serve.service import Service
from power_nowcast.store.events import Kind

BEAT_SECONDS = 15.0
"""A stream is silent for at most this time."""

CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"
MAX_ROWS = 100_000
"""The most rows of a page of the history."""

ByQuery = Annotated[By, Query(description="What `start` and `end` are, and the order of the rows.")]
StartQuery = Annotated[Time | None, Query(description="First time; a day before `end` if absent.")]
EndQuery = Annotated[Time | None, Query(description="Last time; now if absent.")]
LimitQuery = Annotated[
    int, Query(description="The most rows of a page; a page has all rows of at least one time.", ge=1, le=MAX_ROWS)
]
TableQuery = Annotated[Literal["json", "csv", "parquet"], Query(description="The form of the table.")]
RegionsQuery = Annotated[list[str] | None, Query(description="Only these regions; repeatable.")]
LastEventId = Annotated[str | None, Header(description="The id of the newest event that the reader has.")]
KindsQuery = Annotated[list[Kind] | None, Query(description="Only these kinds; repeatable.")]
SinceQuery = Annotated[Time | None, Query(description="The events since then; of the last day if absent.")]


class EventStream(StreamingResponse):
    """Server-Sent Events. FastAPI's own have two more tasks and several copies of an event for each reader."""

    media_type = "text/event-stream"


def add(app: FastAPI, service: Service) -> None:
    """Add the routes."""

    @app.get("/v1/stream/{region}", tags=["live"], responses=problems_of(404, 422), response_class=EventStream)
    async def stream(region: str, last_event_id: LastEventId = None) -> EventStream:
        """Every publication as an event `nowcast`; after a silence, an event `heartbeat` with the server's time.

        A reader that comes back names the newest event that it has (`Last-Event-ID`) and gets what is newer. A reader
        that is slow gets the newest publication only.
        """
        service.of(region)
        editions = service.present.follow(region, seen=last_event_id or "", beat_seconds=BEAT_SECONDS)

        async def told() -> AsyncIterator[bytes]:
            async for edition in editions:
                yield edition.event if edition else event("heartbeat", service.told_time().model_dump_json().encode())

        return EventStream(told(), headers={"cache-control": "no-cache", "x-accel-buffering": "no"})

    def span_of(
        by: ByQuery = "issue_time", start: StartQuery = None, end: EndQuery = None, limit: LimitQuery = 20_000
    ) -> Span:
        last = end or service.clock()
        first = start or last - timedelta(days=1)
        if first > last:
            raise RequestValidationError([{"type": "span", "loc": ("query", "start"), "msg": "lies after end"}])
        return Span(first, last, by, limit)

    @app.get("/v1/history/{region}", include_in_schema=False)  # the address before it became one of the nowcasts
    @app.get(
        "/v1/nowcast/{region}/history",
        tags=["live"],
        responses=problems_of(404, 422, 503) | tables_of(CSV, PARQUET),
        response_model=list[HistoryRow],
    )
    def history(
        request: Request,
        region: str,
        span: Annotated[Span, Depends(span_of)],
        series: SeriesQuery = None,
        format: TableQuery = "json",  # noqa: A002 - the name that callers know
    ) -> Response:
        """What was said, the value that came first, the newest one after corrections, and the error.

        If there is more than one page, the header `Link` has the address of the next (`rel="next"`).
        """
        rows, following = service.history(region, series, span)
        headers = {} if following is None else {"link": _next(request, start=following, end=span.last)}
        return _table(rows, f"{region}_history", format, headers)

    _add_events(app, service)


def _add_events(app: FastAPI, service: Service) -> None:
    @app.get("/v1/events", tags=["live"], responses=problems_of(404, 422, 503))
    def all_events(region: RegionsQuery = None, since: SinceQuery = None, kind: KindsQuery = None) -> list[EventCard]:
        """What happened in all regions, or in some, oldest first."""
        return service.events(list(service.served) if region is None else list(dict.fromkeys(region)), since, kind)

    @app.get("/v1/events/{region}", tags=["live"], responses=problems_of(404, 422, 503))
    def events(region: str, since: SinceQuery = None, kind: KindsQuery = None) -> list[EventCard]:
        """What happened while the region was followed, oldest first."""
        return service.events([region], since, kind)


def _next(request: Request, **times: datetime) -> str:
    """The header that names the next page: the same query with other times. Its address works behind a proxy, too."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name not in times]
    query += [(name, iso_exact(time)) for name, time in times.items()]
    return f'<{quote(request.url.path)}?{urlencode(query)}>; rel="next"'


def _table(rows: pl.DataFrame, name: str, form: str, headers: dict[str, str]) -> Response:
    """A table in one of the forms, with a name for a file."""
    if form == "json":
        return Response(_shown(rows).write_json(), media_type="application/json", headers=headers)
    headers |= {"content-disposition": f'attachment; filename="{name}.{form}"'}
    if form == "csv":
        return Response(_shown(rows).write_csv(), media_type=CSV, headers=headers)
    buffer = io.BytesIO()
    rows.write_parquet(buffer)
    return Response(buffer.getvalue(), media_type=PARQUET, headers=headers)


def _shown(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows as text shows them."""
    return rows.with_columns(
        pl.col(pl.Datetime).dt.strftime("%Y-%m-%dT%H:%M:%SZ"), cs.float().round_sig_figs(SIGNIFICANT)
    )
