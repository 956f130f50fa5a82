"""Every command that prints a table with numbers, in a terminal of 80 columns: each number is whole."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from power_nowcast import cli
from power_nowcast.cli import base
from tests.small_job import write_region

NUMBER = re.compile(r"[+-]?\d[\d,.:-]*")


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory, work_in) -> Path:
    """A region in kW, whose numbers are long, with a hole in its load and one version."""
    folder = work_in(tmp_path_factory.mktemp("narrow"))
    file = write_region(folder, "narrowland")
    text = file.read_text().replace('total = "ALL"', 'total = "ALL"\nunit = "kW"')
    file.write_text(text.replace('/power*.csv"', '/power*.csv", unit = "MW"'))
    lines = (folder / "power.csv").read_text().splitlines()
    (folder / "power.csv").write_text("\n".join(lines[:400] + lines[420:]) + "\n")
    for one in (
        ["ingest"],
        ["features", "--every", "60", "--valid-days", "14", "--test-days", "14"],
        ["train", "-m", "persistence_ramp"],
    ):
        done = CliRunner().invoke(cli.app, [*one, "-r", str(file)])
        assert done.exit_code == 0, (one, done.output)
    return file


def shown_at(width: int, patch: pytest.MonkeyPatch, *arguments: str | Path) -> str:
    """The output of a command in a terminal of this width."""
    with patch.context() as terminal:
        terminal.setattr(base.console, "_force_terminal", True)
        terminal.setattr(base.console, "width", width)
        done = CliRunner().invoke(cli.app, [str(one) for one in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.stdout


def check_digits(patch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    """A terminal of 80 columns shows each number that a wide one shows."""
    wide, narrow = shown_at(1000, patch, *arguments), shown_at(80, patch, *arguments)
    assert "…" not in narrow
    numbers = [word for word in wide.split() if NUMBER.fullmatch(word)]
    assert len(numbers) > 3
    assert [word for word in numbers if word not in narrow.split()] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "status"),
        ("data", "gaps"),
        ("data", "verify"),
        ("models",),
        ("now", "--version", "1"),
        ("explain", "--version", "1", "--repeats", "1"),
        ("explain", "--version", "1", "--at", "2024-04-20"),
    ],
    ids=" ".join,
)
def test_a_terminal_of_80_columns_shows_every_digit(
    toml: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    check_digits(monkeypatch, *arguments, "-r", toml)
