"""The way of somebody with a feeder's CSV: region file, main job, nowcast, API, with no edit by hand."""

import json
import os
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.feeder import MISSING, grow, since_a_clock_change, write_feeder

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]  # a run on a busy machine
COMMAND = [sys.executable, "-m", "power_nowcast.cli"]
SECONDS = 360
"""The whole way takes less processor time than this."""


def call(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _environment() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("NOWCAST_", "MLFLOW_"))}
    return own | {"NOWCAST_WORKERS": "1", "COLUMNS": "200"}


@contextmanager
def api(folder: Path) -> Iterator[str]:
    """The address of `nowcast api`, while it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [*COMMAND, "api", "--region", "feeder", "--port", str(port)],
        cwd=folder,
        env=_environment(),
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def asked(address: str, path: str) -> Any:
    """The answer, as soon as the server answers with 200."""
    until = time.monotonic() + 120
    while True:
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{address}{path}", timeout=30)
            if answer.status_code == 200 or time.monotonic() > until:
                assert answer.status_code == 200, answer.text
                return answer.json()
        time.sleep(0.5)


def test_from_a_feeders_csv_to_the_api_without_an_edit_by_hand(tmp_path: Path) -> None:
    begun = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    now, file = datetime.now(UTC), tmp_path / "feeder.csv"
    end = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0) - timedelta(hours=1)
    days = since_a_clock_change(now)
    write_feeder(file, end, days)

    said = call(tmp_path, "regions", "new", "feeder.csv", "--timezone", "Europe/Berlin")
    assert re.search(r"Without value +14 of ", said)
    assert re.search(r"Fell out +not a number 1\n", said)
    following = re.search(r"Next +nowcast (.*)", said)
    assert following is not None

    said = call(tmp_path, *following[1].split())
    assert "In production  power-nowcast-feeder version" in said
    assert "MAE kW" in said
    assert re.search(r"make api REGION=feeder +http", said)
    shown = re.search(r"Fell out +1 rows \(not a number 1\): nowcast (.*)", said)
    assert shown is not None
    assert re.search(r"'n/a' of Leistung at '[\d.]+ [\d:]+' in feeder\.csv", call(tmp_path, *shown[1].split()))
    assert re.search(r"Leistung in 60 min: \d+ kW, 80 % within \d+ to \d+", said)

    answer = json.loads(call(tmp_path, "now", "--region", "feeder", "--json"))
    assert (answer["region"], len(answer["nowcasts"])) == ("feeder", 1)
    (status,) = json.loads(call(tmp_path, "data", "status", "--region", "feeder", "--json"))
    assert (status["missing"], status["quarantined"], status["freshness"]) == (MISSING, 1, "archive")

    grow(file, end, end + timedelta(hours=1))
    call(tmp_path, "ingest", "--region", "feeder")
    (status,) = json.loads(call(tmp_path, "data", "status", "--region", "feeder", "--json"))
    assert status["freshness"] == "fresh"
    with api(tmp_path) as address:
        assert asked(address, "/readyz")["ready"]
        (card,) = asked(address, "/v1/regions")
        assert (card["name"], card["archive"]) == ("feeder", False)
        served = asked(address, "/v1/nowcast/feeder?series=Leistung&horizon=60")
    assert (served["region"], served["live"], served["flags"]) == ("feeder", True, [])
    taken = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - begun
    assert taken < SECONDS, f"{taken:.0f} s of processor time"
