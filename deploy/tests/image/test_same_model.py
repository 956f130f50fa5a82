"""The main job of a small region makes in the image what it makes outside."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from containers import PYTHON, REPOSITORY, Engine

pytestmark = pytest.mark.image
OUTSIDE = REPOSITORY / ".venv/bin/python"
WRITE = """
import sys
from pathlib import Path
from tests.small_job import write_region
write_region(Path(sys.argv[1]), "backland")
"""
THREADS = {f"{library}_NUM_THREADS": "1" for library in ("MKL", "NUMBA", "OMP", "OPENBLAS")}
"""The last bits of a linear fit depend on the number of threads; the tests of the other backends have one."""
SAME = ("digest", "metrics", "refused", "files", "manifests")


def _made(printed: str) -> dict[str, Any]:
    return json.loads(printed.strip().splitlines()[-1].removeprefix("made "))


def _outside(folder: Path, *words: str) -> str:
    places = {f"NOWCAST_{name}": f"{folder}/{name.lower()}" for name in ("DATA", "ARTIFACTS", "REPORTS")}
    own = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(REPOSITORY), "NOWCAST_OWNER": "tester"}
    environment = {
        **own,
        **places,
        **THREADS,
        "NOWCAST_WORKERS": "1",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
    }
    done = subprocess.run(
        [OUTSIDE, *words], env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_image_makes_the_model_of_the_environment_outside(engine: Engine, image: str, tmp_path: Path) -> None:
    _outside(tmp_path, "-c", WRITE, str(tmp_path))
    file = tmp_path / "backland.toml"
    job = ("-m", "tests.backends.main_job", str(file))
    expected = _made(_outside(tmp_path, *job))
    subprocess.run(["chmod", "-R", "a+rX", str(tmp_path)], check=True)
    mounted = [f"--volume={REPOSITORY / 'tests'}:/checks/tests:ro", f"--volume={tmp_path}:{tmp_path}:ro"]
    settings = ["--env=PYTHONPATH=/checks", "--env=NOWCAST_OWNER=tester", "--env=NOWCAST_WORKERS=1"]
    settings += [f"--env={name}={value}" for name, value in THREADS.items()]
    options = (*mounted, *settings, "--volume=/var/lib/power-nowcast")
    found = _made(engine.run(image, *job, options=options, program=PYTHON, timeout=1200).stdout)
    assert {name: found[name] for name in SAME} == {name: expected[name] for name in SAME}
    subprocess.run([OUTSIDE, "-m", "tests.backends.ways", "image", json.dumps(found)], cwd=REPOSITORY, check=True)
