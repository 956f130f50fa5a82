"""Routes of followed regions: the stream of publications, and the events."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from power_nowcast.serve.answers import iso
from power_nowcast.serve.openapi import problems_of
from power_nowcast.serve.schemas import EventCard, Time
from power_nowcast.serve.service import Service

BEAT_SECONDS = 15.0
"""A stream is silent for at most this time."""

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
                yield ServerSentEvent(event="heartbeat", data={"time": iso(service.clock())})
            else:
                yield ServerSentEvent(event="nowcast", id=edition.id, raw_data=edition.body.decode())

    @app.get("/v1/events/{region}", tags=["live"], responses=problems_of(404, 422, 503))
    def events(region: str, since: SinceQuery = None) -> list[EventCard]:
        """What happened while the region was followed, oldest first."""
        return [
            EventCard(at=iso(one.at), kind=one.kind, about=one.about, what=one.what)
            for one in service.events(region, since)
        ]
