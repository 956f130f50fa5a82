"""Executors: the one place that makes the processes in which folds, series and models are worked on.

A model uses one thread wherever many are trained side by side, so a pool has as many processes as cores that it may
use.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context


def processes(count: int) -> ProcessPoolExecutor:
    """So many processes, spawned and not forked: boosters and their threads do not survive a fork."""
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"))


@contextmanager
def pool(count: int) -> Iterator[Callable[[], Executor | None]]:
    """Yields what gives the processes of a block: made when first asked for, one and the same, None where `count` is 1.

    At the end of the block what has not begun is given up, and the rest is waited for.
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
