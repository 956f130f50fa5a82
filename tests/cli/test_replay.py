"""nowcast ingest --replay, as a user types it."""

import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from power_nowcast import cli
from power_nowcast.cli import base
from power_nowcast.contracts import Table
from power_nowcast.settings import settings
from power_nowcast.store import Store

START = ("--replay", "2014-10-01", "--speed", "3600")


@pytest.fixture(autouse=True)
def usual(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lines are not wrapped, and signals end what they ended before."""
    monkeypatch.setattr(base.log, "width", 1000)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def into(tmp_path_factory: pytest.TempPathFactory, work_in) -> Callable[[str], Path]:
    """Makes a folder of this name the one of the tables."""
    top = tmp_path_factory.mktemp("played")

    def enter(name: str) -> Path:
        work_in(top, NOWCAST_DATA=str(top / name))
        settings.cache_clear()
        return top / name

    return enter


def ingest(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, ["ingest", "--region", "victoria", *map(str, arguments)])


def test_the_sample_and_then_what_was_made_of_it(into: Callable[[str], Path]) -> None:
    first = into("first")
    result = ingest(*START, "--end", "2014-10-01T03:00")
    assert result.exit_code == 0
    assert "Z follow: 2" in result.stderr, "rows of nine months, and the replayed time"
    last = Store(first).last(Table.POWER, "victoria")
    assert last is not None
    assert datetime(2014, 10, 1, tzinfo=UTC) <= last < datetime(2014, 10, 2, tzinfo=UTC), (
        "the sample goes on to December"
    )
    second = into("second")
    result = ingest("--source", "replay", "--data", first)
    assert result.exit_code == 0
    assert Store(second).last(Table.POWER, "victoria") == last


def test_mistakes_are_told(into: Callable[[str], Path]) -> None:
    into("third")
    for arguments, told in (
        (("--replay", "2014-10-01", "--speed", "0"), "Give a speed above 0"),
        ((*START, "--data", "nowhere"), "finds no tables in nowhere"),
        ((*START, "--source", "nws"), "cannot play the source nws"),
    ):
        result = ingest(*arguments)
        assert result.exit_code == 2
        assert told in result.stderr
