"""The service as a command starts it: the region that is named first is the one of the short form."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI

from power_nowcast.serve import start
from tests.serve.conftest import Client


def test_the_first_region_is_that_of_the_short_form(
    tmp_path: Path, work_in: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    work_in(tmp_path)
    started: list[FastAPI] = []

    def run(app: FastAPI, host: str, port: int) -> None:
        assert (host, port) == ("127.0.0.1", 0)
        started.append(app)

    monkeypatch.setattr(start, "run_server", run)
    start.serve_api("127.0.0.1", 0, ["victoria", "nyiso"])
    client = Client(started[0])
    assert set(client.get("/readyz").json()["regions"]) == {"victoria", "nyiso"}
    (example,) = client.get("/openapi.json").json()["components"]["schemas"]["ShortAnswer"]["examples"]
    assert example["region"] == "victoria"
    unnamed = client.post("/nowcast", json={"rows": [{"valid_at": "2019-06-30T23:55:00Z", "Q": 1.0}]})
    assert unnamed.json()["region"] == "victoria", unnamed.text
