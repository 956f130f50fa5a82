"""The last nowcast while a service starts: told from a file, and the sockets go to the server."""

import json
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from power_nowcast.live.early import NAME, Early, keep

ISSUED = datetime(2024, 5, 1, 12, tzinfo=UTC)
LATE = ISSUED + timedelta(minutes=30)
BODY = json.dumps({"issue_time": ISSUED.isoformat(), "published_at": ISSUED.isoformat(), "nowcasts": []}).encode()


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def kept(folder: Path) -> Path:
    keep(folder, BODY, '"abc"', data="data", late_at=LATE)
    return folder


def asked(port: int, folder: Path, now: datetime, path: str = "/v1/nowcast/toy", data: str = "data") -> httpx.Response:
    with Early("127.0.0.1", port, {"toy": folder}, data, lambda: now):
        return httpx.get(f"http://127.0.0.1:{port}{path}")


def test_a_nowcast_that_is_not_late_is_the_answer(tmp_path: Path, port: int) -> None:
    told = asked(port, kept(tmp_path), LATE)
    assert (told.status_code, told.content, told.headers["etag"]) == (200, BODY, '"abc"')


def test_a_late_one_is_the_last_nowcast_of_a_refusal(tmp_path: Path, port: int) -> None:
    told = asked(port, kept(tmp_path), LATE + timedelta(seconds=1))
    assert told.status_code == 503
    assert told.headers["content-type"] == "application/problem+json"
    assert told.headers["retry-after"] == "2"
    assert told.json()["last_nowcast"] == json.loads(BODY)
    assert told.json()["published_at"] == ISSUED.isoformat()


@pytest.mark.parametrize("case", ["another path", "a query", "no file", "damaged", "other tables", "a replay before"])
def test_all_else_waits_for_the_service(tmp_path: Path, port: int, case: str) -> None:
    folder, now, path, data = kept(tmp_path), LATE, "/v1/nowcast/toy", "data"
    if case == "another path":
        path = "/v1/models"
    elif case == "a query":
        path += "?series=ALL"
    elif case == "no file":
        (folder / NAME).unlink()
    elif case == "damaged":
        (folder / NAME).write_bytes((folder / NAME).read_bytes()[:-5])
    elif case == "other tables":
        data = "elsewhere"
    else:
        now = ISSUED - timedelta(minutes=1)
    told = asked(port, folder, now, path, data)
    assert told.status_code == 503
    assert told.json()["title"] == "The service starts"
    assert "last_nowcast" not in told.json()


def test_the_sockets_stay_open_for_the_server(tmp_path: Path, port: int) -> None:
    """Who comes between the two is answered by the server; a request that never ends holds nothing up."""
    with (
        Early("127.0.0.1", port, {}, "data", lambda: LATE) as early,
        socket.create_connection(("127.0.0.1", port)) as slow,
    ):
        slow.sendall(b"GET / HT")
        # Connections are taken in their order: after this answer the slow one has been taken, too.
        with socket.create_connection(("127.0.0.1", port)) as answered:
            answered.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert answered.recv(12) == b"HTTP/1.1 503"
        (listening,) = early.stop()
        with socket.create_connection(("127.0.0.1", port)) as late:
            listening.setblocking(True)
            taken, _ = listening.accept()
            taken.sendall(b"here")
            assert late.recv(4) == b"here"
            taken.close()


def test_a_folder_that_cannot_be_written_is_told_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    keep(tmp_path / "file", BODY, "", data="data", late_at=LATE)
    assert "the last nowcast is not kept" in caplog.text


def test_it_listens_before_anything_heavy_is_imported() -> None:
    told = "import power_nowcast.live.early, power_nowcast.cli.live, sys; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    modules = done.stdout
    assert not [
        name for name in ("numpy", "polars", "numba", "fastapi", "pydantic", "deltalake") if f"'{name}'" in modules
    ]
