"""A real server follows a region: subscribers get every interval, who stalls is dropped, a signal ends it at once."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.live.test_loop import REGION
from tests.toy import toy_bundle, toy_rows

pytestmark = pytest.mark.integration
REPO = Path(__file__).parents[2]
STALL_SECONDS = 2
STREAMS = 50


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


type Service = tuple[subprocess.Popen[str], str]
"""A process and its address."""


@contextmanager
def running(folder: Path, *, minutes: float = 0, speed: float = 600, **environment: str) -> Iterator[Service]:
    """A live service that has answered, from so many minutes after the begin; its output is in the file `log`."""
    port = free_port()
    given = map(str, (folder, port, STALL_SECONDS, minutes, speed))
    command = [sys.executable, "-m", "tests.serve.live_process", *given]
    own = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"} | environment
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=REPO, env=own, text=True, stdout=log, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}"
            until = time.monotonic() + 60
            while time.monotonic() < until:
                with suppress(httpx.TransportError):
                    # A refusal tells the issue time of the last nowcast.
                    if "issue_time" in httpx.get(f"{url}/v1/nowcast/toy").json():
                        break
                time.sleep(0.05)
            yield process, url
        finally:
            process.kill()
            process.wait()


def save_model(folder: Path) -> None:
    bundle = toy_bundle(REGION)
    bundle.save(folder / "bundle")
    (folder / "digest").write_text(bundle.digest)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Service]:
    save_model(tmp_path)
    with running(tmp_path) as found:
        yield found


def test_a_subscriber_gets_every_interval_and_sigterm_ends_the_stream(server: Service, tmp_path: Path) -> None:
    process, url = server
    issued: list[str] = []
    with httpx.Client(timeout=30) as client, client.stream("GET", f"{url}/v1/stream/toy") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                told = json.loads(line.removeprefix("data: "))
                issued.append(told["issue_time"])
                if len(issued) == 3:
                    process.send_signal(signal.SIGTERM)
                    begun = time.monotonic()
    assert process.wait(10) == 0
    assert time.monotonic() - begun < 4
    minutes = [60 * int(text[11:13]) + int(text[14:16]) for text in issued]
    assert [later - earlier for earlier, later in pairwise(minutes)] == [30, 30]
    log = (tmp_path / "log").read_text()
    assert "ERROR" not in log, log
    assert "Traceback" not in log, log


def opened(port: int, receive_bytes: int | None = None) -> socket.socket:
    """A connection that has asked for the stream; the system keeps `receive_bytes` that are not read."""
    stream = socket.socket()
    if receive_bytes is not None:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    stream.connect(("127.0.0.1", port))
    stream.sendall(b"GET /v1/stream/toy HTTP/1.1\r\nHost: here\r\n\r\n")
    return stream


def read(streams: list[socket.socket], seconds: float) -> dict[socket.socket, bytes]:
    """What comes on each stream in so many seconds, or until its end."""
    found, end = dict.fromkeys(streams, b""), time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for one in streams:
            selector.register(one, selectors.EVENT_READ)
        while selector.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                part = key.fileobj.recv(65536)  # type: ignore[union-attr]
                found[key.fileobj] += part  # type: ignore[index]
                if not part:
                    selector.unregister(key.fileobj)
    return found


def drain(stream: socket.socket) -> None:
    while stream.recv(65536):
        pass


def test_a_reader_that_stalls_is_dropped_and_disturbs_no_other(server: Service, tmp_path: Path) -> None:
    process, url = server
    port = int(url.rpartition(":")[2])
    stalled, streams = opened(port, receive_bytes=1), [opened(port) for _ in range(STREAMS)]
    try:
        told = read(streams, STALL_SECONDS + 5)
        for text in told.values():
            assert text.startswith(b"HTTP/1.1 200 ")
            assert text.count(b"event: nowcast") >= 2
        stalled.settimeout(5)
        # A stream that is still open would go on with the next interval, which comes every 3 seconds.
        with pytest.raises(ConnectionResetError):
            drain(stalled)
        assert httpx.get(f"{url}/healthz").status_code == 200

        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        told = read(streams, 10)
        assert process.wait(10) == 0
        assert time.monotonic() - begun < 4
        assert all(text.endswith(b"0\r\n\r\n") for text in told.values()), "every stream is ended, none is cut off"
    finally:
        for one in (stalled, *streams):
            one.close()
    log = (tmp_path / "log").read_text()
    assert "ERROR" not in log, log
    assert "Traceback" not in log, log


def ask_until_it_is_gone(url: str, body: dict[str, object] | None, found: list[int]) -> None:
    """Send a request again and again; `found` gets the status of each answer, which has come as a whole."""
    with httpx.Client(timeout=30) as client:
        while True:
            try:
                answer = client.get(url) if body is None else client.post(url, json=body)
            except (httpx.ConnectError, httpx.ReadError, httpx.WriteError):
                return
            except httpx.RemoteProtocolError as error:
                assert "without sending a response" in str(error), error  # noqa: PT017 - half an answer has another text
                return
            assert answer.json()
            found.append(answer.status_code)


def test_sigterm_under_load_cuts_no_answer_off(server: Service, tmp_path: Path) -> None:
    process, url = server
    body = {"rows": toy_rows()[-50 * 48 :].to_dicts()}
    bodies = [None] * 6 + [body] * 2
    found: list[list[int]] = [[] for _ in bodies]
    with ThreadPoolExecutor(len(bodies)) as pool:
        address = f"{url}/v1/nowcast/toy"
        asked = [pool.submit(ask_until_it_is_gone, address, *each) for each in zip(bodies, found, strict=True)]
        until = time.monotonic() + 30
        while not all(found):
            assert time.monotonic() < until
            assert not any(one.done() for one in asked)
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert process.wait(15) == 0
        assert time.monotonic() - begun < 8
        for one in asked:
            one.result()
    assert {status for statuses in found for status in statuses} == {200}
    log = (tmp_path / "log").read_text()
    assert "ERROR" not in log, log
    assert "Traceback" not in log, log


def test_while_the_registry_hangs_a_restart_answers_with_the_last_nowcast_and_then_a_new_one(
    server: Service, tmp_path: Path
) -> None:
    process, url = server
    last = httpx.get(f"{url}/v1/nowcast/toy").json()["issue_time"]
    process.kill()
    process.wait()
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        address = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        with running(tmp_path, minutes=300, MLFLOW_TRACKING_URI=address) as (_, url):
            end, issued = time.monotonic() + 60, ""
            while issued < "2024-05-01T17:00:00Z":
                answer = httpx.get(f"{url}/v1/nowcast/toy").json()
                issued = answer.get("last_nowcast", answer)["issue_time"]
                assert issued >= last
                assert time.monotonic() < end
            models = httpx.get(f"{url}/v1/models").json()
        assert [(one["from_disk"], one["model"]["version"]) for one in models] == [(True, "1")]
