"""The demo of a swap, on a small region: a real service, real commands, a registry of its own."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from power_nowcast import mlflow_client
from power_nowcast.collect import write_all
from power_nowcast.evaluate.promotion import Decision
from power_nowcast.jobs.features import make_features
from power_nowcast.jobs.readout import SWAP, SWAP_FILE
from power_nowcast.jobs.train import train
from power_nowcast.report.readout import Swap
from tests.small_job import PLAN, TINY, job_of, write_region

SCRIPT = Path(__file__).parents[2] / "scripts/demo_swap.py"


def demo(*arguments: str, seconds: float = 500) -> subprocess.CompletedProcess[str]:
    """A run of the demo, in a session of its own, which ends with all its processes."""
    command = [sys.executable, str(SCRIPT), *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        told, wrong = process.communicate(timeout=seconds)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(command, process.returncode, told, wrong)


@pytest.mark.integration
@pytest.mark.timeout(600)
def test_the_same_process_answers_with_one_version_then_the_other_and_goes_back(tmp_path: Path, work_in) -> None:
    folder = work_in(tmp_path)
    region = write_region(folder, "swapland")
    job = job_of(region)
    write_all(job.store, job.region)
    make_features(job, PLAN)
    train(job, "lightgbm", **(TINY | {"n_estimators": 10}))
    _, best = train(job, "lightgbm", **TINY)
    mlflow_client.promote(
        job.region, best.version, decision=Decision(True, ("Yes.",)), person="ada", reason="the first"
    )
    done = demo("--region", str(region), "--start", "2024-04-25 12:00")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\d\d:\d\d +(\d) +([0-9a-f]{12}) +ALL [\d,]+ MW at .*?  +(.*)$", done.stdout, re.MULTILINE)
    assert [row[0] for row in rows] == ["1", "2", "1"]
    assert rows[0][1] == rows[2][1] != rows[1][1] == best.digest[:12]
    assert all(re.fullmatch(r"\d+\.\d\d s after the registry's alias moved", row[2]) for row in rows[1:])
    assert re.search(r"^Process \d+ gave [\d,]+ answers, each of one version", done.stdout, re.MULTILINE)
    assert len(mlflow_client.history(job.region)) == 1, "the registry of the user is as it was"
    tracked = mlflow_client.newest(job.region, SWAP)
    assert tracked is not None
    steps = [Swap(**step) for step in tracked.json(SWAP_FILE)]
    assert [(one.version, one.digest) for one in steps] == [(row[0], row[1]) for row in rows]
    assert [f"{one.seconds:.2f}" for one in steps[1:]] == [row[2].split()[0] for row in rows[1:]]


def test_without_tables_it_says_what_to_run(tmp_path: Path) -> None:
    done = demo("--tables", str(tmp_path))
    assert done.returncode == 1
    assert "run it first" in done.stderr
