"""Promotions and rollbacks that are asked of a running service: the command does them, in a process of its own.

So the process that answers imports neither MLflow nor what a comparison needs, and the comparison cannot delay it.
"""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

COMMAND = (sys.executable, "-m", "power_nowcast.cli", "promote")
"""The command `nowcast promote` of this installation."""
PATIENCE_SECONDS = 3600
"""A command that takes longer is ended. Its alias moves last, so that nothing is then half done."""
KEPT = 20
"""Changes of a region that are remembered."""
NICE = 10
"""The priority of the process: the loop comes first."""
WIDTH = "400"
"""Columns of what the command prints: sentences are not broken."""
ERROR_LINES = 2
"""A failed command ends with its error and the remedy, a line each."""


class State(StrEnum):
    """How far a change is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Change:
    """A change of the version in production.

    Attributes:
        region: the region's name.
        version: the version or alias to promote; None: back to the version before.
        person: who decided.
        reason: why.
        asked_at: when it was asked for.
        state: how far it is.
        told: what the command said: its reasons, or why it failed and what to do.
        ended_at: when it ended, None as long as it runs.
    """

    region: str
    version: str | None
    person: str
    reason: str
    asked_at: datetime
    state: State = State.RUNNING
    told: tuple[str, ...] = ()
    ended_at: datetime | None = None

    @property
    def arguments(self) -> list[str]:
        """The options of the command, without the region."""
        what = "--rollback" if self.version is None else f"--version={self.version}"
        return [what, f"--person={self.person}", f"--reason={self.reason}"]


class Changes:
    """Does one change at a time; safe to call from several threads.

    Args:
        named: by region, the name or file under which the command finds it; the region's name if absent.
        clock: now, aware.
        command: the command, to which the options are added.
        seconds: the command has so many seconds.
    """

    def __init__(
        self,
        named: Mapping[str, str] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        command: Sequence[str] = COMMAND,
        seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._named, self._clock, self._command, self._seconds = dict(named or {}), clock, tuple(command), seconds
        self._lock = threading.Lock()
        self._asked: dict[str, deque[Change]] = {}
        self._running: Change | None = None
        self._process: subprocess.Popen[str] | None = None
        self._is_stopped = False

    def ask(self, wanted: Change) -> tuple[Change, bool]:
        """Begin a change in the background, unless one is running.

        Returns:
            The change that runs, and whether it is the one that was asked for: the same request, sent again, does not
            begin anew.
        """
        with self._lock:
            if self._running is not None:
                is_same = replace(wanted, asked_at=self._running.asked_at) == self._running
                return self._running, is_same
            self._running = wanted
            self._asked.setdefault(wanted.region, deque(maxlen=KEPT)).appendleft(wanted)
        threading.Thread(target=self._do, args=[wanted], daemon=True, name=f"change {wanted.region}").start()
        return wanted, True

    def of(self, region: str) -> list[Change]:
        """The changes of a region that were asked of this process, newest first."""
        with self._lock:
            return list(self._asked.get(region, ()))

    def stop(self) -> None:
        """End what is running."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.terminate()

    def _do(self, change: Change) -> None:
        state, told = State.FAILED, ["The command could not be started."]
        try:
            state, told = self._run(change)
        except OSError as error:
            told = [f"The command could not be started: {error.strerror}."]
        finally:
            ended = replace(change, state=state, told=tuple(told), ended_at=self._clock())
            with self._lock:
                self._running = self._process = None
                asked = self._asked[change.region]
                asked[asked.index(change)] = ended

    def _run(self, change: Change) -> tuple[State, list[str]]:
        command = [*self._command, "--region", self._named.get(change.region, change.region), *change.arguments]
        environment = os.environ | {"COLUMNS": WIDTH, "NO_COLOR": "1"}
        with self._lock:
            if self._is_stopped:
                return State.FAILED, ["The service is ending."]
            process = self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=environment,
            )
        if hasattr(os, "setpriority"):
            with suppress(OSError):  # it may have ended already
                os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        try:
            out, trouble = process.communicate(timeout=self._seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return State.FAILED, [f"It was ended after {self._seconds:g} seconds."]
        if process.returncode == 0:
            return State.DONE, [line.removeprefix("- ") for line in out.splitlines() if line.strip()]
        last = [line for line in trouble.splitlines() if line.strip()][-ERROR_LINES:]
        return State.FAILED, last or [f"The command ended with the code {process.returncode}."]
