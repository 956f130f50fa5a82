"""HTTP connections with limits: on the time of a request to arrive, on the size of its head, on readers that stall."""

import asyncio
import logging
import socket
import sys
from contextlib import suppress
from functools import lru_cache
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from power_nowcast.serve import problems

logger = logging.getLogger("power_nowcast.access")

REQUEST_SECONDS = 30.0
"""A request that has not arrived as a whole after this time is dropped."""
STALL_SECONDS = 30.0
"""A connection whose other side takes none of what waits for it is dropped after this time."""
KERNEL_SHARE = 0.95
"""Share of that time which the system gets: it looks at its own rhythm, and is late by some tenths of a second."""
SHARED_BYTES = 4096
"""From this size on a part of an answer is encoded once for all connections that send the same bytes object."""
HEAD_BYTES = 16 * 1024
"""The most bytes of a request's first line and headers; twice as many may pass where they come in pieces."""


class _Sharing(h11.Connection):
    """A connection that encodes an event of a stream once for all readers.

    What the system does not take at once waits in memory. A thousand readers then hold one copy of an event, not each
    its own.
    """

    def send(self, event: Any) -> Any:
        parts = self.send_with_data_passthrough(event)
        if parts is None:
            return None
        # A chunk is its size, the data, and the end of the line; a part of a body of a known length is the data alone.
        if type(event) is h11.Data and len(parts) == 3 and len(parts[1]) >= SHARED_BYTES:
            return _chunk(bytes(parts[1]))
        return b"".join(parts)


@lru_cache(maxsize=4)
def _chunk(data: bytes) -> bytes:
    """A chunk of HTTP/1.1; a bytes object keeps its own hash, so that a look-up reads nothing."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Connection(H11Protocol):
    """A connection on which no request takes longer than `seconds` to arrive; so long may it also be silent at first.

    Between requests uvicorn's own, shorter limit for silent connections holds. A reader that takes nothing of an answer
    for `stall_seconds` loses its connection, for instance one of a stream whose machine sleeps.
    """

    seconds = REQUEST_SECONDS
    stall_seconds = STALL_SECONDS
    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.conn = _Sharing(h11.SERVER, HEAD_BYTES)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if sys.platform == "linux":
            # The system's own buffer takes what a stalled reader does not: only the system sees that nothing leaves it.
            milliseconds = round(1000 * KERNEL_SHARE * self.stall_seconds)
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        self._await_request()

    def data_received(self, data: bytes) -> None:
        # h11 sees the size of a head only as long as it is not complete.
        if len(data) > HEAD_BYTES and self.conn.their_state is h11.IDLE and b"\r\n\r\n" not in data[:HEAD_BYTES]:
            self.send_400_response("The request is too large.")
            return
        super().data_received(data)
        # IDLE: the head is not complete; SEND_BODY: the body is not.
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._await_request()
        else:
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has too large a head."""
        detail = f"{msg.rstrip('.')}, or its first line and headers are larger than {HEAD_BYTES:,} bytes."
        self._refuse(400, "Invalid HTTP", detail, "Send a well-formed request with fewer headers and a shorter query.")

    def _await_request(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.seconds, self._drop)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _drop(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        logger.info("a request of %s did not arrive within %g s", self.client[0] if self.client else "?", self.seconds)
        detail = f"The request did not arrive as a whole within {self.seconds:g} seconds."
        self._refuse(408, "Request too slow", detail, "Send it again, with a smaller body or over a faster line.")

    def _refuse(self, status: int, title: str, detail: str, remedy: str) -> None:
        """Answer with a problem, unless an answer has begun, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = problems.body(self.scope["path"] if self.scope else "/", status, title, detail, remedy)
            headers = [
                (b"content-type", problems.MEDIA_TYPE.encode()),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            events = h11.Response(status_code=status, headers=headers), h11.Data(data=body), h11.EndOfMessage()
            with suppress(h11.LocalProtocolError):  # an answer to HEAD has no body
                for event in events:
                    self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def connection(seconds: float, stall_seconds: float) -> type[Connection]:
    """The connections of a server, with its own limits in place of `REQUEST_SECONDS` and `STALL_SECONDS`."""
    return type("Connection", (Connection,), {"seconds": seconds, "stall_seconds": stall_seconds})
