#!/usr/bin/env python3
"""The live service of New York: from data in hand to a subscriber, the cost of a request, streams, memory, a restart.

It ingests the embedded sample, trains a small LightGBM (or takes `--bundle FOLDER`), and runs the service in a process
of its own. There, a clock jumps from interval to interval. Figures, by `--part`:

- events: `event_p50_s`, `event_p99_s`: from the moment at which an interval's rows are in the tables to a subscriber's
  event.
- pressed: the same while 64 connections GET the present and four POST, each again as soon as it is answered:
  `pressed_p50_s`, `pressed_p99_s`, answers a second, and `pressed_errors`, which counts those that were none.
- requests: `get_over_bare`, `unchanged_over_bare`: processor time of a request for the present (200, 304), as a ratio
  to that of an empty handler of a bare FastAPI application on the same server. They take turns; the median of five
  rounds counts. The service is as it is on a network: each request brings a key, which is checked, and counts for its
  rate. `resident_mb`: memory of the service after that; the bar of memory is that of swaps.py, with three versions.
- streams: `stream_kb`: memory that each of 1,000 open streams adds. `stalled_closed_s`: until the last of ten readers
  that take nothing has lost its connection. `sigterm_s`: from SIGTERM, with all streams open, to the end of the
  process; `sigterm_errors` and `streams_cut_off` count lines of its log and streams without their last chunk.
- posts: `posts_over_mlflow`: POSTs a second over four connections, as a ratio to those of `mlflow models serve` with
  the same model and rows. They take turns; the median of three rounds counts.
- restart: the command `nowcast live` starts again, beside a registry that takes connections and never answers:
  `restart_last_s` until the last nowcast comes, `restart_new_s` until a new one does.
"""

import json
import multiprocessing
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import streams
from bars import of_the_service
from pressing import pressed
from served import HOST, Sample, bare, jumping
from serving import (
    PRESENT,
    STREAM,
    Following,
    exchange,
    free_port,
    processor_seconds,
    request,
    resident_mb,
    sample,
    serving,
    train,
    wait_for,
)

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.features.panel import window
from power_nowcast.features.rows import to_rows
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.mlflow_client import environment as mlflow_environment
from power_nowcast.mlflow_client import packaging, serve_command
from power_nowcast.store.keys import Scope, make

AT_MOST = {
    "events": {"event_p50_s": 0.3, "event_p99_s": 1.0},
    "pressed": {"pressed_p99_s": 2.0, "pressed_errors": 0.0},
    "requests": {"get_over_bare": 1.5, "unchanged_over_bare": 1.25},
    "streams": {
        "stream_kb": 60.0,
        "stalled_closed_s": 30.0,
        "sigterm_s": 2.0,
        "sigterm_errors": 0.0,
        "streams_cut_off": 0.0,
    },
    "posts": {},
    "restart": {"restart_last_s": 2.0, "restart_new_s": 6.0},
}
AT_LEAST = {"posts": {"posts_over_mlflow": 3.0}}
INTERVALS, REQUESTS, ROUNDS = 60, 1500, 5
GETTING, POSTING, POST_SECONDS, POST_ROUNDS = 64, 4, 10.0, 3


def main() -> int:
    return of_the_service(__doc__, measure, AT_MOST, AT_LEAST)


def measure(folder: Path, bundle: Path | None, parts: list[str]) -> dict[str, float]:
    """The figures, with everything in an empty folder."""
    given, figures = sample(folder, 2 * INTERVALS + 24), dict[str, float]()
    if bundle is None:
        bundle = folder / "bundle"
        train(given)[0].save(bundle)
    if "restart" in parts:
        figures |= _restart(given, folder, bundle)
    if set(parts) == {"restart"}:
        return figures
    key = {"authorization": f"Bearer {make(given.started, 'benchmark', Scope.ADMIN, now=given.begin)}"}
    with serving(jumping, folder, bundle, given.begin, path="/healthz") as (live, port):
        following = Following(folder)
        following.step()
        while httpx.get(f"http://{HOST}:{port}{PRESENT}", headers=key).status_code != 200:
            time.sleep(0.1)
        if "events" in parts:
            figures |= _events("event", following, port, key)
        if "pressed" in parts:
            post = request(PRESENT, key, json.dumps({"split": _rows(given)}).encode())
            with pressed(port, request(PRESENT, key), post, GETTING, POSTING) as told:
                figures |= _events("pressed", following, port, key)
            figures |= told
        if "requests" in parts:
            with serving(bare, path="/") as (empty, bare_port):
                figures |= _requests(live, empty, (port, bare_port), key)
            figures["resident_mb"] = resident_mb(live.pid)
        if "posts" in parts:
            figures |= _posts(given, folder, bundle, port, key)
        if "streams" in parts:
            figures |= streams.measure(live, port, following, key, folder / "log")
    return figures


def _events(name: str, following: Following, port: int, key: dict[str, str]) -> dict[str, float]:
    """Seconds from data in hand to the event, of `INTERVALS` intervals after two to warm up."""
    found: list[float] = []
    with (
        httpx.Client(timeout=60, headers=key) as client,
        client.stream("GET", f"http://{HOST}:{port}{STREAM}") as stream,
    ):
        lines = (line for line in stream.iter_lines() if line.startswith("id: "))
        next(lines)  # the present
        first = number = following.step()
        for _ in lines:
            arrived = time.time()
            if number > first + 1:
                found.append(arrived - following.in_hand(number))
            if len(found) == INTERVALS:
                break
            number = following.step()
    return {f"{name}_p{share}_s": float(np.quantile(found, share / 100)) for share in (50, 99)}


def _requests(
    live: multiprocessing.Process, bare: multiprocessing.Process, ports: tuple[int, int], key: dict[str, str]
) -> dict[str, float]:
    etag = httpx.get(f"http://{HOST}:{ports[0]}{PRESENT}", headers=key).headers["etag"]
    kinds: dict[str, Callable[[], float]] = {
        "bare": lambda: _cost(bare, ports[1], "/", {}, 200),
        "get": lambda: _cost(live, ports[0], PRESENT, key, 200),
        "unchanged": lambda: _cost(live, ports[0], PRESENT, key | {"if-none-match": etag}, 304),
    }
    rounds = [{name: measured() for name, measured in kinds.items()} for _ in range(ROUNDS + 1)][1:]
    figures = {f"{name}_us": 1e6 * statistics.median(one[name] for one in rounds) for name in kinds}
    for name in ("get", "unchanged"):
        figures[f"{name}_over_bare"] = statistics.median(one[name] / one["bare"] for one in rounds)
    return figures


def _cost(process: multiprocessing.Process, port: int, path: str, headers: dict[str, str], status: int) -> float:
    """Processor seconds of the server for a request, one after the other over one connection."""
    asked = request(path, headers)
    with socket.create_connection((HOST, port)) as connection:
        before = processor_seconds(process.pid)
        for _ in range(REQUESTS):
            found = exchange(connection, asked)[0]
            assert found == status, found
        return (processor_seconds(process.pid) - before) / REQUESTS


def _posts(given: Sample, folder: Path, bundle: Path, port: int, key: dict[str, str]) -> dict[str, float]:
    """POSTs a second of this service and of MLflow's, from the same rows of the tables."""
    model = Bundle.load(bundle)
    split = _rows(given)
    packaging.save(model, bundle, folder / "packaged")
    theirs = free_port()
    command = serve_command(str(folder / "packaged"), host=HOST, port=theirs)
    with (folder / "mlflow_log").open("w") as log:
        served = subprocess.Popen(
            command,
            env=mlflow_environment(f"sqlite:///{folder}/mlflow.db"),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(theirs, "/ping")
        asked = {
            "posts": (port, request(PRESENT, key, json.dumps({"split": split}).encode())),
            "mlflow_posts": (theirs, request("/invocations", {}, json.dumps({"dataframe_split": split}).encode())),
        }
        rounds = [
            {name: _posted(*one, POST_SECONDS if n else 1.0) for name, one in asked.items()}
            for n in range(POST_ROUNDS + 1)
        ][1:]
    finally:
        os.killpg(served.pid, signal.SIGTERM)
        served.wait()
    figures = {f"{name}_a_second": statistics.median(one[name] for one in rounds) for name in asked}
    return figures | {"posts_over_mlflow": statistics.median(one["posts"] / one["mlflow_posts"] for one in rounds)}


def _rows(given: Sample) -> dict[str, object]:
    """The rows of a POST: the window of the tables at the begin."""
    at = given.begin
    rows = to_rows(window(given.started, given.region, at), given.region)
    rows = rows.filter(pl.col("valid_at") <= at).with_columns(pl.col("valid_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return {"columns": rows.columns, "data": rows.rows()}


def _posted(port: int, asked: bytes, seconds: float) -> float:
    """Answered POSTs a second over `POSTING` connections, each of which asks again as soon as it is answered."""
    begun = time.monotonic()

    def ask() -> int:
        count = 0
        with socket.create_connection((HOST, port)) as connection:
            while time.monotonic() - begun < seconds:
                status, _, body = exchange(connection, asked)
                assert status == 200, body[:500]
                count += 1
        return count

    with ThreadPoolExecutor(POSTING) as pool:
        count = sum(one.result() for one in [pool.submit(ask) for _ in range(POSTING)])
    return count / (time.monotonic() - begun)


def _restart(given: Sample, folder: Path, bundle: Path) -> dict[str, float]:
    """Seconds from the start of the command to the last nowcast and to a new one, while the registry hangs.

    The command publishes the last nowcast itself, and is killed.
    """
    region, artifacts = given.region, folder / "artifacts"
    slot = ModelSlot(region, lambda: Fetched(bundle, "1", Bundle.load(bundle).digest), artifacts / "nyiso/versions")
    slot.load()
    last = given.begin.strftime("%Y-%m-%dT%H:%M:%SZ")
    with socket.create_server((HOST, 0)) as hanging:
        environment = os.environ | {
            "NOWCAST_DATA": str(folder / "data"),
            "NOWCAST_ARTIFACTS": str(artifacts),
            "MLFLOW_TRACKING_URI": f"http://{HOST}:{hanging.getsockname()[1]}",
        }
        with _commanded(folder, given.begin, environment) as (_, port):
            _until(port, lambda issued: issued >= last)
        with _commanded(folder, given.begin + region.interval, environment) as (begun, port):
            old = _until(port, lambda issued: issued >= last) - begun
            new = _until(port, lambda issued: issued > last) - begun
    return {"restart_last_s": old, "restart_new_s": new}


@contextmanager
def _commanded(folder: Path, issue: datetime, environment: Mapping[str, str]) -> Iterator[tuple[float, int]]:
    """The command in a process of its own, 20 seconds into an interval: when it was started, and its port."""
    port, start = free_port(), f"{issue + timedelta(seconds=20):%Y-%m-%d %H:%M:%S}"
    options = ("--region", "nyiso", "--replay", start, "--data", str(folder / "whole"), "--port", str(port))
    command = (sys.executable, "-m", "power_nowcast.cli", "live", *options)
    with (folder / "restart_log").open("a") as log:
        begun = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield begun, port
        finally:
            process.kill()
            process.wait()


def _until(port: int, is_wanted: Callable[[str], bool]) -> float:
    """When the present, or the last nowcast that a refusal brings with it, is first of a wanted issue time."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            told = httpx.get(f"http://{HOST}:{port}{PRESENT}").json()
            if is_wanted(told.get("last_nowcast", told).get("issue_time", "")):
                return time.monotonic()
        time.sleep(0.02)
    raise TimeoutError("The service gives no such nowcast.")


if __name__ == "__main__":
    sys.exit(main())
