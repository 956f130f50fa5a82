#!/usr/bin/env python3
"""The live service of New York under 64 connections while its model is swapped, by a real registry.

It ingests the embedded sample, trains three small LightGBMs (or takes `--bundles A B C`), registers them and a fourth
version whose golden rows do not fit, and runs the service in a process of its own. Another process asks for the present
over 64 connections, each so many times a second; a latency counts from the moment at which the request was due. The
service holds two versions in memory: of three that take turns, every one is fetched, checked and warmed up.

- `swaps`, `swap_max_s`: promotions seen in a minute that goes from one version to another and back, one in ten of them
  of the broken version; seconds from the move of the registry's alias to the first answer of the version, at most.
- `not_answered`, `closed`, `not_whole`, `mixed`: answers of another status than 200; connections that ended; bodies
  that do not fit their ETag; versions whose digest or quantiles change, or are those of another version.
- `p99_ratio`: the 99 % quantile of latencies while versions load, as a ratio to that without promotions; both take
  turns, the median of five rounds counts.
- `p99_bare_ratio`: the same ratio of an empty handler of a bare FastAPI application in a process of its own, which is
  asked in the service's place: what the cores alone cost, as versions load beside it.
- `memory_ratio`: memory after 200 swaps, as a ratio to that after 10, both after a pause in which the allocators give
  free pages back. `memory_peak_mb`: the most that there was, with two versions in memory and a third one loading. The
  process that asks the registry is another one.
"""

import argparse
import json
import multiprocessing
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import numpy as np
from bars import figures_missed
from served import HOST, bare, registered
from serving import PRESENT, exchange, request, resident_mb, sample, serving, train

from power_nowcast import mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.evaluate.promotion import Decision
from power_nowcast.regions import Region
from power_nowcast.settings import settings
from power_nowcast.store import Store
from power_nowcast.store.events import tell_promotion

AT_LEAST = {"swaps": 50.0}
AT_MOST = {
    "swap_max_s": 1.0,
    "not_answered": 0.0,
    "closed": 0.0,
    "not_whole": 0.0,
    "mixed": 0.0,
    "p99_ratio": 2.0,
    "memory_ratio": 1.05,
    "memory_peak_mb": 600.0,
}
CONNECTIONS, A_SECOND = 64, 10.0
ROUNDS, QUIET_SECONDS, LOADING_SECONDS, FLAPPING_SECONDS = 5, 8.0, 8.0, 60.0
FEW_SWAPS, MANY_SWAPS = 10, 200
GOOD, BROKEN = ("1", "2", "3"), "4"
PATIENCE_SECONDS, BROKEN_SECONDS, SETTLING_SECONDS = 60.0, 0.5, 15.0
YES = Decision(True, ("The benchmark says so.",))


@dataclass
class Answer:
    """One answer: when its request was due, when it was there, its status, its version, and whether its ETag fits."""

    due: float
    done: float
    status: int
    told: tuple[str, str, str]
    is_whole: bool


@dataclass
class Asking:
    """What a process that asks all the time has found."""

    answers: list[Answer] = field(default_factory=list)
    closed: int = 0
    known: dict[bytes, tuple[str, str, str]] = field(default_factory=dict)
    """By body, its version, its digest, and a digest of its quantiles."""

    def add(self, due: float, done: float, head: bytes, body: bytes) -> None:
        status = int(head[9:12])
        if status != 200:
            self.answers.append(Answer(due, done, status, ("", "", ""), is_whole=True))
            return
        if body not in self.known:
            told = json.loads(body)
            values = sha256(json.dumps(told["nowcasts"]).encode()).hexdigest()
            self.known[body] = (told["model"]["version"], told["model"]["digest"], values)
        etag = f'"{sha256(body).hexdigest()[:16]}"'.encode()
        self.answers.append(Answer(due, done, status, self.known[body], etag in head))

    @property
    def mixed(self) -> int:
        """Versions of more than one digest or set of quantiles, and digests or sets of more than one version."""
        versions = {answer.told for answer in self.answers if answer.status == 200}
        return sum(len(versions) - len({told[place] for told in versions}) for place in range(3))

    def p99(self, spans: list[tuple[float, float]]) -> float:
        """The 99 % quantile of the latencies of requests that were due within spans of time."""
        found = [one.done - one.due for one in self.answers if any(a <= one.due <= b for a, b in spans)]
        return float(np.quantile(found, 0.99))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundles", type=Path, nargs=3, help="three models of New York's sample")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.bundles)
    for name, value in figures.items():
        print(f"{name:32} {value:>14,.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    missed = figures_missed(figures, AT_MOST, AT_LEAST) if options.check else []
    for words in missed:
        print(f"MISSED: {words}")
    return int(bool(missed))


def measure(folder: Path, bundles: list[Path] | None) -> dict[str, float]:
    """The figures, with everything in an empty folder."""
    given = sample(folder, 1)
    os.environ |= {
        "NOWCAST_ARTIFACTS": str(folder / "artifacts"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "NOWCAST_OWNER": "the benchmark",
    }
    settings.cache_clear()
    models = [Bundle.load(one) for one in bundles] if bundles else train(given, 30, 20, 25)
    _register(given.region, [*models, replace(models[0], golden_mw=models[0].golden_mw + 1.0)], folder)
    with serving(registered, folder, given.begin, path="/healthz") as (live, port):
        _wait_for_present(port)
        swaps = Swaps(given.region, given.started, port)
        with _asking(port) as asking:
            figures = _measured(swaps, live, asking)
        with serving(bare, path="/") as (_, other), _asking(other) as asking:
            quiet, loading = _in_turns(swaps)
            return figures | {"p99_bare_ratio": _p99_ratio(_found(asking), quiet, loading)}


def _wait_for_present(port: int) -> None:
    """Wait for the first nowcast."""
    end = time.monotonic() + 120
    while httpx.get(f"http://{HOST}:{port}{PRESENT}").status_code != 200:
        if time.monotonic() > end:
            raise TimeoutError("There is no nowcast.")
        time.sleep(0.05)


def _measured(swaps: "Swaps", live: subprocess.Popen[bytes], asking: Connection) -> dict[str, float]:
    while swaps.count < FEW_SWAPS:
        swaps.to_next()
    figures = {"memory_10_mb": _settled_mb(live)}
    quiet, loading = _in_turns(swaps)
    before, swaps.seconds = swaps.count, []
    _lasting(FLAPPING_SECONDS, swaps.flap)
    figures |= {"swaps": swaps.count - before, "swap_median_s": statistics.median(swaps.seconds)}
    figures["swap_max_s"] = max(swaps.seconds)
    while swaps.count < MANY_SWAPS:
        swaps.to_next()
    figures["memory_200_mb"] = _settled_mb(live)
    figures["memory_ratio"] = figures["memory_200_mb"] / figures["memory_10_mb"]
    figures["memory_peak_mb"] = resident_mb(live.pid, peak=True)
    found = _found(asking)
    return figures | {
        "answers": len(found.answers),
        "not_answered": sum(one.status != 200 for one in found.answers),
        "closed": found.closed,
        "not_whole": sum(not one.is_whole for one in found.answers),
        "mixed": found.mixed,
        "p99_quiet_ms": 1000 * found.p99(quiet),
        "p99_loading_ms": 1000 * found.p99(loading),
        "p99_ratio": _p99_ratio(found, quiet, loading),
    }


def _settled_mb(live: subprocess.Popen[bytes]) -> float:
    time.sleep(SETTLING_SECONDS)
    return resident_mb(live.pid)


def _in_turns(swaps: "Swaps") -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """The spans without promotions, and those in which versions load one after the other."""
    quiet, loading = list[tuple[float, float]](), list[tuple[float, float]]()
    for _ in range(ROUNDS):
        quiet.append(_lasting(QUIET_SECONDS, lambda: time.sleep(0.1)))
        loading.append(_lasting(LOADING_SECONDS, swaps.to_next))
    return quiet, loading


def _p99_ratio(found: Asking, quiet: list[tuple[float, float]], loading: list[tuple[float, float]]) -> float:
    return statistics.median(found.p99([b]) / found.p99([a]) for a, b in zip(quiet, loading, strict=True))


def _found(asking: Connection) -> Asking:
    """End the process that asks; what it has found."""
    asking.send(None)
    found: Asking = asking.recv()
    return found


def _lasting(seconds: float, work: Callable[[], object]) -> tuple[float, float]:
    """Do something again and again for so many seconds; returns the span."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        work()
    return begun, time.monotonic()


class Swaps:
    """Promotes versions as `nowcast promote` does, and waits until the service answers with them."""

    def __init__(self, region: Region, store: Store, port: int) -> None:
        self._region, self._store, self._port = region, store, port
        self.count = self._flapped = 0
        self.seconds: list[float] = []
        self._turns = cycle(GOOD)
        next(self._turns)  # it answers already

    def to_next(self) -> None:
        """Promote the version whose turn it is."""
        self.to(next(self._turns))

    def to(self, version: str) -> None:
        """Promote a version, and wait for its first answer."""
        moved = self._promote(version)
        while self._version() != version:
            if time.monotonic() - moved > PATIENCE_SECONDS:
                raise TimeoutError(f"Version {version} does not answer.")
            time.sleep(0.005)
        self.count += 1
        self.seconds.append(time.monotonic() - moved)

    def flap(self) -> None:
        """Promote the other one of two versions; every tenth time the broken one before it."""
        self._flapped += 1
        if self._flapped % 10 == 0:
            self._promote(BROKEN)
            time.sleep(BROKEN_SECONDS)
        self.to(next(one for one in GOOD[:2] if one != self._version()))

    def _promote(self, version: str) -> float:
        mlflow_client.promote(self._region, version, decision=YES, person="the benchmark", reason="")
        moved = time.monotonic()
        tell_promotion(self._store, self._region.name, version, "is in production", person="it", reason="")
        return moved

    def _version(self) -> str:
        # The server closes a connection that is silent for five seconds.
        with socket.create_connection((HOST, self._port)) as connection:
            body = exchange(connection, request(PRESENT))[2]
        return str(json.loads(body)["model"]["version"])


def _register(region: Region, bundles: list[Bundle], folder: Path) -> None:
    """Register models as versions 1, 2 ..., the first one in production."""
    for number, bundle in enumerate(bundles, start=1):
        place = folder / f"bundle {number}"
        bundle.save(place)
        with mlflow_client.run(region, "train") as run:
            mlflow_client.register(bundle, place, run_id=run.id, metrics={}, tags={})
    mlflow_client.promote(region, GOOD[0], decision=YES, person="the benchmark", reason="")


@contextmanager
def _asking(port: int) -> Iterator[Connection]:
    """A process that asks all the time; whatever is sent to the connection ends it, and it sends what it has found."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_ask, args=(port, there))
    process.start()
    try:
        yield here
    finally:
        process.terminate()
        process.join()


def _ask(port: int, stop: Connection) -> None:
    asked, found = request(PRESENT), Asking()
    with selectors.DefaultSelector() as selector:
        begun = time.monotonic()
        for number in range(CONNECTIONS):
            one = Asked(socket.create_connection((HOST, port)), begun + number / CONNECTIONS / A_SECOND)
            selector.register(one.connection, selectors.EVENT_READ, one)
        waiting = [key.data for key in selector.get_map().values()]
        while not stop.poll():
            now = time.monotonic()
            for one in [one for one in waiting if one.due <= now]:
                one.connection.sendall(asked)
                waiting.remove(one)
            nearest = min((one.due for one in waiting), default=now + 0.01)
            for key, _ in selector.select(max(0.0, min(nearest - now, 0.01))):
                one = key.data
                part = one.connection.recv(262144)
                if not part:
                    found.closed += 1
                    selector.unregister(one.connection)
                    continue
                one.received += part
                if one.is_whole:
                    head, _, body = one.received.partition(b"\r\n\r\n")
                    found.add(one.due, time.monotonic(), head, body)
                    one.received, one.due = b"", one.due + 1 / A_SECOND
                    waiting.append(one)
    stop.recv()
    stop.send(found)


@dataclass(eq=False)
class Asked:
    """A connection: when its next request is due, and what has come of the answer so far."""

    connection: socket.socket
    due: float
    received: bytes = b""

    @property
    def is_whole(self) -> bool:
        """Whether the answer has come to its end."""
        head, end, body = self.received.partition(b"\r\n\r\n")
        length = next((line[15:] for line in head.split(b"\r\n") if line.startswith(b"content-length:")), b"0")
        return bool(end) and len(body) >= int(length)


if __name__ == "__main__":
    sys.exit(main())
