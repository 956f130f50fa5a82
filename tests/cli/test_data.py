"""The commands that look after the tables."""

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import call
from tests.small_job import write_region


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, work_in) -> Path:
    made = write_region(work_in(tmp_path_factory.mktemp("care")), "careland")
    assert call("data", "status", "-r", made).exit_code == 1
    assert call("ingest", "-r", made).exit_code == 0
    return made


def test_status_says_stale_by_its_exit_code(file: Path) -> None:
    done = call("data", "status", "-r", file)
    assert done.exit_code == 1
    assert "stale" in done.stdout
    told = json.loads(call("data", "status", "-r", file, "--json").stdout)
    assert {one["table"] for one in told} == {"power", "weather"}
    assert told[0]["rows"] > 1000


def test_gaps_and_verify_find_nothing(file: Path) -> None:
    for command in (("gaps",), ("gaps", "--fill"), ("verify",)):
        done = call("data", *command, "-r", file)
        assert done.exit_code == 0, done.output


def test_tables_are_tidied(file: Path) -> None:
    assert "files merged" in call("data", "compact", "-r", file).stdout
    assert "files deleted" in call("data", "vacuum", "-r", file).stdout
