"""Routes of followed regions: the stream of publications, and the events."""

import io
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Literal

import polars as pl
import polars.selectors as cs
from fastapi import FastAPI, Header, Query, Response
from fastapi.exceptions import RequestValidationError
from fastapi.sse import EventSourceResponse, ServerSentEvent

from power_nowcast.serve.answers import SIGNIFICANT
from power_nowcast.serve.openapi import problems_of
from power_nowcast.serve.routes.nowcasts import SeriesQuery
from power_nowcast.serve.schemas import EventCard, HistoryRow, Time
from power_nowcast.serve.service import Service

BEAT_SECONDS = 15.0
"""A stream is silent for at most this time."""

MAX_HISTORY = timedelta(days=7)
"""The longest span of one answer of the history."""

StartQuery = Annotated[Time | None, Query(description="First issue time; a day before `end` if absent.")]
EndQuery = Annotated[Time | None, Query(description="Last issue time; now if absent.")]
FormatQuery = Annotated[Literal["json", "csv", "parquet"], Query(description="The form of the table.")]
LastEventId = Annotated[str | None, Header(description="The id of the newest event that the reader has.")]
SinceQuery = Annotated[Time | None, Query(description="The events since then; of the last day if absent.")]


def add(app: FastAPI, service: Service) -> None:
    """Add the routes."""

    @app.get("/v1/stream/{region}", tags=["live"], responses=problems_of(404, 422), response_class=EventSourceResponse)
    async def stream(region: str, last_event_id: LastEventId = None) -> AsyncIterator[ServerSentEvent]:
        """Every publication as an event `nowcast`; after a silence, an event `heartbeat` with the server's time.

        A reader that comes back names the newest event that it has (`Last-Event-ID`) and gets what is newer. A reader
        that is slow gets the newest publication only.
        """
        service.of(region)
        async for edition in service.present.follow(region, seen=last_event_id or "", beat_seconds=BEAT_SECONDS):
            if edition is None:
                yield ServerSentEvent(event="heartbeat", data=service.told_time().model_dump())
            else:
                yield ServerSentEvent(event="nowcast", id=edition.id, raw_data=edition.body.decode())

    @app.get(
        "/v1/history/{region}", tags=["live"], responses=problems_of(404, 422, 503), response_model=list[HistoryRow]
    )
    def history(
        region: str,
        series: SeriesQuery = None,
        start: StartQuery = None,
        end: EndQuery = None,
        format: FormatQuery = "json",  # noqa: A002 - the name that callers know
    ) -> Response:
        """What was published, with the value that came first, the newest one, and the error; at most seven days."""
        last = end or service.clock()
        first = start or last - timedelta(days=1)
        if not timedelta(0) <= last - first <= MAX_HISTORY:
            what = f"the span from start to end must be 0 to {MAX_HISTORY.days} days"
            raise RequestValidationError([{"type": "span", "loc": ("query", "start"), "msg": what}])
        rows = service.history(region, series, first, last)
        headers = {"content-disposition": f'attachment; filename="{region}_history.{format}"'}
        if format == "parquet":
            buffer = io.BytesIO()
            rows.write_parquet(buffer)
            return Response(buffer.getvalue(), media_type="application/vnd.apache.parquet", headers=headers)
        rows = rows.with_columns(
            pl.col(pl.Datetime).dt.strftime("%Y-%m-%dT%H:%M:%SZ"), cs.float().round_sig_figs(SIGNIFICANT)
        )
        if format == "csv":
            return Response(rows.write_csv(), media_type="text/csv", headers=headers)
        return Response(rows.write_json(), media_type="application/json")

    @app.get("/v1/events/{region}", tags=["live"], responses=problems_of(404, 422, 503))
    def events(region: str, since: SinceQuery = None) -> list[EventCard]:
        """What happened while the region was followed, oldest first."""
        return service.events(region, since)
