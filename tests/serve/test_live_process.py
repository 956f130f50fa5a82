"""A real server follows a region: a subscriber gets every interval, and a signal ends it at once."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from tests.live.test_loop import REGION
from tests.toy import toy_bundle

pytestmark = pytest.mark.integration
REPO = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    bundle, port = toy_bundle(REGION), free_port()
    bundle.save(tmp_path / "bundle")
    (tmp_path / "digest").write_text(bundle.digest)
    command = [sys.executable, "-m", "tests.serve.live_process", str(tmp_path), str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=REPO, text=True, stdout=log, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}"
            until = time.monotonic() + 60
            while time.monotonic() < until:
                try:
                    if httpx.get(f"{url}/v1/nowcast/toy").status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.2)
            yield process, url
        finally:
            process.kill()
            process.wait()


def test_a_subscriber_gets_every_interval_and_sigterm_ends_the_stream(
    server: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
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
