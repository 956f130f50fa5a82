"""Every command that prints a table with numbers, in a terminal of 80 columns: each number is whole."""

import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from power_nowcast import cli
from power_nowcast.cli import base
from tests.small_job import write_region

NUMBER = re.compile(r"[+-]?\d[\d,.:-]*")


@pytest.fixture(scope="module")
def toml(tmp_path_factory: pytest.TempPathFactory, work_in) -> Path:
    """A region in kW, whose numbers are long, with a hole in its load and two versions."""
    folder = work_in(tmp_path_factory.mktemp("narrow"))
    file = write_region(folder, "narrowland")
    text = file.read_text().replace('total = "ALL"', 'total = "ALL"\nunit = "kW"')
    file.write_text(text.replace('/power*.csv"', '/power*.csv", unit = "MW"'))
    lines = (folder / "power.csv").read_text().splitlines()
    (folder / "power.csv").write_text("\n".join(lines[:400] + lines[420:]) + "\n")
    for one in (
        ["ingest"],
        ["features", "--every", "60", "--valid-days", "14", "--test-days", "14"],
        ["train", "-m", "persistence"],
        ["train", "-m", "persistence_ramp"],
        ["evaluate", "--version", "1"],
        ["evaluate", "--version", "2"],
    ):
        done = CliRunner().invoke(cli.app, [*one, "-r", str(file)])
        assert done.exit_code == 0, (one, done.output)
    return file


def _tables(arguments: tuple[str, ...], file: Path, width: int, patch: pytest.MonkeyPatch) -> str:
    """The tables that a command prints in a terminal of this width."""
    terminal = Console(width=width, force_terminal=True, color_system=None, markup=False)
    with patch.context() as within, terminal.capture() as captured:
        within.setattr(base, "console", terminal)  # of `show_table`; commands print their sentences elsewhere
        done = CliRunner().invoke(cli.app, [*arguments, "-r", str(file)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return captured.get()


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "status"),
        ("data", "gaps"),
        ("data", "verify"),
        ("doctor",),
        ("models",),
        ("now", "--version", "2"),
        ("explain", "--version", "2", "--repeats", "1"),
        ("explain", "--version", "2", "--at", "2024-04-20"),
        ("compare", "1", "2"),
    ],
    ids=" ".join,
)
def test_a_terminal_of_80_columns_shows_every_digit(
    toml: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    wide = _tables(arguments, toml, 1000, monkeypatch)
    narrow = _tables(arguments, toml, 80, monkeypatch)
    assert "…" not in narrow
    assert max(map(len, narrow.splitlines())) <= 80
    numbers = [word for word in wide.split() if NUMBER.fullmatch(word)]
    assert len(numbers) > 3
    assert [word for word in numbers if word not in narrow.split()] == []
