"""Services of New York in processes of their own, for benchmarks; `serving.serving` starts them.

This module imports what the service itself needs and nothing else: the memory of its processes is measured.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import uvicorn
from fastapi import FastAPI

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import VALUES
from power_nowcast.ingest import ReplayClock
from power_nowcast.live.asking import OwnProcess
from power_nowcast.live.loop import Loop
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.regions import Region, load
from power_nowcast.serve import logs
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.guard import NO_KEYS, Limits
from power_nowcast.serve.service import Served
from power_nowcast.serve.start import run_server
from power_nowcast.serve.versions import production
from power_nowcast.settings import settings
from power_nowcast.store import Store
from power_nowcast.store.keys import Scope

HOST, REGION = "127.0.0.1", "nyiso"
ROWS = [name for name in VALUES if name != "first_seen_at"]


@dataclass(frozen=True)
class Sample:
    """New York's embedded sample: all of it, and what a service knows that starts at a time.

    Attributes:
        region: New York.
        whole: the tables with everything.
        started: the tables with what was known at `begin`.
        begin: the issue time at which a service starts; so many intervals of the sample lie after it.
    """

    region: Region
    whole: Store
    started: Store
    begin: datetime


def let_pass(given: Sample, store: Store, before: datetime) -> datetime:
    """Append what became known in the interval after `before`; returns its end."""
    now = before + given.region.interval
    for table in given.region.specs:
        rows = given.whole.versions(table, given.region.name, start=before - timedelta(hours=3))
        new = pl.col("available_at").is_between(before, now, closed="right")
        store.append(table, rows.filter(new).select(ROWS), now=now, are_versions=True)
    return now


def jumping(folder: str, bundle: str, begin: str, port: str) -> None:
    """The service with a clock that jumps from interval to interval, as the file `go` says; each request has a key.

    The file `in_hand_N` says when the rows of an interval were in the tables.
    """
    place, now = Path(folder), [datetime.fromisoformat(begin)]
    given = _sample(place, now[0])

    def pass_on(number: int) -> None:
        now[0] = let_pass(given, given.started, now[0])
        (place / f"in_hand_{number}").write_text(str(time.time()))

    limits = Limits(needs_key=frozenset(Scope), rate=10**9)
    _driven(place, Path(bundle), given, lambda: now[0], pass_on, int(port), limits)


def running(folder: str, bundle: str, begin: str, port: str) -> None:
    """The service with a clock that runs; it jumps to the next interval whenever the file `go` says so."""
    start = datetime.fromisoformat(begin)
    given, clock, passed = _sample(Path(folder), start), ReplayClock(start), [start]

    def pass_on(_: int) -> None:
        passed[0] = let_pass(given, given.started, passed[0])
        clock.start += passed[0] - clock()

    _driven(Path(folder), Path(bundle), given, clock, pass_on, int(port), NO_KEYS)


def registered(folder: str, begin: str, port: str) -> None:
    """The service of what is in production in the registry, with a clock that stands still."""
    log_into(Path(folder) / "log")
    region, store, now = load(REGION), Store(Path(folder) / "data"), datetime.fromisoformat(begin)
    with OwnProcess(logs.config()) as ask:
        slot = production(region, settings(), ask)
        loop = Loop(store, region, slot, None, lambda: now)
        _run({region.name: Served(region, slot, loop)}, store, lambda: now, int(port), NO_KEYS)


def bare(port: str) -> None:
    """An empty handler of FastAPI alone."""
    app = FastAPI()

    @app.get("/")
    async def empty() -> dict[str, str]:
        return {}

    uvicorn.run(app, host=HOST, port=int(port), access_log=False, server_header=False, log_level="warning")


def log_into(file: Path) -> None:
    """Let all that this process prints go into a file."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)


def _sample(folder: Path, begin: datetime) -> Sample:
    return Sample(load(REGION), Store(folder / "whole"), Store(folder / "data"), begin)


def _driven(
    folder: Path,
    bundle: Path,
    given: Sample,
    clock: Callable[[], datetime],
    pass_on: Callable[[int], None],
    port: int,
    limits: Limits,
) -> None:
    """The service of a bundle; a thread lets an interval pass and steps whenever the file `go` holds a new number."""
    log_into(folder / "log")
    region, store = given.region, given.started
    slot = ModelSlot(region, lambda: Fetched(bundle, "1", Bundle.load(bundle).digest), folder / "cache")
    slot.load()
    loop = Loop(store, region, slot, None, clock)

    def drive() -> None:
        done = 0
        while True:
            text = (folder / "go").read_text() if (folder / "go").exists() else ""
            if not text or int(text) == done:
                time.sleep(0.002)
                continue
            done = int(text)
            pass_on(done)
            loop.step()

    loop.run = lambda _: None  # type: ignore[method-assign]  # the thread steps in its place
    threading.Thread(target=drive, daemon=True).start()
    _run({region.name: Served(region, slot, loop)}, store, clock, port, limits)


def _run(served: dict[str, Served], store: Store, clock: Callable[[], datetime], port: int, limits: Limits) -> None:
    run_server(create_app(served, store, default_region=REGION, clock=clock, limits=limits), HOST, port)
