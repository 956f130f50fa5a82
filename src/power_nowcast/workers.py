"""Executors: this module alone makes the processes and threads that work on folds, series and models.

A model uses one thread where many models are trained in parallel, so a pool has one process for each core that it may
use.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from threading import Thread

from power_nowcast.settings import settings

PARALLEL_FROM = 500
"""Rows (issue time x series) from which threads pay."""


class Processes(ProcessPoolExecutor):
    """Worker processes that end with this process, however it ends: each holds a pipe that this process keeps open.

    They are spawned, not forked: boosters' threads do not survive a fork.
    """

    def __init__(self, count: int) -> None:
        context = get_context("spawn")
        self._theirs, self._held = context.Pipe(duplex=False)
        super().__init__(count, mp_context=context, initializer=_follow_parent, initargs=(self._theirs,))

    def end(self) -> None:
        """End the workers at once, in the middle of their work."""
        self._held.close()
        self.shutdown(cancel_futures=True)


def processes(count: int) -> Processes:
    """An executor of `count` processes."""
    return Processes(count)


def _follow_parent(held: Connection) -> None:
    """Let this worker end when the pipe's other end closes. Ctrl-C reaches workers too; their parent decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        with suppress(EOFError, OSError):
            held.recv_bytes()
        os._exit(1)

    Thread(target=wait, name="parent", daemon=True).start()


@contextmanager
def pool(count: int) -> Iterator[Callable[[], Executor | None]]:
    """Yields a function that returns the executor of this block, None if `count` is 1.

    The first call makes the executor; later calls return the same one. The end of the block cancels tasks that have
    not begun and waits for the others; an error in the block, Ctrl-C included, ends them at once.
    """
    made: list[Processes] = []

    def given() -> Executor | None:
        if count == 1:
            return None
        if not made:
            made.append(processes(count))
        return made[0]

    try:
        yield given
    except BaseException:
        for one in made:
            one.end()
        raise
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
