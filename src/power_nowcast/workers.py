"""Executors: this module alone makes the processes that work on folds, series and models.

A model uses one thread where many models are trained in parallel, so a pool has one process for each core that it may
use.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context


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
