"""The commands that look after the data, as a user types them."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from power_nowcast import cli
from power_nowcast.cli import base
from tests.small_job import write_region


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(one) for one in arguments])


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base.console, "width", 1000)
    monkeypatch.setattr(base.log, "width", 1000)


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory, work_in) -> Path:
    """A region that is ingested; the last day of its load stands in a file that comes later."""
    folder = work_in(tmp_path_factory.mktemp("data"))
    file = write_region(folder, "careland", days=6)
    lines = (folder / "power.csv").read_text().splitlines()
    missing = lines[100:110]
    (folder / "power.csv").write_text("\n".join(lines[:100] + lines[110:]) + "\n")
    assert call("ingest", "--region", file).exit_code == 0
    (folder / "later.txt").write_text("\n".join([lines[0], *missing]) + "\n")
    return file


def test_status_for_people_and_for_machines(toml: Path) -> None:
    shown = call("data", "status", "--region", toml)
    assert shown.exit_code == 0
    assert "archive" in shown.stdout
    told = json.loads(call("data", "status", "--region", toml, "--json").stdout)
    assert [(one["table"], one["freshness"], one["gaps"]) for one in told] == [
        ("power", "archive", 2),
        ("weather", "archive", 0),
    ]
    assert call("data", "status", "--region", "victoria").exit_code == 1, "nothing is ingested"


def test_quarantine_for_people_and_for_machines(toml: Path) -> None:
    shown = call("data", "quarantine", "--region", toml)
    assert (shown.exit_code, shown.stdout) == (0, "Nothing fell out of the data of Toyland.\n")
    assert json.loads(call("data", "quarantine", "--region", toml, "--json").stdout) == []


def test_verify_says_what_is_right(toml: Path) -> None:
    shown = call("data", "verify", "--region", toml, "--json")
    assert shown.exit_code == 0
    assert {one["state"] for one in json.loads(shown.stdout)} <= {"ok", "warn"}


def test_rebuild_gives_the_same_digests(toml: Path, tmp_path: Path) -> None:
    shown = call("data", "rebuild", "--region", toml, "--into", tmp_path / "again", "--json")
    assert shown.exit_code == 0
    assert [one["same"] for one in json.loads(shown.stdout)] == ["yes", "yes"]
    refused = call("data", "rebuild", "--region", toml, "--into", tmp_path / "again")
    assert refused.exit_code == 1
    assert "empty folder" in refused.stderr


def test_gaps_are_listed_and_filled(toml: Path) -> None:
    listed = call("data", "gaps", "--region", toml, "--json")
    assert listed.exit_code == 1
    assert [one["slots"] for one in json.loads(listed.stdout)] == [10, 10]
    (toml.parent / "later.txt").rename(toml.parent / "power-later.csv")
    filled = call("data", "gaps", "--region", toml, "--fill")
    assert filled.exit_code == 0, filled.output
    assert "20 rows stored" in filled.stderr
    assert "No gap" in filled.stdout


def test_compact_and_vacuum_tell_what_they_did(toml: Path) -> None:
    assert "merged" in call("data", "compact", "--region", toml).stdout
    assert "deleted" in call("data", "vacuum", "--region", toml).stdout


def test_doctor_fails_where_a_source_does(toml: Path) -> None:
    well = call("doctor", "--region", toml, "--json")
    assert well.exit_code == 0, well.output
    assert json.loads(well.stdout)[0]["name"] == "python"
    sick = toml.parent / "sick.toml"
    sick.write_text(toml.read_text().replace("careland", "sickland").replace("weather*.csv", "nowhere*.csv"))
    shown = call("doctor", "--region", sick)
    assert shown.exit_code == 1
    assert "nowhere*.csv" in shown.stdout


@pytest.mark.parametrize("command", ["status", "gaps", "verify", "rebuild", "compact", "vacuum"])
def test_each_has_help(command: str) -> None:
    assert call("data", command, "--help").exit_code == 0
