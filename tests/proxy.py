"""A proxy that answers in the publishers' place: libraries ask real addresses by HTTPS_PROXY and a test CA."""

import os
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from tests.faults import Reply


class Proxy:
    """Serves replies by the beginning of `host/path?query` on a free port; a context manager.

    Args:
        folder: where the certificate of the test authority is written; a home for processes that ask.
    """

    def __init__(self, folder: Path) -> None:
        self.replies: dict[str, Reply] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.folder = folder
        self._authority = trustme.CA()
        self._certificate = folder / "test-ca.pem"
        self._authority.cert_pem.write_to_path(self._certificate)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            host = ""

            def do_CONNECT(self) -> None:
                self.host = self.path.partition(":")[0]
                self.send_response_only(200, "Connection established")
                self.end_headers()
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                outer._authority.issue_cert(self.host).configure_cert(context)
                self.rfile.close()
                self.wfile.close()
                self.connection = context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
                self.close_connection = False

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer._answer(self, f"{self.host}{self.path}")

            def do_POST(self) -> None:
                self.do_GET()

            def finish(self) -> None:
                super().finish()
                self.connection.close()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead a process's libraries here."""
        kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        authority = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), str(self._certificate))
        return {**kept, **authority, "HTTPS_PROXY": f"http://127.0.0.1:{self._server.server_port}"}

    def serve(self, address: str, reply: Reply) -> None:
        self.replies[address] = reply

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler, address: str) -> None:
        self.asked.append((address, dict(request.headers.items())))
        fitting = [beginning for beginning in self.replies if address.startswith(beginning)]
        reply = self.replies[max(fitting, key=len)] if fitting else Reply(b"no such file", 404, "text/plain")
        request.send_response(reply.status)
        for name, value in {"Content-Type": reply.content_type, **reply.headers}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(reply.body)))
        request.end_headers()
        request.wfile.write(reply.body)
        request.wfile.flush()
