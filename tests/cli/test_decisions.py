"""The commands mark and adjust: decisions beside the tables, with a person and a reason."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from power_nowcast.cli import app
from power_nowcast.ingest import ReplayClock
from power_nowcast.live.clock import note_clock
from power_nowcast.live.interventions import interventions
from power_nowcast.settings import settings
from power_nowcast.store import Store

RUN = CliRunner()
LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
PLAYED = datetime(2019, 6, 20, 12, tzinfo=UTC)
UNTIL = ["--until", f"{LATER:%Y-%m-%dT%H:%M}Z"]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NOWCAST_DATA", str(tmp_path))
    monkeypatch.setenv("NOWCAST_OWNER", "the owner")
    settings.cache_clear()
    yield Store(tmp_path)
    settings.cache_clear()


def test_a_mark_and_an_adjustment_are_kept(store: Store) -> None:
    done = RUN.invoke(app, ["mark", "NORTH", *UNTIL, "--reason", "the meter drifts", "--region", "nyiso"])
    assert done.exit_code == 0, done.output
    assert f"NORTH does not count until {LATER:%Y-%m-%d %H:%M} UTC." in done.output
    done = RUN.invoke(
        app, ["adjust", "NYCA", "-150", *UNTIL, "--reason", "an event", "--person", "A", "--region", "nyiso"]
    )
    assert done.exit_code == 0, done.output
    assert "NYCA is adjusted by -150 MW until" in done.output
    assert RUN.invoke(app, ["adjust", "NYCA", "+75.5", *UNTIL, "--reason", "more", "--region", "nyiso"]).exit_code == 0
    found = interventions(store, "nyiso", known_at=datetime.now(UTC))
    told = [(one.kind, one.series, one.mw, one.reason, one.person) for one in found]
    assert told == [
        ("mark", "NORTH", 0.0, "the meter drifts", "the owner"),
        ("adjust", "NYCA", -150.0, "an event", "A"),
        ("adjust", "NYCA", 75.5, "more", "the owner"),
    ]
    assert all(one.since == one.at and one.until == LATER.replace(second=0) for one in found)


def test_in_a_replay_the_time_of_its_service_counts(store: Store) -> None:
    note_clock(store, "nyiso", ReplayClock(PLAYED))
    done = RUN.invoke(app, ["mark", "NORTH", "--until", "2019-06-20T18:00Z", "--reason", "it drifts", "-r", "nyiso"])
    assert done.exit_code == 0, done.output
    (found,) = interventions(store, "nyiso", known_at=PLAYED + timedelta(minutes=5))
    assert PLAYED <= found.at == found.since < PLAYED + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["mark", "NYCA", *UNTIL, "--reason", "x"], "sum of the zones"),
        (["mark", "MOON", *UNTIL, "--reason", "x"], "no series"),
        (["mark", "NORTH", *UNTIL, "--reason", " "], "needs a reason"),
        (["adjust", "NYCA", "much", *UNTIL, "--reason", "x"], "as a number"),
        (["adjust", "NYCA", "+1", *UNTIL], "--reason"),
    ],
)
def test_what_cannot_be_decided_is_refused(store: Store, given: list[str], said: str) -> None:
    done = RUN.invoke(app, [*given, "--region", "nyiso"])
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
    assert not interventions(store, "nyiso", known_at=datetime.now(UTC))


def test_the_present_ends_a_decision(store: Store) -> None:
    assert RUN.invoke(app, ["mark", "NORTH", *UNTIL, "--reason", "x", "--region", "nyiso"]).exit_code == 0
    past = f"{datetime.now(UTC) - timedelta(minutes=1):%Y-%m-%dT%H:%M}Z"
    assert (
        RUN.invoke(app, ["mark", "NORTH", "--until", past, "--reason", "wrong zone", "--region", "nyiso"]).exit_code
        == 0
    )
    first, last = interventions(store, "nyiso", known_at=datetime.now(UTC))
    assert last.until <= last.at < first.until
