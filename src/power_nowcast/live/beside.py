"""A thread that works on publications beside the loop: neither requests nor the loop wait for it."""

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from power_nowcast.errors import NowcastError
from power_nowcast.live.records import Published

logger = logging.getLogger("power_nowcast.live")

BACKLOG = 288
"""Publications that wait; further ones are left out."""
IDLE_SECONDS = 1.0
"""Time between two calls of `idle` while no publication comes."""


class Beside:
    """Takes publications, and works on one after the other.

    Args:
        name: name of the thread, such as "shadow nyiso"; it begins each line of its log.
        step: works on a publication; an error is logged, and the next publication comes.
        idle: called every second while no publication comes, in the same thread.
    """

    def __init__(self, name: str, step: Callable[[Published], None], idle: Callable[[], None] = lambda: None) -> None:
        self._name, self._step, self._idle = name, step, idle
        self._waiting: queue.Queue[Published | None] = queue.Queue(BACKLOG)
        self._thread = threading.Thread(target=self._run, daemon=True, name=name)

    def tell(self, given: Published) -> None:
        """Take a publication; from any thread, without waiting."""
        try:
            self._waiting.put_nowait(given)
        except queue.Full:
            logger.warning("%s leaves out the interval %s", self._name, given.issue_time)

    def start(self) -> None:
        """Begin to work on what is told."""
        self._thread.start()

    def stop(self, seconds: float = 1.0) -> None:
        """End after the publication at hand; a step that takes longer than `seconds` ends with the process."""
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
            self._try(lambda given=given: self._step(given))  # type: ignore[misc]

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except NowcastError as error:
            logger.warning("%s: %s", self._name, error)
        except Exception:  # the thread must not end by a defect; it is in the log
            logger.exception("%s: a step failed", self._name)
