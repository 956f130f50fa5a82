"""A model in a folder behind `/ping` and `/invocations`, as SageMaker asks: MLflow's answers, this service's limits."""

import io
import json
from pathlib import Path

import polars as pl
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from polars.selectors import float as floats
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from power_nowcast import mlflow_client
from power_nowcast.serve import problems
from power_nowcast.serve.guard import NO_KEYS, Limits
from power_nowcast.serve.middleware import AccessLog, BodyLimit
from power_nowcast.serve.start import run_server


def serve_folder(host: str, port: int, folder: Path) -> None:
    """Load the model and answer with it until interrupted; requests in work are finished first.

    Nobody needs a key: whoever reaches the port may ask.

    Raises:
        ModelError: the folder holds no model of MLflow.
        ArtifactDigestError: the model is another one than was registered.
    """
    run_server(invocations_app(folder), host, port)


def invocations_app(folder: Path, limits: Limits = NO_KEYS) -> FastAPI:
    """The application that answers with the model in a folder."""
    app = mlflow_client.scoring_app(folder)
    app.add_middleware(CsvAsJson)
    app.add_middleware(BodyLimit, limit=limits.max_body, posts=limits.posts, waiting=limits.waiting)
    app.add_middleware(AccessLog)
    return app


class CsvAsJson:
    """Hands a table in CSV on as JSON: MLflow would read its numbers as text, which the model refuses."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not Headers(scope=scope).get("content-type", "").startswith("text/csv"):
            await self.app(scope, receive, send)
            return
        body, has_more = b"", True
        while has_more:
            message = await receive()
            body, has_more = body + message.get("body", b""), message.get("more_body", False)
        try:
            rows = await run_in_threadpool(_as_json, body)
        except pl.exceptions.PolarsError as error:
            detail, remedy = (
                f"The body is no CSV: {str(error).splitlines()[0]}",
                "Send a header and a row for each time.",
            )
            await problems.send(scope, send, 400, "Unreadable CSV", detail, remedy)
            return
        told = dict(scope, headers=list(scope["headers"]))
        MutableHeaders(scope=told).update({"content-type": "application/json", "content-length": str(len(rows))})
        whole: list[Message] = [{"type": "http.request", "body": rows, "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self.app(told, replay, send)


def _as_json(table: bytes) -> bytes:
    """A table in CSV as MLflow's `dataframe_split`; an empty field and NaN are null.

    Raises:
        polars.exceptions.PolarsError: it is no table.
    """
    rows = pl.read_csv(io.BytesIO(table), infer_schema_length=None).with_columns(floats().fill_nan(None))
    return json.dumps({"dataframe_split": {"columns": rows.columns, "data": rows.rows()}}).encode()
