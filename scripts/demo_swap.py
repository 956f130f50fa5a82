"""A running service takes a new version and goes back, while it answers: what an operator sees, in a minute.

It copies the tables of `make run` and trains two small versions in a registry of its own, so that nothing of the user's
changes; a later run finds the versions. Then it starts `nowcast live` on the replayed sample, asks it all the time, and
runs `nowcast promote` and `nowcast promote --rollback`.
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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from power_nowcast import mlflow_client
from power_nowcast.regions import Region, load

NOWCAST = [sys.executable, "-m", "power_nowcast.cli"]
OWN_TABLES = ("nowcasts", "shadows", "events")
"""Tables of a live service: the demo begins without any."""
ROUNDS = (5, 20)
"""Boosting rounds of the two versions: the second one is better, so that the rule of promotion accepts it."""
PATIENCE_SECONDS = 120.0
ASK_SECONDS = 0.02


@dataclass
class Watched:
    """A service that is asked all the time.

    Attributes:
        url: its address of the present.
        process: the service.
        answers: number of answers so far; each was complete and of one version.
    """

    url: str
    process: subprocess.Popen[bytes]
    answers: int = 0
    client: httpx.Client = field(default_factory=httpx.Client)

    def ask(self) -> dict[str, Any]:
        """The present answer. A status other than 200 ends the demo."""
        answer = self.client.get(self.url)
        if answer.status_code != httpx.codes.OK:
            raise SystemExit(f"The service answers {answer.status_code}: {answer.text}")
        self.answers += 1
        told: dict[str, Any] = answer.json()
        return told

    def until(self, version: str, command: subprocess.Popen[str]) -> tuple[dict[str, Any], datetime]:
        """The first answer of a version, with its time, asked for while a command runs; then the command has ended."""
        first, end = None, time.monotonic() + PATIENCE_SECONDS
        while first is None or command.poll() is None:
            told = self.ask()
            if first is None and told["model"]["version"] == version:
                first = told, datetime.now(UTC)
            if command.poll() not in (None, 0) or time.monotonic() > end:
                raise SystemExit(f"Version {version} does not answer. {command.communicate()[0]}")
            time.sleep(ASK_SECONDS)
        return first


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--region", default="nyiso", help="a region, or a region's file")
    parser.add_argument("--tables", type=Path, default=Path("data"), help="the tables of `make run`")
    parser.add_argument("--folder", type=Path, default=Path("demo/swap"), help="where the demo keeps its own")
    parser.add_argument("--start", default="2019-06-30 12:00", help="first replayed time, UTC")
    options = parser.parse_args()
    if not (options.tables / "documents").is_dir():
        print(f"There are no tables of `make run` in {options.tables}: run it first.", file=sys.stderr)
        return 1
    os.environ |= {
        "NOWCAST_DATA": str(options.folder / "data"),
        "NOWCAST_ARTIFACTS": str(options.folder / "artifacts"),
        "NOWCAST_REPORTS": str(options.folder / "reports"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{options.folder.absolute()}/mlflow.db",
        "NOWCAST_OWNER": "the demo",
    }
    shutil.rmtree(options.folder / "data", ignore_errors=True)
    shutil.copytree(options.tables, options.folder / "data", ignore=shutil.ignore_patterns(*OWN_TABLES, "*.lock"))
    region = load(options.region)
    prepare(region, options.region)
    say("clock", "version", "digest", "nowcast", "what happened")
    with service(options, region) as watched:
        show(region, watched.ask(), "version 1 answers")
        for arguments, version in ((("--version", "2"), "2"), (("--rollback",), "1")):
            say("", "", "", "", f"$ nowcast promote {' '.join(arguments)}")
            told, at = watched.until(version, begin(options.region, "promote", *arguments, "--reason", "the demo"))
            moved = datetime.fromisoformat(mlflow_client.history(region)[-1].at)
            show(region, told, f"{(at - moved).total_seconds():.2f} s after the registry's alias moved")
        print(f"\n{watched.answers:,} answers of process {watched.process.pid}; each had status 200 and one version.")
    return 0


def prepare(region: Region, name: str) -> None:
    """Two versions in the demo's registry, the first one in production."""
    while len(mlflow_client.versions(region)) < len(ROUNDS):
        count = len(mlflow_client.versions(region))
        print(f"Training version {count + 1} ({ROUNDS[count]} rounds of LightGBM) ...", flush=True)
        finish(begin(name, "train", "--model", "lightgbm", "--n-estimators", str(ROUNDS[count])))
    current = mlflow_client.by_alias(region, mlflow_client.PRODUCTION)
    if current is None:
        finish(begin(name, "promote", "--version", "1", "--reason", "the first"))
    elif current.version != "1":
        finish(begin(name, "promote", "--rollback", "--reason", "the demo begins again"))


@contextmanager
def service(options: argparse.Namespace, region: Region) -> Iterator[Watched]:
    """`nowcast live` on the replayed tables, from its first answer on; it ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    replay = ("--replay", options.start, "--speed", "60", "--data", str(options.tables), "--port", str(port))
    log = options.folder / "live.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*NOWCAST, "live", "--region", options.region, *replay], stdout=file, stderr=subprocess.STDOUT
        )
        try:
            watched = Watched(f"http://127.0.0.1:{port}/v1/nowcast/{region.name}", process)
            end = time.monotonic() + PATIENCE_SECONDS
            while not answers(watched):
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"The service does not answer; see {log}.")
                time.sleep(0.1)
            yield watched
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def answers(watched: Watched) -> bool:
    """Whether the service has an answer."""
    try:
        return watched.client.get(watched.url).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def begin(region: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a command of the product."""
    command = [*NOWCAST, arguments[0], "--region", region, *arguments[1:]]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(command: subprocess.Popen[str]) -> None:
    """Wait for a command; one that fails ends the demo with its output."""
    told, _ = command.communicate()
    if command.returncode:
        raise SystemExit(told)


def show(region: Region, told: dict[str, Any], what: str) -> None:
    """A line about an answer."""
    first, model = told["series"][0], told["model"]
    middle = first["quantiles"]["q50"][-1]
    in_words = f"{first['series']} {middle:,.0f} {region.unit} at {told['valid_at'][-1][11:16]}"
    say(told["issue_time"][11:16], model["version"], model["digest"][:12], in_words, what)


def say(clock: str, version: str, digest: str, nowcast: str, what: str) -> None:
    print(f"{clock:6} {version:8} {digest:13} {nowcast:28} {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
