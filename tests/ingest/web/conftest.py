from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from power_nowcast.ingest.web import Body, Http
from tests.faults import Clock

START = datetime(2025, 2, 19, 12, tzinfo=UTC)
URL = "https://example.org/day.csv"
CSV = b"a,b\n1,2\n"

type Respond = Callable[[httpx.Request], httpx.Response]
type MakeHttp = Callable[..., Http]


def reply(status: int = 200, content: bytes = CSV, content_type: str = "text/csv", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, content=content, headers={"Content-Type": content_type, **named})


def as_sent(told: httpx.Response) -> httpx.Response:
    """The response as a connection gives it, still to be read."""
    stream = httpx.ByteStream(told.content) if told.is_closed else told.stream
    return httpx.Response(told.status_code, headers=told.headers, stream=stream)


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def make_http(clock: Clock) -> Iterator[MakeHttp]:
    """Makes a client whose server gives these responses in turn, the last one for ever."""
    made: list[Http] = []

    def make(*responses: httpx.Response | Respond | Exception, folder: Path | None = None, **options: object) -> Http:
        queue = list(responses)

        def answer(request: httpx.Request) -> httpx.Response:
            given = queue.pop(0) if len(queue) > 1 else queue[0]
            if isinstance(given, Exception):
                raise given
            return as_sent(given if isinstance(given, httpx.Response) else given(request))

        http = Http(
            folder,
            clock=clock,
            sleep=clock.sleep,
            chance=lambda: 1.0,
            transport=httpx.MockTransport(answer),
            **options,  # type: ignore[arg-type]
        )
        made.append(http)
        return http

    yield make
    for http in made:
        http.close()


def get(http: Http, url: str = URL, body: Body = Body.CSV, **options: object) -> bytes:
    return http.get(url, source="test", body=body, **options).data  # type: ignore[arg-type]
