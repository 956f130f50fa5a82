"""A publisher's server that misbehaves on demand, and a clock that passes when told to."""

import hashlib
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Clock:
    """A time that stands still; `sleep` moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Reply:
    """One answer. `cut`: the connection breaks off after half of the body; `hang`: it never comes."""

    body: bytes = b""
    status: int = 200
    content_type: str = "text/csv"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    hang: bool = False


class Server:
    """Serves replies by path on a free port; a context manager.

    Each path has a list of replies: every one is given once, the last one for ever. Answers have an ETag and are not
    sent again to who has them.
    """

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[tuple[str, dict[str, str], int]] = []
        self._over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def statuses(self) -> list[int]:
        """Status of every answer so far; 0 of those that broke off."""
        return [status for _, _, status in self.asked]

    def serve(self, path: str, *replies: Reply) -> None:
        self.replies[path] = list(replies)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        queue = self.replies.get(urlsplit(request.path).path, [Reply(b"no such file", 404)])
        reply = queue.pop(0) if len(queue) > 1 else queue[0]
        etag = f'"{hashlib.sha256(reply.body).hexdigest()[:12]}"'
        known = reply.status == 200 and request.headers.get("If-None-Match") == etag
        whole = not (reply.cut or reply.hang)
        status = 304 if known and whole else reply.status
        self.asked.append((request.path, dict(request.headers.items()), status if whole else 0))
        if reply.hang:
            self._over.wait(5)
            request.close_connection = True
            return
        request.send_response(status)
        for name, value in {"Content-Type": reply.content_type, "ETag": etag, **reply.headers}.items():
            request.send_header(name, value)
        body = b"" if status == 304 else reply.body
        if status != 304:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2] if reply.cut else body)
        request.close_connection = reply.cut


class Dripping:
    """A server that sends `head` at once and then `drop` after `drop`, without an end; a context manager."""

    def __init__(self, head: bytes, drop: bytes = b"a", pause: float = 0.02) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(0.05)
        self._over = threading.Event()
        self._head, self._drop, self._pause = head, drop, pause
        self._thread = threading.Thread(target=self._serve)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._listening.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listening.accept()
            except TimeoutError:
                continue
            with connection, suppress(OSError):
                connection.sendall(self._head)
                while not self._over.wait(self._pause):
                    connection.sendall(self._drop)
