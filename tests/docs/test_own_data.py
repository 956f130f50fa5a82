"""The way of docs/own-data.md, typed on a machine that has nothing of this project, and its table of seconds."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.docs.following import ROOT
from tests.docs.way import STAYING, TOTAL, Taken, commands, keep, rows, steps
from tests.feeder import since_a_clock_change, write_feeder

NETWORK = re.compile(r"(https?|no|all)_proxy|ssl_cert_(file|dir)|(pip|uv)_\w*(index|cert|timeout|find_links)\w*", re.I)
"""Variables that say how this machine reaches a package index; nothing else of the environment is kept."""
PATIENCE = 300.0
"""Maximum seconds until a server answers."""


class Newcomer:
    """Somebody with git, make, one Python and an empty home folder, in one terminal after the other.

    Attributes:
        taken: how long each command took, in the order in which they were typed.
    """

    def __init__(self, folder: Path, swaps: dict[str, str]) -> None:
        self.folder, self.swaps = folder, swaps
        self.taken = dict[str, Taken]()
        self._before = list[str]()
        self._servers = dict[str, "subprocess.Popen[bytes]"]()
        (folder / "home").mkdir(parents=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a shell has after a login, and this machine's way to the network."""
        python = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
        kept = {name: text for name, text in os.environ.items() if NETWORK.fullmatch(name)}
        places = os.pathsep.join((str(python.parent), "/usr/bin", "/bin"))
        return kept | {"PATH": places, "HOME": str(self.folder / "home"), "LANG": "C.UTF-8", "COLUMNS": "200"}

    def type(self, line: str) -> str:
        """Type a command and wait for its end; returns what it printed."""
        if line.startswith(STAYING):
            said = self._ended(line, stderr=subprocess.STDOUT)
            self._before.append(line)
            return said
        with self._timed(line):
            return self._ended(line, stderr=subprocess.STDOUT)

    def serve(self, line: str, port: int) -> None:
        """Type a command that serves, and wait until its port takes connections."""
        with self._timed(line):
            server = self._servers[line] = self._begun(line, start_new_session=True)
            until = time.monotonic() + PATIENCE
            while not _listens(port):
                if server.poll() is not None or time.monotonic() > until:
                    pytest.fail(f"$ {line}\nended with {server.poll()}, or nobody listens at port {port}")
                time.sleep(0.1)

    def ask(self, line: str) -> Any:
        """Type a command of curl, again while the server does not know the answer; returns the answer."""
        until = time.monotonic() + PATIENCE
        with self._timed(line):
            while "nowcasts" not in (answer := json.loads(self._ended(line, stderr=subprocess.DEVNULL))):
                assert time.monotonic() < until, answer
                time.sleep(0.5)
        return answer

    def stop(self) -> None:
        """Press Ctrl-C in the terminals whose servers run."""
        for line, server in self._servers.items():
            before = _processor()
            os.killpg(server.pid, signal.SIGINT)
            server.wait(60)
            self.taken[line] = Taken(self.taken[line].seconds, _processor() - before)
        self._servers.clear()

    def leave(self) -> None:
        """Stop what runs, and delete everything: it takes 20 GB."""
        for server in self._servers.values():
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
        shutil.rmtree(self.folder)

    @contextmanager
    def _timed(self, line: str) -> Iterator[None]:
        begun, before = time.monotonic(), _processor()
        yield
        self.taken[line] = Taken(time.monotonic() - begun, _processor() - before)

    def _ended(self, line: str, stderr: int) -> str:
        done = self._begun(line, stdout=subprocess.PIPE, stderr=stderr)
        said = done.communicate()[0].decode()
        assert done.returncode == 0, f"$ {line}\n{said[-4000:]}"
        return said

    def _begun(self, line: str, **options: Any) -> "subprocess.Popen[bytes]":
        for old, new in self.swaps.items():
            line = line.replace(old, new)
        command = ["bash", "-c", "\n".join(["set -e", *self._before, line])]
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, **options)


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def newcomer(tmp_path: Path, port: int) -> Iterator[Newcomer]:
    swaps = {"ADDRESS": str(ROOT), "127.0.0.1:8000": f"127.0.0.1:{port}", "nowcast api": f"nowcast api --port {port}"}
    one = Newcomer(tmp_path / "newcomer", swaps)
    yield one
    one.leave()


def _processor() -> float:
    """Seconds of processor time of all commands that have ended."""
    spent = os.times()
    return spent.children_user + spent.children_system


def _listens(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


@pytest.mark.newcomer
@pytest.mark.timeout(3600)  # 9 GB of packages, over whatever network there is
def test_from_a_clone_to_a_served_nowcast_of_an_own_csv(newcomer: Newcomer, port: int) -> None:
    now, clone = datetime.now(UTC), newcomer.folder / "power-nowcast"
    end = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0) - timedelta(hours=1)
    said, head = dict[str, str](), _head(ROOT)
    for line in commands():
        if "feeder.csv" in line:
            write_feeder(clone / "feeder.csv", end, since_a_clock_change(now))
        if line.startswith("nowcast api"):
            newcomer.serve(line, port)
        elif line.startswith("curl"):
            answer = newcomer.ask(line)
        else:
            said[line] = newcomer.type(line)

    assert _head(clone) == head
    size = sum(file.stat().st_size for file in (clone / ".venv").rglob("*") if file.is_file() and not file.is_symlink())
    newcomer.stop()
    assert re.search(r"In production +power-nowcast version \d", said["make run"])
    assert re.search(r"In production +power-nowcast-feeder version \d", said["nowcast run --region feeder"])
    assert "feeder" in (clone / "regions/feeder.toml").read_text()
    (nowcast,) = answer["nowcasts"]
    assert (answer["region"], nowcast["series"], answer["horizon_min"]) == ("feeder", "Leistung", [60])
    (median,) = nowcast["quantiles"]["q50"]
    assert 0.05 < median < 0.32
    keep(newcomer.taken, f"; the packages take {size / 1e9:.1f} GB")


def test_the_page_has_the_seconds_of_each_of_its_commands_ten_minutes_at_most() -> None:
    found = rows()
    assert list(found) == [*steps(), TOTAL]
    assert len(steps()) == 7
    for part in ("seconds", "processor"):
        whole = sum(getattr(found[line], part) for line in steps())
        assert getattr(found[TOTAL], part) == pytest.approx(whole, abs=len(found))
    assert found["make run"].processor > 60, "nobody sets it up and trains so cheaply: these figures are not measured"
    assert found[TOTAL].seconds <= 600


def _head(folder: Path) -> str:
    asked = ["git", "rev-parse", "HEAD"]
    return subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=True).stdout
