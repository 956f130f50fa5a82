"""The last nowcast while the service starts: its bytes come from a file, before anything heavy is imported.

The libraries of the service take seconds to import. So this module imports the standard library only; it listens first,
and hands the open sockets to the server once that can answer.
"""

import asyncio
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Self

logger = logging.getLogger("power_nowcast.live")

HEAD_BYTES, REQUEST_SECONDS = 16 * 1024, 5.0
LAST_SECONDS, TURN_SECONDS = 0.2, 0.01
"""So long it writes answers after it was stopped; so long it leaves the thread to them between two looks."""
BACKLOG = 2048
RETRY_SECONDS = 2
NAME = "last_nowcast"


def keep(folder: Path, body: bytes, etag: str, *, data: str, late_at: datetime) -> None:
    """Keep the bytes of an answer for the next start; a folder that cannot be written is told in the log.

    Args:
        folder: the region's folder of artifacts.
        body: the answer, as JSON.
        etag: its entity tag.
        data: address of the tables that it comes from; a service of other tables does not answer with it.
        late_at: from this time on it is only handed out as the last nowcast of a refusal.
    """
    place = folder / NAME
    beside = folder / f".download-{NAME}-{os.getpid()}"  # a backup leaves such files out
    try:
        folder.mkdir(parents=True, exist_ok=True)
        head = {"data": data, "etag": etag, "late_at": late_at.isoformat()}
        beside.write_bytes(json.dumps(head).encode() + b"\n" + body)
        beside.replace(place)
    except OSError as error:
        logger.warning("%s: the last nowcast is not kept for the next start: %s", place, error)


class Early:
    """Listens, and answers `GET /v1/nowcast/REGION` with the nowcast that was kept; everything else has to wait.

    Args:
        host: address or name to listen on.
        port: the port.
        folders: by region, the folder that `keep` was given.
        data: address of the tables.
        clock: now, aware.

    Raises:
        OSError: the address cannot be listened on.
    """

    def __init__(
        self, host: str, port: int, folders: dict[str, Path], data: str, clock: Callable[[], datetime]
    ) -> None:
        self.host, self.port, self.sockets = host, port, _listening(host, port)
        self._kept = {f"/v1/nowcast/{name}": folder / NAME for name, folder in folders.items()}
        self._data, self._clock = data, clock
        self._is_begun = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True, name="early answers")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.stop():
            one.close()

    def stop(self) -> list[socket.socket]:
        """Leave the sockets, still open, to another server; returns them."""
        self._is_begun.wait()
        with suppress(RuntimeError):  # it has ended before
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(REQUEST_SECONDS)
        return self.sockets

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._is_begun.set()
        # A server closes what it listens on, and another one goes on with the same sockets.
        own = [one.dup() for one in self.sockets]
        servers = [await asyncio.start_server(self._answer, sock=one, limit=HEAD_BYTES) for one in own]
        await self._ended.wait()
        for one in own:
            # A server that is closed would drop a connection which it has just accepted; so first it accepts no more.
            with suppress(NotImplementedError):  # Windows
                self._loop.remove_reader(one)
        until = self._loop.time() + LAST_SECONDS
        while (in_work := asyncio.all_tasks() - {asyncio.current_task()}) and self._loop.time() < until:
            await asyncio.sleep(TURN_SECONDS)  # answers are being written
        for server in servers:
            server.close()
        for task in in_work:
            task.cancel()  # its request has not arrived
        await asyncio.gather(*in_work, return_exceptions=True)
        await asyncio.sleep(TURN_SECONDS)  # transports close in a turn of their own

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), REQUEST_SECONDS)
            method, _, rest = head.partition(b" ")
            path = rest.partition(b" ")[0].decode("latin-1")
            status, headers, body = self._told(path if method == b"GET" else "")
            lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
            writer.write("\r\n".join([*lines, "\r\n"]).encode() + body)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass  # the other side has gone, or is too slow
        finally:
            writer.close()

    def _told(self, path: str) -> tuple[str, Iterable[str], bytes]:
        """Status, further headers and body of the answer to a `GET`."""
        fields = dict[str, object]()
        if path in self._kept:
            with suppress(OSError, ValueError, KeyError, TypeError):
                first, _, body = self._kept[path].read_bytes().partition(b"\n")
                head, now = json.loads(first), self._clock()
                told = json.loads(body)
                if head["data"] == self._data and datetime.fromisoformat(told["issue_time"]) <= now:
                    if now <= datetime.fromisoformat(head["late_at"]):
                        etag = f"etag: {head['etag']}"
                        return "200 OK", ["content-type: application/json", "cache-control: no-cache", etag], body
                    fields = {name: told[name] for name in ("issue_time", "published_at")} | {"last_nowcast": told}
        problem = fields | {
            "type": "urn:power-nowcast:problem:the-service-starts",
            "title": "The service starts",
            "status": 503,
            "detail": "The service has begun to start, and cannot answer this yet.",
            "remedy": "Try again in a few seconds.",
            "instance": path,
        }
        headers = ["content-type: application/problem+json", f"retry-after: {RETRY_SECONDS}"]
        return "503 Service Unavailable", headers, json.dumps(problem).encode()


def _listening(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on every address of a host; the first one must, as others may not exist here."""
    found = list[socket.socket]()
    for family, kind, protocol, _, place in dict.fromkeys(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)):
        one = socket.socket(family, kind, protocol)
        try:
            if os.name != "nt":  # there it would take the port from its owner
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(place)
            one.listen(BACKLOG)
            one.setblocking(False)
        except OSError:
            one.close()
            if not found:
                raise
        else:
            found.append(one)
    return found
