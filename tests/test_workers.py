"""Executors: made when they are needed, ended with the block."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from power_nowcast.errors import ConfigurationError, EngineError
from power_nowcast.workers import PARALLEL_FROM, engine, in_threads, pool, processes, scheduler_of, source_digest

NOTED: list[int] = []


def noted() -> int:
    return len(NOTED)


def test_one_worker_is_this_process() -> None:
    with pool(1) as executor:
        assert executor() is None


def test_nothing_is_made_before_it_is_asked_for() -> None:
    with pool(2) as executor:
        first = executor()
        assert first is not None
        assert executor() is first
    with pytest.raises(RuntimeError, match="shutdown"):
        first.submit(os.getpid)


def test_an_error_in_the_block_ends_the_processes() -> None:
    made = []

    def fail() -> None:
        with pool(2) as executor:
            made.append(executor())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with pytest.raises(RuntimeError, match="shutdown"):
        made[0].submit(os.getpid)


ENDLESS = """
from power_nowcast.workers import pool
with pool(2) as executor:
    tasks = [executor().submit(exec, "import os; os.write(1, b'begun\\\\n')\\nwhile True: pass") for _ in range(2)]
    tasks[0].result()
"""
"""A program whose two workers compute for ever; all three hold its stdout."""


@pytest.mark.integration
@pytest.mark.parametrize("to_all", [False, True], ids=["to the parent", "to all, as a terminal does"])
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent_in_the_middle_of_their_work(kind: signal.Signals, to_all: bool) -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", ENDLESS], **pipes, text=True, start_new_session=True) as parent:
        try:
            assert [parent.stdout.readline() for _ in range(2)] == ["begun\n"] * 2
            (os.killpg if to_all else os.kill)(parent.pid, kind)
            # The end of stdout comes only when nobody holds it any more.
            _, trouble = parent.communicate(timeout=20)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)
    assert parent.returncode == -kind
    assert trouble.count("Traceback") == (kind == signal.SIGINT), trouble


@pytest.mark.parametrize("rows", [PARALLEL_FROM - 1, PARALLEL_FROM])
def test_threads_work_where_there_is_enough_to_do(rows: int) -> None:
    done: dict[int, threading.Thread] = {}
    in_threads(lambda part: done.update({part: threading.current_thread()}), range(5), rows=rows)
    assert sorted(done) == list(range(5))
    assert (threading.current_thread() in done.values()) == (rows < PARALLEL_FROM)


@pytest.mark.parametrize("rows", [1, PARALLEL_FROM])
def test_the_error_of_a_part_is_told(rows: int) -> None:
    with pytest.raises(ZeroDivisionError):
        in_threads(lambda part: 1 // part, range(3), rows=rows)


@pytest.mark.integration
def test_work_is_done_in_processes_that_inherit_nothing() -> None:
    NOTED.append(1)
    with processes(1) as one:
        assert one.submit(os.getpid).result() != os.getpid()
        assert one.submit(noted).result() == 0, "it was forked"


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("dask://127.0.0.1:8786", "tcp://127.0.0.1:8786"),
        ("dask://localhost:8786", "tcp://localhost:8786"),
        ("dask://[::1]:8786", "tcp://[::1]:8786"),
        ("tls://10.0.0.7:8786", "tls://10.0.0.7:8786"),
        ("tls://scheduler.grid.example:8786", "tls://scheduler.grid.example:8786"),
    ],
)
def test_an_engine_is_an_address(name: str, uri: str) -> None:
    found = scheduler_of(name)
    assert found is not None
    assert found.uri == uri


def test_local_is_no_address() -> None:
    assert scheduler_of("local") is None


@pytest.mark.parametrize("host", ["10.0.0.7", "192.168.1.1", "[fe80::1]", "dask.example", "localhost.example"])
def test_another_machine_without_tls_is_refused(host: str) -> None:
    with pytest.raises(ConfigurationError, match="no encryption") as caught:
        scheduler_of(f"dask://{host}:8786")
    assert f"tls://{host}:8786" in caught.value.remedy


@pytest.mark.parametrize(
    "name",
    ["", "dask", "dask://", "tcp://127.0.0.1:8786", "dask://127.0.0.1", "tls://a:0", "tls://a:99999", "dask://u@h:1"],
)
def test_what_is_no_engine_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is no engine"):
        scheduler_of(name)


def test_another_machine_is_refused_before_it_is_asked() -> None:
    """A socket that would notice a connection is on this machine's own address, which is not a loopback one."""
    with socket.socket() as listening:
        listening.bind(("0.0.0.0", 0))  # noqa: S104 - its address is no loopback one, and it is closed at once
        listening.listen()
        listening.settimeout(0.2)
        port = listening.getsockname()[1]
        with pytest.raises(ConfigurationError, match="no encryption"), engine(f"dask://0.0.0.0:{port}", 1):
            pass
        with pytest.raises(ConfigurationError, match="TLS__CA_FILE is not set"), engine(f"tls://127.0.0.1:{port}", 1):
            pass
        with pytest.raises(TimeoutError):
            listening.accept()


def test_the_digest_of_the_source_changes_with_any_module(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("x = 1\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "two.py").write_text("x = 2\n")
    first = source_digest(tmp_path)
    assert source_digest(tmp_path, without=["deep"]) != first
    (tmp_path / "deep" / "two.py").write_text("x = 3\n")
    assert source_digest(tmp_path) != first


def squared(number: int) -> int:
    return number**2


def ended_once(mark: Path) -> str:
    """Ends its process the first time."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return "done"
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def ended(number: int) -> int:
    if number == 1:
        os._exit(9)
    return number


@pytest.mark.integration
def test_tasks_of_a_worker_that_was_killed_are_done_again(tmp_path: Path) -> None:
    with engine("local", 2) as workers:
        assert dict(workers.each(squared, range(7))) == {n: n**2 for n in range(7)}
        told = dict(workers.each(ended_once, [tmp_path / "a", tmp_path / "b", tmp_path / "c"]))
    assert set(told.values()) == {"done"}
    assert len(told) == 3


@pytest.mark.integration
def test_a_task_that_ends_every_worker_ends_the_job_with_a_remedy() -> None:
    with engine("local", 2) as workers, pytest.raises(EngineError, match="3 workers") as caught:
        list(workers.each(ended, range(4)))
    assert "NOWCAST_WORKERS" in caught.value.remedy
    assert "goes on from what is stored" in caught.value.remedy
