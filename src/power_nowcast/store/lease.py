"""The writer lease: one process at a time changes a store's tables."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock

from power_nowcast.errors import StoreError, WriterBusyError

WAIT_SECONDS = 600.0


class FileLease:
    """Lease on a local folder: a lock of the operating system on the folder's file `.writer.lock`.

    The system releases the lock when its holder ends in any way, so a killed ingest never blocks the next one. The file
    names the holder. The thread that holds a lease object may enter it again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        wait_seconds: float = WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path = folder / ".writer.lock"
        self._wait = wait_seconds
        self._clock = clock
        self._sleep = sleep
        self._lock = RLock()
        self._depth = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Hold the lease.

        Raises:
            WriterBusyError: another process kept it for longer than the waiting time.
            StoreError: the folder cannot be written.
        """
        with self._lock:
            if self._depth:
                yield
                return
            descriptor = self._acquire()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                os.ftruncate(descriptor, 0)
                os.close(descriptor)

    def _acquire(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(
                f"The store {self._path.parent} cannot be written: {error.strerror}.",
                remedy="Give NOWCAST_DATA a folder that you may write to.",
                path=str(self._path.parent),
            ) from error
        deadline = self._clock() + self._wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if self._clock() >= deadline:
                    owner = os.pread(descriptor, 500, 0).decode(errors="replace")
                    os.close(descriptor)
                    raise _busy(str(self._path.parent), owner, self._wait) from None
            self._sleep(0.05)
        # On a full disk the lease has no name; the write that it is for says what is wrong.
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _myself().encode(), 0)
        return descriptor


def _myself() -> str:
    return json.dumps(
        {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
    )


def _busy(store: str, owner: str, waited: float) -> WriterBusyError:
    try:
        holder = json.loads(owner)
        who = f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return WriterBusyError(
        f"The store {store} is being written by {who}; waited {waited:.0f} s.",
        remedy="Try again when it has ended, or end it: its unfinished writes never become visible.",
        store=store,
        owner=who,
    )
