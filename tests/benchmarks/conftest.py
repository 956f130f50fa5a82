"""Modules of benchmarks/ are imported as its scripts import them: from that folder."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))


@pytest.fixture(scope="session")
def peers_python() -> Path:
    """The interpreter of the venv that has the libraries; tests that ask for it are left out where there is none."""
    named = Path(os.environ.get("NOWCAST_PEERS_PYTHON", ROOT / ".venv-peers/bin/python"))
    if not named.exists():
        pytest.skip("the libraries are not installed: make peers-venv, or name their python by NOWCAST_PEERS_PYTHON")
    return named
