"""Schemathesis asks a running live service whatever its own description allows, and some that it does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.test_live_process import running, save_model

pytestmark = pytest.mark.slow
SEED, EXAMPLES = 19, 20


@pytest.mark.timeout(900)
def test_it_finds_nothing(tmp_path: Path) -> None:
    save_model(tmp_path)
    with running(tmp_path, speed=1) as (_, url):
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"]
        # A stream has no end. What a schema allows may still lie before all data, or be too short a history. Who brings
        # no key is told so (401) before anything is said about methods (405).
        unwanted = "positive_data_acceptance,unsupported_method"
        left_out = ["--exclude-path-regex", "/stream/", "--exclude-checks", unwanted]
        drawn = ["--seed", str(SEED), "--max-examples", str(EXAMPLES), "--generation-database", "none"]
        # A machine that also runs other tests may take long over an answer.
        told = ["--no-color", "--continue-on-failure", "--request-timeout", "60"]
        done = subprocess.run(
            [*command, *left_out, *drawn, *told], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    log = (tmp_path / "log").read_text()
    assert "ERROR" not in log, log[-5_000:]
