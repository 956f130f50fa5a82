"""Errors as RFC 9457 problems: `application/problem+json` with title, detail, remedy and the error's fields."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope, Send

from power_nowcast import errors

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 30
STATUS: Mapping[type[errors.NowcastError], int] = {
    errors.UnknownRegionError: 404,
    errors.UnknownSeriesError: 404,
    errors.UnknownHorizonError: 404,
    errors.UnknownCalibrationError: 404,
    errors.SourceFormatError: 422,
    errors.HistoryError: 422,
    errors.NowcastError: 503,
}
"""The nearest ancestor class of an error decides; an error that is not the caller's fault is 503."""


def status_of(error: errors.NowcastError, method: str = "GET") -> int:
    """The HTTP status of an error. A fault in data that a caller posts is the caller's: a retry does not mend it."""
    if method == "POST" and isinstance(error, errors.DataError):
        return 422
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def body(
    path: str, status: int, title: str, detail: str, remedy: str = "", fields: Mapping[str, Any] | None = None
) -> bytes:
    """One problem as JSON."""
    told = {
        **{name: _plain(value) for name, value in (fields or {}).items()},
        "type": f"urn:power-nowcast:problem:{title.lower().replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": path,
    }
    if remedy:
        told["remedy"] = remedy
    # Escaped to ASCII: a lone surrogate that a caller sent has no UTF-8.
    return json.dumps(told, allow_nan=False).encode()


def problem(request: Request, status: int, *args: Any, headers: Mapping[str, str] | None = None) -> Response:
    """One problem as a response; arguments as those of `body` after `status`."""
    told = dict(headers or {})
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        told.setdefault("retry-after", str(RETRY_SECONDS))
    return Response(body(request.url.path, status, *args), status, told, MEDIA_TYPE)


async def send(
    scope: Scope,
    sender: Send,
    status: int,
    title: str,
    detail: str,
    remedy: str,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> None:
    """Answer a request with one problem, from a middleware."""
    told = body(scope["path"], status, title, detail, remedy)
    kind = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(told)).encode())]
    await sender({"type": "http.response.start", "status": status, "headers": [*kind, *headers]})
    await sender({"type": "http.response.body", "body": told})


def install(app: FastAPI) -> None:
    """Let the app answer every known error as a problem; `middleware.AccessLog` answers defects."""

    @app.exception_handler(errors.NowcastError)
    async def own(request: Request, error: errors.NowcastError) -> Response:
        status = status_of(error, request.method)
        return problem(request, status, error.title, error.message, error.remedy, error.fields)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        found = [{"where": _where(one["loc"]), "what": one["msg"]} for one in error.errors()[:20]]
        unreadable = any(one["type"] == "json_invalid" for one in error.errors())
        detail = f"{found[0]['where']}: {found[0]['what']}." if found else "It is not valid."
        title, status = ("Unreadable JSON", 400) if unreadable else ("Invalid request", 422)
        remedy = "Correct what is named and send again; unknown values are null, times end with Z or an offset."
        return problem(request, status, title, detail, remedy, {"errors": found})

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        title, detail = HTTPStatus(error.status_code).phrase.capitalize(), str(error.detail)
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.NOT_FOUND:
            detail = f"There is nothing at {request.url.path}."
        elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            detail = f"{request.url.path} does not take {request.method}."
            headers = {"allow": ", ".join(_methods(app, request))}
        return problem(request, error.status_code, title, detail, "See /docs for what there is.", headers=headers)


def _methods(app: FastAPI, request: Request) -> list[str]:
    """The methods of all routes of the first path that fits a request's; the error names those of the first one only.

    A later path may fit as well: that of a region's nowcast fits that of its picture.
    """
    fitting = [route for route in app.routes if route.matches(request.scope)[0] is not Match.NONE]
    paths = [getattr(route, "path", None) for route in fitting]
    found = [
        getattr(route, "methods", None) or () for route, path in zip(fitting, paths, strict=True) if path == paths[0]
    ]
    return sorted(set().union(*found))


def _where(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in place) or "the request"


def _plain(value: Any) -> Any:
    """The value of a field as JSON can hold it."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return str(value)
    return value
