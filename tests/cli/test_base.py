"""The shared parts of the commands: times, errors, progress."""

from io import StringIO

import pytest
import typer
from rich.console import Console

from power_nowcast.cli import base
from power_nowcast.cli.base import files_bar
from power_nowcast.errors import MissingDataError
from tests.cli.test_cli import call


@pytest.mark.parametrize(
    ("text", "last"),
    [("2019-06-30", "2019-06-30T23:59Z"), (" 2019-06-30 ", "2019-06-30T23:59Z"), ("2019-06-30T00:00Z", "2019-06-30")],
)
def test_the_last_date_of_a_period_includes_its_day(text: str, last: str) -> None:
    assert base.last_moment(text) == base.moment(last)


def test_a_time_that_is_none_is_refused_with_examples() -> None:
    done = call("explain", "--at", "yesterday")
    assert done.exit_code == 2
    assert "2019-06-30T23:55Z" in done.stderr


def test_ctrl_c_is_one_line_and_130() -> None:
    with pytest.raises(typer.Exit) as caught, base.errors():
        raise KeyboardInterrupt
    assert caught.value.exit_code == 130


def test_a_defect_keeps_its_trace() -> None:
    with pytest.raises(ZeroDivisionError), base.errors():
        _ = 1 / 0


def test_brackets_in_a_message_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, base.errors():
        raise MissingDataError("There is no [red]file[/red].", remedy="Look in [here].")
    assert caught.value.exit_code == 1
    assert "[red]file[/red]" in capsys.readouterr().err


def test_a_bar_counts_files_and_rows_on_a_terminal_only() -> None:
    shown, piped = StringIO(), StringIO()
    for file, is_terminal in ((shown, True), (piped, False)):
        with files_bar("ingest", Console(file=file, force_terminal=is_terminal, width=80)) as advance:
            advance(1_200)
            advance(34)
    assert "2 files, 1,234 new rows" in shown.getvalue()
    assert piped.getvalue() == ""
