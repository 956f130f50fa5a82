"""A service with a page on a free port, and a proxy before it."""

import select
import socket
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import uvicorn

from power_nowcast.ingest import ReplayClock
from power_nowcast.live.slot import ModelSlot
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.service import Served
from tests.live.test_loop import BEGIN, REGION, World


class Gate(ThreadingHTTPServer):
    """A proxy before the service, which answers 502 with a page of its own while it is `down`."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        self.upstream, self.down = port, False
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: Gate

    def do_GET(self) -> None:
        self.close_connection = True
        if self.server.down:
            self.send_response(502)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>Bad gateway</html>")
            return
        with socket.create_connection(("127.0.0.1", self.server.upstream)) as upstream:
            upstream.sendall(f"GET {self.path} HTTP/1.1\r\nhost: gate\r\nconnection: close\r\n\r\n".encode())
            while not self.server.down:
                if select.select([upstream], [], [], 0.02)[0]:
                    if not (part := upstream.recv(65536)):
                        return
                    self.wfile.write(part)
                    self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


class Site:
    """A service of the toy region on a free port. Its clock runs `speed` times as fast; the loop steps when told."""

    def __init__(self, folder: Path, slot: ModelSlot, speed: float = 1.0) -> None:
        self.world = World(folder / "data")
        self.clock = ReplayClock(BEGIN, speed)
        self.world.clock = self.clock  # type: ignore[method-assign]
        self.slot = slot
        self.begin()

    def begin(self, port: int = 0) -> None:
        self.loop = self.world.loop(self.slot)
        self.loop.run = lambda _: None  # type: ignore[method-assign]
        served = {"toy": Served(REGION, self.slot, self.loop)}
        self.app = create_app(served, self.world.store, default_region="toy", clock=self.clock)
        self.server = uvicorn.Server(uvicorn.Config(self.app, port=port, log_level="warning"))
        self._thread = threading.Thread(target=self.server.run, daemon=True)
        self._thread.start()
        until = time.monotonic() + 20
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.01)
        self.port: int = self.server.servers[0].sockets[0].getsockname()[1]

    def again(self) -> None:
        """Start anew on the same port: another application over the same tables, as after a restart."""
        self.end()
        self.begin(self.port)
        self.publish()

    def end(self) -> None:
        self.app.state.present.close()
        self.server.should_exit = True
        self._thread.join(10)

    def publish(self, after: timedelta = timedelta(0)) -> None:
        """Let time pass, and publish the interval that is reached."""
        self.clock.start += after
        self.world.now = self.clock()
        self.loop.step()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"
