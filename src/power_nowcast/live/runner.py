"""Runs loops, each in a thread of its own."""

import threading
from collections.abc import Sequence

from power_nowcast.live.loop import Loop


class Runner:
    """Loops that run until they are stopped.

    Args:
        loops: one of each region.
    """

    def __init__(self, loops: Sequence[Loop]) -> None:
        self._loops = tuple(loops)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to run."""
        for loop in self._loops:
            thread = threading.Thread(
                target=loop.run, args=[self._stopping.is_set], daemon=True, name=f"live {loop.region.name}"
            )
            thread.start()
            self._threads.append(thread)

    def stop(self, seconds: float = 1.0) -> None:
        """Stop after the present step; a step that takes longer than `seconds` ends with the process."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(seconds)
