"""Errors as RFC 9457 problems: `application/problem+json` with title, detail, remedy and the error's fields."""

import json
import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from power_nowcast import errors

MEDIA_TYPE = "application/problem+json"
STATUS: Mapping[type[errors.NowcastError], int] = {
    errors.UnknownRegionError: 404,
    errors.UnknownSeriesError: 404,
    errors.UnknownHorizonError: 404,
    errors.ConfigurationError: 400,
    errors.SourceFormatError: 422,
    errors.HistoryError: 422,
    errors.NowcastError: 503,
}
"""The nearest class in an error's line of ancestors decides; what is not the caller's fault is 503."""


def status_of(error: errors.NowcastError) -> int:
    """The HTTP status of an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def problem(
    request: Request, status: int, title: str, detail: str, remedy: str = "", fields: Mapping[str, Any] | None = None
) -> JSONResponse:
    """One problem as a response."""
    own = {name: _plain(value) for name, value in (fields or {}).items()}
    slug = title.lower().replace(" ", "-")
    body = {
        **own,
        "type": f"urn:power-nowcast:problem:{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
    }
    if remedy:
        body["remedy"] = remedy
    return JSONResponse(body, status, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let the app answer every error as a problem."""

    @app.exception_handler(errors.NowcastError)
    async def own(request: Request, error: errors.NowcastError) -> JSONResponse:
        return problem(request, status_of(error), error.title, error.message, error.remedy, error.fields)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = [
            {"where": ".".join(str(part) for part in one["loc"]), "what": one["msg"]} for one in error.errors()[:20]
        ]
        first = found[0] if found else {"where": "the request", "what": "is not valid"}
        detail = f"{first['where']}: {first['what']}."
        return problem(
            request, 422, "Invalid request", detail, "Correct what is named and send again.", {"errors": found}
        )

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        answer = problem(
            request, error.status_code, "Request refused", str(error.detail), "See /docs for what there is."
        )
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(Exception)
    async def defect(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - not for strangers' eyes
        remedy = "Report it with the request id."
        return problem(request, 500, "Internal error", "The service failed on this request.", remedy)


def _plain(value: Any) -> Any:
    """What JSON can carry of a field."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return str(value)
    return value
