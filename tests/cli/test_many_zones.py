"""What the commands refuse for a region of many zones."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_cli import call, said, wide  # noqa: F401 - the fixture is used
from tests.jobs.blocks.small_grid import write_region


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("live", "--replay", "2024-03-20 12:00"), "grid has 101 zones: it is followed by itself, and not replayed."),
        (("live", "--region", "nyiso"), "grid has 101 zones: it is followed by itself, and not replayed."),
        (("run", "--candidate"), "grid has many zones; its versions have no alias candidate, and no alarms."),
        (("run", "--by-skill"), "grid has many zones; its versions have no alias candidate, and no alarms."),
    ],
)
def test_what_a_region_of_many_zones_cannot_do_is_told(
    tmp_path: Path, work_in: Callable[..., Path], command: tuple[str, ...], words: str
) -> None:
    file = write_region(work_in(tmp_path), zones=101)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    on = ("--port", str(port)) if command[0] == "live" else ()
    done = call(*command, "--region", str(file), *on)
    assert done.exit_code == 2, done.output
    assert said(done)[0] == f"Wrong configuration: {words}"
