"""The plugin that counts skips, on small suites of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import allowed

ROOT = Path(__file__).parents[2]
LISTED = [
    {"test": "tests/test_a.py::*", "says": "^no reason$", "why": ""},
    {"test": "tests/*", "says": "no data", "why": "", "unless": "DATA"},
]


@pytest.mark.parametrize(
    ("test", "reason", "environment", "fine"),
    [
        ("tests/test_a.py::test_x", "no reason", {}, True),
        ("tests/test_a.py::test_x", "no reason at all", {}, False),
        ("tests/test_b.py::test_x", "no reason", {}, False),
        ("tests/test_b.py::test_x", "there are no data", {}, True),
        ("tests/test_b.py::test_x", "there are no data", {"DATA": "here"}, False),
    ],
)
def test_a_skip_is_listed_by_test_and_reason(test: str, reason: str, environment: dict[str, str], fine: bool) -> None:
    assert allowed(LISTED, test, reason, environment) is fine


@pytest.mark.integration
@pytest.mark.parametrize(
    ("body", "code", "says", "workers"),
    [
        ("def test_x():\n    pass\n", 0, "1 passed", "0"),
        ("@pytest.mark.skip(reason='boto3 is installed')\ndef test_x():\n    pass\n", 1, "test_x: boto3 is", "1"),
        ("pytest.importorskip('no_such_module')\n", 1, "could not import 'no_such_module'", "0"),
        ("def test_x():\n    pytest.skip('NOWCAST_BENCH_DATA names no folder')\n", 0, "1 skips, 1 of them listed", "1"),
    ],
)
def test_a_skip_that_is_not_listed_fails(tmp_path: Path, body: str, code: int, says: str, workers: str) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / "tests/test_a.py").write_text(f"import pytest\n\n\n{body}")
    known = {name: value for name, value in os.environ.items() if not name.startswith(("NOWCAST", "PYTEST", "COV"))}
    plugins = ["-p", "tests.skips", "-p", "no:cacheprovider", "-n", workers]
    told = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, str(tmp_path / "tests")],
        cwd=ROOT, env=known, capture_output=True, text=True,
    )  # fmt: skip
    assert told.returncode == code, told.stdout + told.stderr
    assert says in told.stdout
