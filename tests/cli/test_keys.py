"""`nowcast keys`: new shows a key once, list shows none, revoke ends one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from power_nowcast import cli
from power_nowcast.store import Store
from power_nowcast.store.keys import SECRET, keys


@pytest.fixture
def nowcast(tmp_path: Path, work_in: Callable[..., Path]) -> Callable[..., object]:
    work_in(tmp_path)
    return lambda *words: CliRunner().invoke(cli.app, ["keys", *words])


def test_a_key_from_its_making_to_its_end(nowcast: Callable[..., object], tmp_path: Path) -> None:
    made = nowcast("new", "desk", "--scope", "admin")
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    assert SECRET.fullmatch(secret), "alone on stdout, so that a script can take it"
    assert "is not shown again" in made.stderr
    assert nowcast("new", "reader").exit_code == 0
    again = nowcast("new", "desk")
    assert (again.exit_code, "a valid key of desk" in " ".join(again.output.split())) == (2, True)
    listed = nowcast("list", "--json")
    rows = json.loads(listed.stdout)
    assert [(row["name"], row["scope"], row["revoked_at"]) for row in rows] == [
        ("desk", "admin", None),
        ("reader", "read", None),
    ]
    assert secret not in nowcast("list").output + listed.output
    gone = nowcast("revoke", "desk")
    assert (gone.exit_code, gone.output) == (0, f"The key {rows[0]['id']} of desk (admin) is revoked.\n")
    assert nowcast("revoke", "desk").exit_code == 2
    assert [one.is_valid for one in keys(Store(tmp_path / "data"))] == [False, True]


def test_nothing_is_said_plainly(nowcast: Callable[..., object], tmp_path: Path) -> None:
    assert nowcast("list").exit_code == 1, "the wrong folder"
    (tmp_path / "data").mkdir()
    assert nowcast("list").output == "There is no key yet: nowcast keys new NAME.\n"
    assert nowcast("new", "a b").exit_code == 2
    assert nowcast("new", "a", "--scope", "all").exit_code == 2
