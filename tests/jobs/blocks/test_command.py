"""`nowcast run` and `nowcast live` of a region of more than a hundred zones, as a user starts them."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from power_nowcast.jobs.blocks.plan import blocks_of
from power_nowcast.live.records import published
from tests.jobs.blocks.small_grid import DAYS, START, job_of, write_region

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
COMMAND = (sys.executable, "-m", "power_nowcast.cli")
ZONES = 104


def test_a_region_of_many_zones_is_run_and_followed(tmp_path: Path) -> None:
    file = write_region(tmp_path, ZONES)
    environment = os.environ | {
        "NOWCAST_DATA": str(tmp_path / "data"),
        "NOWCAST_ARTIFACTS": str(tmp_path / "artifacts"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "OMP_NUM_THREADS": "1",
    }
    parts = ("--every", "30", "--valid-days", "4", "--test-days", "2")
    done = subprocess.run(
        [*COMMAND, "run", "--region", str(file), *parts], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"{ZONES} zones are nowcast" in done.stdout
    last = START + timedelta(days=DAYS)
    blocks = blocks_of(job_of(file))
    assert [len(block.region.zones) for block in blocks] == [50, 50, 4]
    for block in blocks:
        assert [one.issue_time for one in published(block.store(), block.name, START, last)] == [last]

    # The archive ends in the past: a live step tells of every block that nothing is new enough.
    live = subprocess.Popen(
        [*COMMAND, "live", "--region", str(file)], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert live.stderr is not None
    told = ""
    while "0 zones in" not in told:
        line = live.stderr.readline()
        assert line, told
        told += line
    live.send_signal(signal.SIGINT)
    live.communicate(timeout=60)
    assert live.returncode == 130
