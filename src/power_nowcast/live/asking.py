"""Asks the registry in a process of its own: importing MLflow takes seconds and memory, and would hold up answers."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from logging.config import dictConfig
from typing import Any, Protocol, Self

from power_nowcast.errors import RegistryUnavailableError
from power_nowcast.workers import Processes, processes


class Ask(Protocol):
    """Does a function of a module that asks the registry; the function's errors are raised here."""

    def __call__[**Given, Told](
        self, work: Callable[Given, Told], *given: Given.args, **named: Given.kwargs
    ) -> Told: ...


def in_this_process[**Given, Told](work: Callable[Given, Told], *given: Given.args, **named: Given.kwargs) -> Told:
    """Ask in this process, which imports MLflow."""
    return work(*given, **named)


class OwnProcess:
    """Asks in a process of its own: the first question starts it, and the end of the block ends it.

    Args:
        log: the configuration of `logging` in that process.
    """

    def __init__(self, log: Mapping[str, Any]) -> None:
        self._log = dict(log)
        self._lock = threading.Lock()
        self._held: Processes | None = None
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._end(self._held)

    def __call__[**Given, Told](self, work: Callable[Given, Told], *given: Given.args, **named: Given.kwargs) -> Told:
        """Do a function of a module there; from any thread.

        Raises:
            RegistryUnavailableError: the process was lost, or the block has ended.
        """
        with self._lock:
            if self._is_over:
                raise _lost()
            own = self._held = self._held or processes(1)
        try:
            answer = own.submit(_logged, self._log, partial(work, *given, **named))
        except RuntimeError as error:
            self._end(own)
            raise _lost() from error
        try:
            return answer.result()
        except (BrokenProcessPool, CancelledError) as error:
            self._end(own)
            raise _lost() from error

    def _end(self, own: Processes | None) -> None:
        with self._lock:
            if own is not None and self._held is own:
                self._held = None
                own.end()


def _lost() -> RegistryUnavailableError:
    return RegistryUnavailableError(
        "The process that asks the registry has ended in the middle of a question.",
        remedy="The next question starts another one; see whether the machine has memory left.",
    )


def _logged[Told](log: Mapping[str, Any], work: Callable[[], Told]) -> Told:
    dictConfig(dict(log))
    return work()
