"""The rule of the folder: a command is a file of its name, short, that says what it does."""

from pathlib import Path

import pytest
from typer.main import get_command

from power_nowcast import cli
from power_nowcast.cli import data, regions

FOLDER = Path(cli.__file__).parent
HELPERS = {"__init__", "__main__", "base", "explanation", "group", "plan", "show"}
"""What commands share."""
LONGEST = 90


@pytest.mark.parametrize(("app", "folder"), [(cli, FOLDER), (data, FOLDER / "data"), (regions, FOLDER / "regions")])
def test_every_file_is_a_command_and_every_command_a_file(app, folder: Path) -> None:
    files = {path.stem for path in folder.glob("*.py")} - HELPERS
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert set(get_command(app.app).commands) == files | packages  # type: ignore[attr-defined]


def test_commands_are_short() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in FOLDER.rglob("*.py") if path.stem not in HELPERS}
    assert len(lines) > 15
    assert {path.name: count for path, count in lines.items() if count > LONGEST} == {}
