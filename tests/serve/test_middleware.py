import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from power_nowcast.serve.guard import Limits
from power_nowcast.serve.middleware import AccessLog, BodyLimit
from tests.serve.conftest import Client, Serve


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
