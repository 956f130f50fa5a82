"""The steps of .github/workflows/model.yaml, run in their order on a small region with a model in production."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.small_job import write_region

WORKFLOW = Path(__file__).parents[1] / ".github/workflows/model.yaml"
PROGRAM = ".venv/bin/nowcast"
BEFORE = (
    "ingest",
    "features",
    "train --model lightgbm --n-estimators 30 --num-leaves 7",
    "evaluate",
    "promote",
)
"""Commands that put a first version into production."""


def _steps() -> list[tuple[str, str]]:
    """Job and command of each step that calls the product; the others are targets of make."""
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    found = [(name, step["run"]) for name, job in jobs.items() for step in job["steps"] if "run" in step]
    assert {command for _, command in found if not command.startswith(PROGRAM)} == {"make setup"}
    return [(name, command.removeprefix(f"{PROGRAM} ")) for name, command in found if command.startswith(PROGRAM)]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_steps_of_the_model_pipeline(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "NOWCAST_REGION": str(write_region(tmp_path, "pipeland", days=150)),
        "NOWCAST_OWNER": "tester",
        "GITHUB_RUN_ID": "17",
    }

    def run(command: str) -> str:
        words = f'"{sys.executable}" -m power_nowcast.cli {command}'
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    for command in BEFORE:
        run(command)
    told = {command: run(command) for _, command in _steps()}
    assert [job for job, _ in _steps()][-1] == "promote"
    assert list((tmp_path / "reports/comparison").glob("*.html"))
    assert "approved in run 17" in run("models")
    (promoted,) = (text for command, text in told.items() if command.startswith("promote"))
    assert "is in production." in promoted
