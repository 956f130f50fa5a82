"""Pure ASGI middleware: the present from its bytes, a limit on bodies, a request id with one structured log line."""

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from power_nowcast.errors import NowcastError
from power_nowcast.live.present import Edition
from power_nowcast.serve import problems
from power_nowcast.serve.logs import FIELDS
from power_nowcast.serve.metrics import UNKNOWN_ROUTE
from power_nowcast.store.keys import PREFIX, SECRET

logger = logging.getLogger("power_nowcast.access")
type Count = Callable[[str, str, int, float], None]
"""Counts an answered request: method, route, status, seconds."""

PRESENT_ROUTE = "/v1/nowcast/{region}"
HELD_BODIES = 4
"""So many whole bodies may be in memory at a time, or more that are smaller."""
SECURITY_TEXT = (
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
)
"""Headers of every answer that has none of its own: an answer is data, and no other site shows or embeds it."""
SECURITY = tuple((name.encode(), value.encode()) for name, value in SECURITY_TEXT)
_PLAIN_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


class FromPresent:
    """Answers `GET /v1/nowcast/REGION` without a query from the bytes of the present, before anything else runs.

    Everything else, and every refusal, is for the application.
    """

    def __init__(self, app: ASGIApp, edition: Callable[[str], Edition | None], count: Count) -> None:
        self.app, self.edition, self.count = app, edition, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        edition = self._asked(scope)
        if edition is None:
            await self.app(scope, receive, send)
            return
        begin = time.perf_counter()
        brought = dict(scope["headers"])
        headers = [
            (b"etag", edition.etag.encode()),
            (b"cache-control", b"no-cache"),
            *SECURITY,
            (b"x-request-id", _request_id(brought.get(b"x-request-id", b"").decode("latin-1")).encode()),
        ]
        is_known = brought.get(b"if-none-match") == edition.etag.encode()
        if not is_known:
            headers += [(b"content-type", b"application/json"), (b"content-length", str(len(edition.body)).encode())]
        await send({"type": "http.response.start", "status": 304 if is_known else 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if is_known else edition.body})
        self.count("GET", PRESENT_ROUTE, 304 if is_known else 200, time.perf_counter() - begin)

    def _asked(self, scope: Scope) -> Edition | None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
            return None
        start, _, region = scope["path"].rpartition("/")
        if start != "/v1/nowcast":
            return None
        try:
            return self.edition(region)
        except NowcastError:
            return None  # the application says why


class BodyLimit:
    """Reads bodies before the application runs, and lets few of them be worked on at a time.

    It refuses a body of more than `limit` bytes with 413, whether announced or streamed, and with 503 what comes while
    `HELD_BODIES` whole bodies' bytes are in memory or `waiting` requests wait. The body is read first: once the
    application has begun to answer, a refusal comes too late, and a slow sender must not keep a place from others.

    Args:
        app: the application.
        limit: the most bytes of a body.
        posts: the most requests with a body that the application works on at a time.
        waiting: the most requests with a body that wait for that.
    """

    def __init__(self, app: ASGIApp, limit: int, posts: int = 4, waiting: int = 64) -> None:
        self.app, self.limit, self._waiting_at_most = app, limit, waiting
        self._places = asyncio.Semaphore(posts)
        self._held = self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self.limit:
            await self._refuse_large(scope, send)
            return
        parts: list[Message] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                parts.append(message)
                brought = len(message.get("body", b""))
                size, self._held = size + brought, self._held + brought
                if size > self.limit:
                    await self._refuse_large(scope, send)
                    return
                if self._held > HELD_BODIES * self.limit:
                    await self._refuse_busy(scope, send)
                    return
                if not message.get("more_body", False):
                    break

            async def replay() -> Message:
                return parts.pop(0) if parts else await receive()

            if size:
                await self._in_its_turn(scope, replay, send)
            else:
                await self.app(scope, replay, send)
        finally:
            self._held -= size

    async def _in_its_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._waiting >= self._waiting_at_most:
            await self._refuse_busy(scope, send)
            return
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._places.release()

    async def _refuse_large(self, scope: Scope, send: Send) -> None:
        detail = f"The body is larger than {self.limit:,} bytes."
        remedy = "Send only the history that /v1/models asks for."
        await problems.send(scope, send, 413, "Request too large", detail, remedy)

    async def _refuse_busy(self, scope: Scope, send: Send) -> None:
        detail, remedy = "Too many requests with a body are in work.", "Send it again in a second."
        await problems.send(scope, send, 503, "Too busy", detail, remedy, [(b"retry-after", b"1")])


class AccessLog:
    """Gives every answer an `x-request-id` (the caller's own, if it brings a plain one) and logs one JSON line.

    A defect of the application is logged with its trace and answered as a problem that reveals nothing of it.
    """

    def __init__(
        self, app: ASGIApp, count: Count = lambda *_: None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.app, self.count, self.clock = app, count, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        brought = Headers(scope=scope).get("x-request-id", "")
        request_id = _request_id(brought)
        begin, status = self.clock(), 0

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers.setdefault("cache-control", "no-store")
                for name, value in SECURITY_TEXT:
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, tagged)
        except Exception:
            logger.exception("request %s failed", request_id)
            if status:
                raise
            remedy = f"Report it with the request id {request_id}."
            await problems.send(scope, tagged, 500, "Internal error", "The service failed on this request.", remedy)
        finally:
            seconds = self.clock() - begin
            route = scope.get("route")
            self.count(scope["method"], getattr(route, "path", UNKNOWN_ROUTE), status, seconds)
            line: dict[str, object] = {
                "request_id": request_id,
                "method": scope["method"],
                "path": SECRET.sub("KEY", scope["path"]),
                "status": status,
                "milliseconds": round(1000 * seconds, 2),
            }
            if "key" in scope:
                line["key"] = scope["key"]  # its id
            logger.info(json.dumps(line), extra={FIELDS: line})


def _request_id(brought: str) -> str:
    """The caller's id if it is a plain one, else a new one."""
    is_plain = _PLAIN_ID.fullmatch(brought) and not brought.startswith(PREFIX)  # a key must not get into the log
    return brought if is_plain else uuid.uuid4().hex
