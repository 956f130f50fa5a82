"""Executors: this module alone makes the processes and threads that work on folds, series and models.

A model uses one thread where many models are trained in parallel, so a pool has one process for each core that it may
use.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context

from power_nowcast.settings import settings

PARALLEL_FROM = 500
"""Rows (issue time x series) from which threads pay."""


def processes(count: int) -> ProcessPoolExecutor:
    """An executor of `count` processes. They are spawned, not forked: boosters' threads do not survive a fork."""
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"))


@contextmanager
def pool(count: int) -> Iterator[Callable[[], Executor | None]]:
    """Yields a function that returns the executor of this block, None if `count` is 1.

    The first call makes the executor; later calls return the same one. The end of the block cancels tasks that have
    not begun and waits for the others.
    """
    made: list[Executor] = []

    def given() -> Executor | None:
        if count == 1:
            return None
        if not made:
            made.append(processes(count))
        return made[0]

    try:
        yield given
    finally:
        for one in made:
            one.shutdown(cancel_futures=True)


def cores() -> int:
    """The number of processes or threads that may work side by side."""
    return settings().workers


def in_threads[Part](work: Callable[[Part], object], parts: Iterable[Part], *, rows: int) -> None:
    """Do `work` for every part: in threads from `PARALLEL_FROM` rows on.

    The work has to be compiled code that holds no lock, and must not call this function.
    """
    if rows < PARALLEL_FROM:
        for part in parts:
            work(part)
    else:
        list(_threads().map(work, parts))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="compiled")
