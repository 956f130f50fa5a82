"""Executors: made when they are needed, ended with the block."""

import os

import pytest

from power_nowcast.workers import pool, processes

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


@pytest.mark.integration
def test_work_is_done_in_processes_that_inherit_nothing() -> None:
    NOTED.append(1)
    with processes(1) as one:
        assert one.submit(os.getpid).result() != os.getpid()
        assert one.submit(noted).result() == 0, "it was forked"
