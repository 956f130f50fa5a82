"""A running service takes a new version and goes back, while it answers: what an operator sees, in a minute.

It copies two versions of `make run` into a registry of its own, so that nothing of the user's changes: the version in
production, and as its predecessor the best of the others. Then it starts `nowcast live` on the replayed sample, asks
it all the time, and runs `nowcast promote` and `nowcast promote --rollback`.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from power_nowcast import mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.train import VALID_LOSS
from power_nowcast.evaluate.promotion import Decision
from power_nowcast.jobs.readout import SWAP, SWAP_FILE
from power_nowcast.regions import Region, load
from power_nowcast.report.readout import Swap
from power_nowcast.settings import settings

NOWCAST = [sys.executable, "-m", "power_nowcast.cli"]
FOLDER = Path("demo/swap")
"""Where the demo keeps its own; a later run begins anew."""
COPIED = ("documents", "features")
"""What a promotion reads besides the tables, which are replayed."""
PATIENCE_SECONDS = 300.0
ASK_SECONDS = 0.05


@dataclass
class Watched:
    """A service that is asked all the time.

    Attributes:
        url: its address of the present.
        process: the service.
        answers: number of answers so far; each was complete and of one version.
        refused: number of refusals so far, because the newest nowcast was late.
    """

    url: str
    process: subprocess.Popen[bytes]
    answers: int = 0
    refused: int = 0
    first: dict[str, Any] = field(default_factory=dict)
    client: httpx.Client = field(default_factory=httpx.Client)

    def ask(self) -> dict[str, Any] | None:
        """The present answer, None if the service refuses. An error ends the demo."""
        answer = self.client.get(self.url)
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            self.refused += 1
            return None
        answer.raise_for_status()
        self.answers += 1
        told: dict[str, Any] = answer.json()
        return told

    def until(self, version: str, command: subprocess.Popen[str]) -> tuple[dict[str, Any], datetime]:
        """The first answer of a version, with its time, asked for while a command runs; then the command has ended."""
        first, end = None, time.monotonic() + PATIENCE_SECONDS
        while first is None or command.poll() is None:
            told = self.ask()
            if first is None and told is not None and told["model"]["version"] == version:
                first = told, datetime.now(UTC)
            if command.poll() not in (None, 0) or time.monotonic() > end:
                raise SystemExit(f"Version {version} does not answer. {command.communicate()[0]}")
            time.sleep(ASK_SECONDS)
        return first


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--region", default="nyiso", help="a region, or a region's file")
    parser.add_argument("--tables", type=Path, default=Path("data"), help="the tables of `make run`")
    parser.add_argument("--start", default="2019-06-30 12:00", help="first replayed time, UTC")
    options = parser.parse_args()
    if not (options.tables / "documents").is_dir():
        print(f"There are no tables of `make run` in {options.tables}: run it first.", file=sys.stderr)
        return 1
    region = load(options.region)
    shutil.rmtree(FOLDER, ignore_errors=True)
    for part in COPIED:
        shutil.copytree(options.tables / part, FOLDER / "data" / part)
    environment = dict(os.environ)
    prepare(region, FOLDER.absolute())
    say("clock", "version", "digest", "nowcast", "what happened")
    with service(options, region) as watched:
        seen = [show(region, watched.first, "version 1 answers")]
        for arguments, version in ((("--version", "2"), "2"), (("--rollback",), "1")):
            say("", "", "", "", f"$ nowcast promote {' '.join(arguments)}")
            told, at = watched.until(version, begin(options.region, "promote", *arguments, "--reason", "the demo"))
            moved = datetime.fromisoformat(mlflow_client.history(region)[-1].at)
            seen.append(show(region, told, f"nowcast promote {' '.join(arguments)}", (at - moved).total_seconds()))
        refused = f"; {watched.refused:,} times the nowcast was late" if watched.refused else ""
        print(f"\nProcess {watched.process.pid} gave {watched.answers:,} answers, each of one version{refused}.")
    track(region, seen, watched, environment)
    return 0


def track(region: Region, seen: list[Swap], watched: Watched, environment: dict[str, str]) -> None:
    """Log what was seen as a run in the registry of the user, whose environment comes back."""
    os.environ.clear()
    os.environ |= environment
    settings.cache_clear()
    with mlflow_client.run(region, SWAP) as run:
        run.metrics({"answers": watched.answers, "refused": watched.refused})
        run.json(SWAP_FILE, [asdict(one) for one in seen])


def prepare(region: Region, folder: Path) -> None:
    """Two versions in a registry of its own, which the settings name from then on; the first is in production."""
    known = mlflow_client.versions(region)
    best = mlflow_client.by_alias(region, mlflow_client.PRODUCTION)
    others = [one for one in known if best and one.digest != best.digest and VALID_LOSS in one.metrics]
    if best is None or not others:
        raise SystemExit("The registry has no version in production, or no other one: run `make run` first.")
    # The promotion is a real one. Another kind of model may be better in a single series, and the rule refuses then.
    second = min(others, key=lambda one: one.metrics[VALID_LOSS])
    found = [(mlflow_client.download(region, one.version, folder / "fetched")[0], one) for one in (second, best)]
    os.environ |= {
        "NOWCAST_DATA": str(folder / "data"),
        "NOWCAST_ARTIFACTS": str(folder / "artifacts"),
        "NOWCAST_REPORTS": str(folder / "reports"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "NOWCAST_OWNER": "the demo",
    }
    settings.cache_clear()
    for place, one in found:
        bundle = Bundle.load(place, one.digest)
        with mlflow_client.run(region, "demo") as run:
            mlflow_client.register(bundle, place, run_id=run.id, metrics=one.metrics, tags={"kind": one.kind})
    first = Decision(True, ("The demo begins with it.",))
    mlflow_client.promote(region, "1", decision=first, person="the demo", reason="the first")


@contextmanager
def service(options: argparse.Namespace, region: Region) -> Iterator[Watched]:
    """`nowcast live` on the replayed tables, from its first answer on; it ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    replay = ("--replay", options.start, "--speed", "20", "--data", str(options.tables), "--port", str(port))
    log = FOLDER / "live.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*NOWCAST, "live", "--region", options.region, *replay], stdout=file, stderr=subprocess.STDOUT
        )
        try:
            watched = Watched(f"http://127.0.0.1:{port}/v1/nowcast/{region.name}", process)
            end = time.monotonic() + PATIENCE_SECONDS
            while not is_up(watched):
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"The service does not answer; see {log}.")
                time.sleep(0.1)
            watched.refused = 0
            yield watched
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def is_up(watched: Watched) -> bool:
    """Whether the service has answered."""
    try:
        watched.first = watched.ask() or {}
    except httpx.TransportError:
        return False
    return bool(watched.first)


def begin(region: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a command of the product."""
    command = [*NOWCAST, arguments[0], "--region", region, *arguments[1:]]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def show(region: Region, told: dict[str, Any], what: str, seconds: float | None = None) -> Swap:
    """Print a line about an answer, and return it."""
    first, model = told["nowcasts"][0], told["model"]
    middle = first["quantiles"]["q50"][-1]
    in_words = f"{first['series']} {middle:,.0f} {region.unit} at {told['valid_at'][-1][11:16]}"
    seen = Swap(told["issue_time"][11:16], model["version"], model["digest"][:12], in_words, what, seconds)
    after = what if seconds is None else f"{seconds:.2f} s after the registry's alias moved"
    say(seen.clock, seen.version, seen.digest, seen.nowcast, after)
    return seen


def say(clock: str, version: str, digest: str, nowcast: str, what: str) -> None:
    print(f"{clock:6} {version:8} {digest:13} {nowcast:28} {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
