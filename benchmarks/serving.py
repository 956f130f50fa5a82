"""What the benchmarks of the live service share: its tables and models, its process, requests over bare sockets."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import polars as pl
from served import HOST, ROWS, Sample

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.train import examples, train_bundle
from power_nowcast.collect import write_all
from power_nowcast.contracts import Table
from power_nowcast.features.panel import history
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.kinds import create
from power_nowcast.regions import load
from power_nowcast.store import Store

PRESENT, STREAM = "/v1/nowcast/nyiso", "/v1/stream/nyiso"
HISTORY = timedelta(days=40)
ROUNDS_OF_BOOSTING = 30


def sample(folder: Path, intervals: int) -> Sample:
    """The sample, in an empty folder, with `intervals` intervals left to come."""
    region, whole = load("nyiso"), Store(folder / "whole")
    write_all(whole, region)
    last = whole.last(Table.POWER, region.name)
    assert last is not None
    begin = last - intervals * region.interval
    started = Store(folder / "data")
    for table in region.specs:
        rows = whole.versions(table, region.name, start=begin - HISTORY)
        started.append(table, rows.filter(pl.col("available_at") <= begin).select(ROWS), now=begin, are_versions=True)
    return Sample(region, whole, started, begin)


def train(given: Sample, *rounds: int) -> list[Bundle]:
    """Small LightGBMs of so many rounds each, on the 100 days before the begin."""
    region, spec = given.region, FeatureSpec.for_interval(5)
    panel = history(given.whole, region, given.begin - timedelta(days=100), given.begin)
    issues = panel.times[panel.times >= panel.start + np.timedelta64(spec.minimum_history_minutes, "m")][::12]
    known = examples(panel, region, issues, spec)
    cut = issues[len(issues) * 3 // 4]
    parts = known.during(issues[0], cut, 90), known.during(cut, issues[-1], 90)
    return [
        train_bundle(region, spec, create("lightgbm", region.series, spec.knots, n_estimators=number), *parts)[0]
        for number in rounds or (ROUNDS_OF_BOOSTING,)
    ]


class Following:
    """Lets intervals pass in the process of `_serve`, by numbers in the file `go`."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.count = folder, 0

    def step(self) -> int:
        """Let one more interval pass; returns its number, without waiting for its nowcast."""
        self.count += 1
        beside = self._folder / "go.new"
        beside.write_text(str(self.count))
        beside.replace(self._folder / "go")
        return self.count

    def in_hand(self, number: int) -> float:
        """When the data of an interval were in the tables."""
        return float((self._folder / f"in_hand_{number}").read_text())


@contextmanager
def serving(serve: Callable[..., None], *given: object, path: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server in a process of its own, once it answers, with its port.

    `serve` is a function of `served`; it takes its arguments as text, the port last. The process imports nothing else.
    """
    port = free_port()
    code = f"import sys; from served import {serve.__name__}; {serve.__name__}(*sys.argv[1:])"
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, given), str(port)], cwd=Path(__file__).parent)
    try:
        wait_for(port, path)
        yield process, port
    finally:
        process.terminate()
        process.wait()


def request(path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> bytes:
    """A request of HTTP/1.1 as bytes: a POST if it has a body."""
    told = {"host": "localhost", **(headers or {})}
    if body is not None:
        told |= {"content-type": "application/json", "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\n{head}\r\n".encode() + (body or b"")


def exchange(connection: socket.socket, asked: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send a request and wait for its whole answer: status, headers with names in small letters, body.

    Raises:
        ConnectionError: the connection ended before that.
    """
    connection.sendall(asked)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _received(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += _received(connection)
    return int(first.split()[1]), headers, body


def _received(connection: socket.socket) -> bytes:
    part = connection.recv(262144)
    if not part:
        raise ConnectionError("The server closed the connection within an answer.")
    return part


def processor_seconds(pid: int) -> float:
    """Processor seconds that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int, *, peak: bool = False) -> float:
    """Resident memory of a process in megabytes, now or at most so far."""
    name = "VmHWM:" if peak else "VmRSS:"
    return int(Path(f"/proc/{pid}/status").read_text().split(name)[1].split()[0]) * 1024 / 1e6


def wait_for(port: int, path: str, seconds: float = 120.0) -> None:
    """Wait until a server answers, whatever it says.

    Raises:
        TimeoutError: it does not.
    """
    url, until = f"http://{HOST}:{port}{path}", time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(url)


def free_port() -> int:
    """A port of the loopback address that nobody has."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])
