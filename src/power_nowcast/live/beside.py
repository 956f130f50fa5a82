"""A thread that works on what it is told, beside the loop: neither requests nor the loop wait for it."""

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from power_nowcast.errors import NowcastError

logger = logging.getLogger("power_nowcast.live")

BACKLOG = 288
"""So much may wait; what comes then is left out."""
IDLE_SECONDS = 1.0
"""Time between two calls of `idle` while nothing comes."""


class Beside[Told]:
    """Takes publications, or other things, and works on one after the other.

    Args:
        name: name of the thread, such as "shadow nyiso"; it begins each line of its log.
        step: works on what it is told; an error is logged, and the next one comes.
        idle: called every second while nothing comes, in the same thread.
    """

    def __init__(self, name: str, step: Callable[[Told], None], idle: Callable[[], None] = lambda: None) -> None:
        self._name, self._step, self._idle = name, step, idle
        self._waiting: queue.Queue[Told | None] = queue.Queue(BACKLOG)
        self._thread = threading.Thread(target=self._run, daemon=True, name=name)

    def tell(self, given: Told) -> None:
        """Take something; from any thread, without waiting."""
        try:
            self._waiting.put_nowait(given)
        except queue.Full:
            logger.warning("%s: %d wait, and one is left out", self._name, BACKLOG)

    def start(self) -> None:
        """Begin to work on what is told."""
        self._thread.start()

    def stop(self, seconds: float = 1.0) -> None:
        """End after the step at hand; one that takes longer than `seconds` ends with the process."""
        with suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()
        self._waiting.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            try:
                given = self._waiting.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                self._try(self._idle)
                continue
            if given is None:
                return
            self._try(partial(self._step, given))

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except NowcastError as error:
            logger.warning("%s: %s", self._name, error)
        except Exception:  # the thread must not end by a defect; it is in the log
            logger.exception("%s: a step failed", self._name)
