"""Progress of long work: a function that takes a sentence, and the time that is left."""

from collections.abc import Callable
from time import monotonic

type Progress = Callable[[str], None]
"""The task calls it with a sentence for people whenever a part is done."""


class Pace:
    """The time left of `total` pieces of work of about the same size; the work begins now."""

    def __init__(self, total: int, clock: Callable[[], float] = monotonic) -> None:
        self._total, self._done, self._clock, self._begun = total, 0, clock, clock()

    def next(self) -> str:
        """Count a finished piece; returns the end of a sentence, such as ", 12 s left", empty after the last piece."""
        self._done += 1
        seconds = (self._clock() - self._begun) / self._done * (self._total - self._done)
        if self._done >= self._total:
            return ""
        return f", {seconds:.0f} s left" if seconds < 120 else f", {seconds / 60:.0f} min left"
