#!/usr/bin/env python3
"""The live service of New York: from data in hand to a subscriber, the cost of a request, memory.

It ingests the embedded sample, trains a small LightGBM (or takes `--bundle FOLDER`), and runs the service in a process
of its own. There, a clock jumps from interval to interval. Figures:

- `event_p50_s`, `event_p99_s`: from the moment at which an interval's rows are in the tables to a subscriber's event.
- `get_over_bare`, `unchanged_over_bare`: processor time of a request for the present (200, 304), as a ratio to that of
  an empty handler of a bare FastAPI application on the same server. They take turns; the median of five rounds counts.
  The service is as it is on a network: each request brings a key, which is checked, and counts for its rate.
- `resident_mib`: memory of the service at the end.
"""

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import uvicorn
from bars import figures_missed
from fastapi import FastAPI

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.train import examples, train_bundle
from power_nowcast.collect import write_all
from power_nowcast.contracts import VALUES, Table
from power_nowcast.features.panel import history
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.live.loop import Loop
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.models.kinds import create
from power_nowcast.regions import load
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.guard import Limits
from power_nowcast.serve.service import Served
from power_nowcast.serve.start import run_server
from power_nowcast.store import Store
from power_nowcast.store.keys import Scope, make

AT_MOST = {
    "event_p50_s": 0.3,
    "event_p99_s": 1.0,
    "get_over_bare": 1.5,
    "unchanged_over_bare": 1.25,
    "resident_mib": 600.0,
}
INTERVALS, REQUESTS, ROUNDS = 60, 1500, 5
HISTORY = timedelta(days=40)
ROWS = [name for name in VALUES if name != "first_seen_at"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="a model of New York's sample")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.bundle)
    for name, value in figures.items():
        print(f"{name:32} {value:>14,.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    missed = figures_missed(figures, AT_MOST) if options.check else []
    for words in missed:
        print(f"MISSED: {words}")
    return int(bool(missed))


def measure(folder: Path, bundle: Path | None) -> dict[str, float]:
    """The figures, with everything in an empty folder."""
    region, whole = load("nyiso"), Store(folder / "whole")
    write_all(whole, region)
    last = whole.last(Table.POWER, region.name)
    assert last is not None
    begin = last - timedelta(minutes=region.interval_minutes * (INTERVALS + 2))
    started = Store(folder / "data")
    for table in region.specs:
        rows = whole.versions(table, region.name, start=begin - HISTORY)
        started.append(table, rows.filter(pl.col("available_at") <= begin).select(ROWS), now=begin, are_versions=True)
    if bundle is None:
        bundle = folder / "bundle"
        _train(whole, begin).save(bundle)
    key = {"authorization": f"Bearer {make(started, 'benchmark', Scope.READ, now=begin)}"}
    spawn = multiprocessing.get_context("spawn")
    ports = _free_port(), _free_port()
    live = spawn.Process(target=_serve, args=(folder, bundle, begin, ports[0]))
    bare = spawn.Process(target=_bare, args=(ports[1],))
    live.start()
    bare.start()
    try:
        for port, path in zip(ports, ("/healthz", "/"), strict=True):
            _wait(f"http://127.0.0.1:{port}{path}")
        figures = _events(f"http://127.0.0.1:{ports[0]}/v1/stream/nyiso", folder, key)
        figures |= _requests(live, bare, ports, key)
        status = Path(f"/proc/{live.pid}/status").read_text()
        figures["resident_mib"] = int(status.split("VmRSS:")[1].split()[0]) / 1024
    finally:
        for process in (live, bare):
            process.terminate()
            process.join()
    return figures


def _train(store: Store, end: datetime) -> Bundle:
    region, spec = load("nyiso"), FeatureSpec.for_interval(5)
    panel = history(store, region, end - timedelta(days=100), end)
    issues = panel.times[panel.times >= panel.start + np.timedelta64(spec.minimum_history_minutes, "m")][::12]
    known = examples(panel, region, issues, spec)
    cut = issues[len(issues) * 3 // 4]
    model = create("lightgbm", region.series, spec.knots, n_estimators=30)
    parts = known.during(issues[0], cut, 90), known.during(cut, issues[-1], 90)
    return train_bundle(region, spec, model, *parts)[0]


def _serve(folder: Path, bundle: Path, begin: datetime, port: int) -> None:
    """The service; a thread lets an interval pass whenever the file `go` holds a new number."""
    region, whole, store = load("nyiso"), Store(folder / "whole"), Store(folder / "data")
    slot = ModelSlot(region, lambda: Fetched(bundle, "1", Bundle.load(bundle).digest), folder / "cache")
    slot.load()
    now = [begin]
    loop = Loop(store, region, slot, None, lambda: now[0], lambda seconds: time.sleep(min(seconds, 3600.0)))
    step = timedelta(minutes=region.interval_minutes)

    def drive() -> None:
        done = 0
        while True:
            text = (folder / "go").read_text() if (folder / "go").exists() else ""
            if not text or int(text) == done:
                time.sleep(0.002)
                continue
            done, before, now[0] = int(text), now[0], now[0] + step
            for table in region.specs:
                rows = whole.versions(table, region.name, start=before - timedelta(hours=3))
                new = pl.col("available_at").is_between(before, now[0], closed="right")
                store.append(table, rows.filter(new).select(ROWS), now=now[0], are_versions=True)
            (folder / f"in_hand_{done}").write_text(str(time.time()))
            loop.step()

    loop.run = lambda _: None  # type: ignore[method-assign]  # the thread below steps in its place
    threading.Thread(target=drive, daemon=True).start()
    served = {region.name: Served(region, slot, loop)}
    limits = Limits(needs_key=frozenset(Scope), rate=10**9)
    app = create_app(served, store, default_region="nyiso", clock=lambda: now[0], limits=limits)
    run_server(app, "127.0.0.1", port)


def _bare(port: int) -> None:
    app = FastAPI()

    @app.get("/")
    async def empty() -> dict[str, str]:
        return {}

    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, server_header=False, log_level="warning")


def _events(url: str, folder: Path, key: dict[str, str]) -> dict[str, float]:
    """Seconds from data in hand to the event, of `INTERVALS` intervals after two to warm up."""
    found: list[float] = []
    with httpx.Client(timeout=60, headers=key) as client, client.stream("GET", url) as stream:
        (folder / "go").write_text("1")
        seen = 0
        for line in stream.iter_lines():
            if not line.startswith("id: "):
                continue
            arrived, seen = time.time(), seen + 1
            if seen > 2:
                found.append(arrived - float((folder / f"in_hand_{seen}").read_text()))
            if len(found) == INTERVALS:
                break
            _replace(folder / "go", str(seen + 1))
    return {"event_p50_s": float(np.quantile(found, 0.5)), "event_p99_s": float(np.quantile(found, 0.99))}


def _replace(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


def _requests(
    live: multiprocessing.Process, bare: multiprocessing.Process, ports: tuple[int, int], key: dict[str, str]
) -> dict[str, float]:
    etag = httpx.get(f"http://127.0.0.1:{ports[0]}/v1/nowcast/nyiso", headers=key).headers["etag"]
    kinds: dict[str, Callable[[], float]] = {
        "bare": lambda: _cost(bare, ports[1], "/", {}, b"200"),
        "get": lambda: _cost(live, ports[0], "/v1/nowcast/nyiso", key, b"200"),
        "unchanged": lambda: _cost(live, ports[0], "/v1/nowcast/nyiso", key | {"if-none-match": etag}, b"304"),
    }
    rounds = [{name: measured() for name, measured in kinds.items()} for _ in range(ROUNDS + 1)][1:]
    figures = {f"{name}_us": 1e6 * statistics.median(one[name] for one in rounds) for name in kinds}
    for name in ("get", "unchanged"):
        figures[f"{name}_over_bare"] = statistics.median(one[name] / one["bare"] for one in rounds)
    return figures


def _cost(process: multiprocessing.Process, port: int, path: str, headers: dict[str, str], status: bytes) -> float:
    """Processor seconds of the server for a request, one after the other over one connection."""
    asked = "".join(f"{name}: {value}\r\n" for name, value in {"host": "localhost", **headers}.items())
    request = f"GET {path} HTTP/1.1\r\n{asked}\r\n".encode()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        before = _processor_seconds(process)
        for _ in range(REQUESTS):
            connection.sendall(request)
            answer = connection.recv(65536)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 " + status), head
            length = next((line for line in head.split(b"\r\n") if line.startswith(b"content-length")), b": 0")
            left = int(length.split(b":")[1]) - len(body) if status == b"200" else 0
            while left > 0:
                left -= len(connection.recv(65536))
        return (_processor_seconds(process) - before) / REQUESTS


def _processor_seconds(process: multiprocessing.Process) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait(url: str) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(url)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
