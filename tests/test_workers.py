"""Executors: made when they are needed, ended with the block."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from power_nowcast.workers import PARALLEL_FROM, in_threads, pool, processes

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
