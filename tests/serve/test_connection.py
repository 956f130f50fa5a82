"""Sockets against a real server: what arrives too slowly or too large is dropped, and keys end while it runs."""

import json
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from power_nowcast.store import Store
from power_nowcast.store.keys import Scope, make, revoke

pytestmark = pytest.mark.integration
REPO = Path(__file__).parents[2]
SECONDS = 1.5


@dataclass
class Site:
    process: subprocess.Popen[str]
    port: int
    folder: Path
    store: Store
    secret: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secret}"}

    def connect(self, begun: str) -> socket.socket:
        opened = socket.create_connection(("127.0.0.1", self.port))
        opened.sendall(begun.encode())
        return opened

    def log(self) -> str:
        return (self.folder / "log").read_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    store = Store(folder / "data")
    secret = make(store, "desk", Scope.ADMIN, now=datetime.now(UTC))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "tests.serve.limits_process", str(folder), str(port), str(SECONDS)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=REPO, text=True, stdout=log, stderr=subprocess.STDOUT)
    try:
        found = Site(process, port, folder, store, secret)
        until = time.monotonic() + 240
        while time.monotonic() < until:
            try:
                httpx.get(f"{found.url}/healthz")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield found
    finally:
        process.kill()
        process.wait()


def read_all(opened: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    opened.settimeout(5)
    found = b""
    while part := opened.recv(65536):
        found += part
    return found


def test_300_half_sent_requests_are_dropped_and_hold_nobody_up(site: Site) -> None:
    key = f"Authorization: Bearer {site.secret}\r\n"
    kinds = (
        "",
        "GET /v1/regions HTTP/1.1\r\nHost: here\r\n" + key,
        f"POST /nowcast HTTP/1.1\r\nHost: here\r\n{key}Content-Length: 1000\r\n\r\n" + " " * 999,
    )
    begun = time.monotonic()
    opened = [site.connect(kind) for kind in kinds for _ in range(100)]
    try:
        while time.monotonic() - begun < SECONDS / 2:
            asked = time.monotonic()
            assert httpx.get(f"{site.url}/v1/regions", headers=site.bearer).status_code == 200
            assert time.monotonic() - asked < 1
        told = [read_all(one) for one in opened]
        assert time.monotonic() - begun < SECONDS + 2
    finally:
        for one in opened:
            one.close()
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in told)
    problem = json.loads(told[-1].partition(b"\r\n\r\n")[2])
    assert problem["detail"] == "The request did not arrive as a whole within 1.5 seconds."


def test_who_sends_byte_by_byte_gets_no_more_time(site: Site) -> None:
    dripping = site.connect("GET /healthz HTTP/1.1\r\nX-Slow: ")
    begun = time.monotonic()
    try:
        while not select.select([dripping], [], [], 0.1)[0]:
            dripping.sendall(b"x")
            assert time.monotonic() - begun < SECONDS + 1
    finally:
        dripping.close()
    assert time.monotonic() - begun > SECONDS - 0.2


def test_an_answer_may_take_longer_than_a_request(site: Site) -> None:
    with httpx.Client(timeout=60) as client, client.stream("GET", f"{site.url}/v1/stream/toy", headers=site.bearer):
        time.sleep(SECONDS + 0.5)
        again = client.get(f"{site.url}/healthz")
    assert again.status_code == 200
    opened = site.connect("GET /v1/stream/toy HTTP/1.1\r\nHost: here\r\n" + f"X-API-Key: {site.secret}\r\n\r\n")
    try:
        head = opened.recv(65536)
        assert head.startswith(b"HTTP/1.1 200 ")
        assert not select.select([opened], [], [], SECONDS + 0.5)[0], "neither closed nor refused"
    finally:
        opened.close()


def test_one_connection_may_send_many_requests(site: Site) -> None:
    opened = site.connect("")
    try:
        for _ in range(4):
            time.sleep(SECONDS / 3)
            opened.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
            answer = opened.recv(65536)
            while not answer.endswith(b"}"):  # head and body may come one after the other
                answer += opened.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 "), answer
    finally:
        opened.close()


@pytest.mark.parametrize(
    "sent",
    [
        "GET /healthz HTTP/1.1\r\nHost: here\r\nX-Large: " + "x" * 20_000 + "\r\n\r\n",
        "GET /" + "x" * 20_000 + " HTTP/1.1\r\nHost: here\r\n\r\n",
        "GET /healthz\x00 HTTP/1.1\r\n\r\n",
        "hello\r\n\r\n",
    ],
)
def test_too_large_a_head_and_what_is_no_http_are_refused(site: Site, sent: str) -> None:
    opened = site.connect(sent)
    try:
        head, _, body = read_all(opened).partition(b"\r\n\r\n")
    except ConnectionResetError:  # the server closed while bytes that it never read were on their way
        return
    finally:
        opened.close()
    assert head.startswith(b"HTTP/1.1 400 ")
    told = json.loads(body)
    assert (told["title"], told["status"]) == ("Invalid HTTP", 400)
    assert "16,384 bytes" in told["detail"]


def test_a_key_works_at_once_and_ends_within_a_second(site: Site) -> None:
    secret = make(site.store, "guest", Scope.READ, now=datetime.now(UTC))
    headers = {"authorization": f"Bearer {secret}"}
    with httpx.Client() as client:

        def seconds_until(status: int) -> float:
            begun = time.monotonic()
            while client.get(f"{site.url}/v1/regions", headers=headers).status_code != status:
                assert time.monotonic() - begun < 5
                time.sleep(0.02)
            return time.monotonic() - begun

        assert seconds_until(200) < 1.2
        revoke(site.store, "guest", now=datetime.now(UTC))
        assert seconds_until(401) < 1.2


def test_the_log_is_json_without_keys_and_a_signal_ends_the_service(site: Site) -> None:
    waiting = [site.connect("GET /healthz HTTP/1.1\r\n") for _ in range(10)]
    with (
        httpx.Client(timeout=60) as client,
        client.stream("GET", f"{site.url}/v1/stream/toy", headers=site.bearer) as stream,
    ):
        begun = time.monotonic()
        site.process.send_signal(signal.SIGTERM)
        assert list(stream.iter_lines()) == []
    assert site.process.wait(10) == 0
    assert time.monotonic() - begun < 4
    for one in waiting:
        one.close()
    lines = [json.loads(line) for line in site.log().splitlines()]
    assert site.secret not in site.log()
    assert {"at", "level", "logger"} <= set.intersection(*(set(line) for line in lines))
    asked = [line for line in lines if line["logger"] == "power_nowcast.access" and "status" in line]
    assert {401, 200} <= {line["status"] for line in asked}
    assert all(line["request_id"] for line in asked)
    assert [line for line in lines if line["level"] == "ERROR" or "trace" in line] == []
