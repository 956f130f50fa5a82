"""Pure ASGI middleware: a limit on bodies, and a request id with one structured log line a request."""

import json
import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from power_nowcast.serve import problems

logger = logging.getLogger("power_nowcast.access")
_PLAIN_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


class BodyLimit:
    """Refuses bodies of more than `limit` bytes with 413, whether announced or streamed."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self.limit:
            await self._refuse(scope, send)
            return
        # Read before the application runs: once it has begun to answer, a refusal comes too late.
        parts: list[Message] = []
        size = 0
        while True:
            message = await receive()
            parts.append(message)
            size += len(message.get("body", b""))
            if size > self.limit:
                await self._refuse(scope, send)
                return
            if message["type"] != "http.request" or not message.get("more_body", False):
                break

        async def replay() -> Message:
            return parts.pop(0) if parts else await receive()

        await self.app(scope, replay, send)

    async def _refuse(self, scope: Scope, send: Send) -> None:
        detail = f"The body is larger than {self.limit:,} bytes."
        remedy = "Send only the history that /v1/models asks for."
        await _send_problem(scope, send, 413, "Request too large", detail, remedy)


class AccessLog:
    """Gives every answer an `x-request-id` (the caller's own, if it brings a plain one) and logs one JSON line.

    A defect of the application is logged with its trace and answered as a problem that reveals nothing of it.
    """

    def __init__(self, app: ASGIApp, clock: Callable[[], float] = time.perf_counter) -> None:
        self.app, self.clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        brought = Headers(scope=scope).get("x-request-id", "")
        request_id = brought if _PLAIN_ID.fullmatch(brought) else uuid.uuid4().hex
        begin, status = self.clock(), 0

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                headers["x-content-type-options"] = "nosniff"
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            await self.app(scope, receive, tagged)
        except Exception:
            logger.exception("request %s failed", request_id)
            if status:
                raise
            remedy = f"Report it with the request id {request_id}."
            await _send_problem(scope, tagged, 500, "Internal error", "The service failed on this request.", remedy)
        finally:
            line = {
                "request_id": request_id,
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "milliseconds": round(1000 * (self.clock() - begin), 2),
            }
            logger.info(json.dumps(line))


async def _send_problem(scope: Scope, send: Send, status: int, title: str, detail: str, remedy: str) -> None:
    body = problems.body(scope["path"], status, title, detail, remedy)
    headers = [(b"content-type", problems.MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
