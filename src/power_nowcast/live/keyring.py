"""The keys of a running service: in memory, and read again when the table has changed. No request reads the disk."""

import hmac
import logging
import threading

from power_nowcast.errors import NowcastError
from power_nowcast.store import Store
from power_nowcast.store.keys import Key, digest, keys
from power_nowcast.store.tables import KEYS

logger = logging.getLogger("power_nowcast.live")

LOOK_SECONDS = 0.5
"""Time between two looks for a new or revoked key."""


class KeyRing:
    """The keys of a store.

    While the table cannot be read, the keys that were read last count, and the log says so once.

    Args:
        store: the store; its table `keys` may be written by other processes.
        look_seconds: seconds between two looks at the table's version.
    """

    def __init__(self, store: Store, look_seconds: float = LOOK_SECONDS) -> None:
        self._store, self._look_seconds = store, look_seconds
        self._version: int | None = None
        self._keys: tuple[Key, ...] = ()
        self._stopping = threading.Event()
        self._is_in_trouble = False

    def start(self) -> None:
        """Read the keys, and begin to look for changes."""
        self._look()
        threading.Thread(target=self._follow, daemon=True, name="keys").start()

    def stop(self) -> None:
        """End the looks."""
        self._stopping.set()

    def find(self, secret: str) -> Key | None:
        """The key, also a revoked one; None if there is none.

        Every stored digest is compared, each in constant time.

        Raises:
            StoreError: the keys have never been read, and cannot be read now.
        """
        if self._version is None:
            self.refresh()
        asked, found = digest(secret), None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, asked):
                found = key
        return found

    def of(self, key_id: str) -> Key | None:
        """The key of this id, also a revoked one; None if there is none."""
        return next((key for key in self._keys if key.id == key_id), None)

    def refresh(self) -> None:
        """Read the keys, if the table has a new version.

        Raises:
            StoreError: the table cannot be read.
        """
        version = self._store.records[KEYS].delta.version
        if version != self._version:
            self._keys, self._version = tuple(keys(self._store)), version

    def _follow(self) -> None:
        while not self._stopping.wait(self._look_seconds):
            self._look()

    def _look(self) -> None:
        try:
            self.refresh()
        except NowcastError as error:
            if not self._is_in_trouble:
                logger.warning("keys cannot be read; those that were read last count. %s", error)
            self._is_in_trouble = True
        except Exception:  # the looks must not end by a defect; it is in the log
            logger.exception("a look at the keys failed")
        else:
            self._is_in_trouble = False
