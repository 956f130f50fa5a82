"""The commands alarms and check: a list, what people do about one, and a line with an exit code."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from power_nowcast.cli import app
from power_nowcast.settings import settings
from power_nowcast.store import Store
from power_nowcast.store.events import Event, Kind, events, note

RUN = CliRunner()
NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(hours=2)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NOWCAST_DATA", str(tmp_path))
    monkeypatch.setenv("NOWCAST_OWNER", "the owner")
    settings.cache_clear()
    made = Store(tmp_path)
    note(made, [Event("nyiso", NOW - timedelta(hours=1), Kind.RAISED, "It is 11. Do this.", "loss of a day")])
    yield made
    settings.cache_clear()


def test_alarms_are_listed_acknowledged_and_shelved(store: Store) -> None:
    done = RUN.invoke(app, ["alarms", "--region", "nyiso", "--json"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.output)
    assert (row["alarm"], row["severity"], row["acknowledged_by"]) == ("loss of a day", "warning", "")
    done = RUN.invoke(app, ["alarms", "loss of a day", "--ack", "--region", "nyiso", "--person", "ann"])
    assert done.exit_code == 0, done.output
    assert "ann" in done.output
    until = f"{LATER:%Y-%m-%dT%H:%M}Z"
    done = RUN.invoke(app, ["alarms", "loss of a day", "--shelve", until, "--region", "nyiso"])
    assert done.exit_code == 0, done.output
    assert f"{LATER:%Y-%m-%d %H:%M}" in done.output
    told = events(store, "nyiso", NOW - timedelta(minutes=1), LATER)
    assert [(one.kind, one.person) for one in told] == [(Kind.ACKNOWLEDGED, "ann"), (Kind.SHELVED, "the owner")]


def test_an_alarm_that_does_not_stand_is_refused(store: Store) -> None:
    done = RUN.invoke(app, ["alarms", "slow loop", "--ack", "--region", "nyiso"])
    assert done.exit_code == 2
    assert "no alarm 'slow loop'" in done.output
    done = RUN.invoke(app, ["alarms", "--ack", "--region", "nyiso"])
    assert done.exit_code == 2
    assert "Name one that stands: 'loss of a day'." in done.output


def test_no_alarm_is_one_line(store: Store) -> None:
    done = RUN.invoke(app, ["alarms", "--region", "victoria"])
    assert (done.exit_code, done.output.strip()) == (0, "No alarm of victoria stands.")


def test_the_check_is_one_line_and_an_exit_code(store: Store) -> None:
    done = RUN.invoke(app, ["check", "--region", "nyiso"])
    assert done.exit_code == 2
    (line,) = done.output.splitlines()
    assert line.startswith("CRITICAL: nyiso: nothing has been published: nowcast live; alarms: loss of a day since ")


def test_the_check_needs_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOWCAST_DATA", str(tmp_path / "none"))
    settings.cache_clear()
    try:
        done = RUN.invoke(app, ["check", "--region", "nyiso"])
        assert done.exit_code in (1, 2)
        assert "OK" not in done.output
    finally:
        settings.cache_clear()
