import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from power_nowcast.serve.guard import Limits
from power_nowcast.serve.middleware import HELD_BODIES, AccessLog, BodyLimit
from tests.serve.conftest import Client, Serve, problem_of


@pytest.mark.parametrize("streamed", [False, True])
def test_too_large_a_body_is_refused(serve: Serve, streamed: bool) -> None:
    client = serve(limits=Limits(max_body=1000))

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 100

    content: Any = chunks() if streamed else b" " * 1001
    response = client.post("/nowcast", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 413
    told = response.json()
    assert (told["title"], told["detail"]) == ("Request too large", "The body is larger than 1,000 bytes.")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_body_within_the_limit_arrives_whole(serve: Serve, streamed: bool) -> None:
    client = serve(limits=Limits(max_body=1000))
    body = b'{"rows": []' + b" " * 988 + b"}"
    assert len(body) == 1000

    async def chunks() -> AsyncIterator[bytes]:
        for i in range(0, len(body), 99):
            yield body[i : i + 99]

    content: Any = chunks() if streamed else body
    response = client.post("/nowcast", content=content, headers={"content-type": "application/json"})
    assert response.json()["title"] == "Unreadable source"  # it was read: there are no columns


class Slow:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.go, self.at_work, self.most = asyncio.Event(), 0, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        await self.go.wait()
        self.at_work -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def ask(app: ASGIApp, body: bytes, method: str = "POST") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
        return await client.request(method, "/nowcast", content=body)


def test_few_bodies_are_worked_on_at_a_time_some_wait_and_the_rest_is_told() -> None:
    async def run() -> None:
        slow = Slow()
        app = BodyLimit(slow, limit=100, posts=2, waiting=3)
        asked = [asyncio.create_task(ask(app, b"{}")) for _ in range(6)]
        refused = await next(asyncio.as_completed(asked))
        assert slow.most == 2
        problem = problem_of(refused, 503, "Too busy")
        assert problem["remedy"] == "Send it again in a second."
        assert refused.headers["retry-after"] == "1"
        reading = asyncio.create_task(ask(app, b"", "GET"))
        while slow.at_work < 3:
            await asyncio.sleep(0)
        slow.go.set()
        assert sorted([(await one).status_code for one in asked]) == [200] * 5 + [503]
        assert (await reading).status_code == 200, "a request without a body waits for no place"
        assert slow.most == 3
        assert (await ask(app, b"{}")).status_code == 200

    asyncio.run(run())


def test_the_memory_for_bodies_is_bounded_and_given_back() -> None:
    async def run() -> None:
        slow = Slow()
        app = BodyLimit(slow, limit=100, posts=1, waiting=100)
        asked = [asyncio.create_task(ask(app, b"x" * 100)) for _ in range(HELD_BODIES)]
        while not slow.at_work:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        problem_of(await ask(app, b"x"), 503, "Too busy")
        slow.go.set()
        assert [(await one).status_code for one in asked] == [200] * HELD_BODIES
        assert (await ask(app, b"x" * 100)).status_code == 200
        assert (await ask(app, b"x" * 101)).status_code == 413
        assert (await ask(app, b"x" * 100)).status_code == 200

    asyncio.run(run())


def test_a_caller_who_goes_away_while_sending_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    reached: list[Scope] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    async def run() -> None:
        messages = [
            {"type": "http.request", "body": b"{", "more_body": True},
            {"type": "http.disconnect"},
        ]

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            pytest.fail(str(message))

        scope = {"type": "http", "method": "POST", "path": "/nowcast", "headers": []}
        await AccessLog(BodyLimit(inner, limit=100))(scope, receive, send)

    with caplog.at_level(logging.INFO, "power_nowcast.access"):
        asyncio.run(run())
    assert reached == []
    assert [record.levelname for record in caplog.records if record.name == "power_nowcast.access"] == ["INFO"]


def test_answers_are_shown_and_embedded_by_no_other_site(client: Client) -> None:
    wanted = {
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
    }
    for path in ("/v1/nowcast/toy", "/nothing"):
        headers = client.get(path).headers
        assert {name: headers.get(name) for name in wanted} == wanted
    assert "style-src" in client.get("/docs").headers["content-security-policy"]


def test_one_line_is_logged_a_request(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "power_nowcast.access"):
        response = client.get("/v1/nowcast/atlantis%0Aforged", headers={"x-request-id": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"
    (line,) = [json.loads(record.message) for record in caplog.records if record.name == "power_nowcast.access"]
    assert line.pop("milliseconds") >= 0
    assert line == {
        "request_id": "mine-1",
        "method": "GET",
        "path": "/v1/nowcast/atlantis\nforged",
        "status": 404,
    }
    assert "\n" not in caplog.records[-1].message


@pytest.mark.parametrize("brought", ["", "a b", "x" * 65, "é".encode().decode("latin-1")])
def test_odd_request_ids_are_replaced(client: Client, brought: str) -> None:
    response = client.get("/healthz", headers={"x-request-id": brought.encode("latin-1")})
    assert len(response.headers["x-request-id"]) == 32


def test_answers_are_not_stored_by_proxies(client: Client) -> None:
    headers = client.get("/v1/regions").headers
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_a_defect_is_logged_and_told_without_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    app.add_middleware(AccessLog)

    @app.get("/broken")
    def broken() -> None:
        raise ZeroDivisionError("secret")

    response = Client(app).get("/broken", headers={"x-request-id": "r1"})
    assert response.status_code == 500
    assert response.headers["x-request-id"] == "r1"
    told = response.json()
    assert (told["title"], told["remedy"]) == ("Internal error", "Report it with the request id r1.")
    assert "secret" not in response.text
    assert "ZeroDivisionError: secret" in caplog.text


def test_a_defect_after_the_answer_began_is_not_covered_up() -> None:
    from starlette.responses import StreamingResponse

    app = FastAPI()
    app.add_middleware(BodyLimit, limit=10)
    app.add_middleware(AccessLog)

    @app.get("/broken")
    def broken() -> StreamingResponse:
        def parts() -> Iterator[bytes]:
            yield b"one"
            raise ZeroDivisionError

        return StreamingResponse(parts())

    with pytest.raises(ZeroDivisionError):
        Client(app).get("/broken")
