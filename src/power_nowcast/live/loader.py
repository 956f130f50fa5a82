"""Loads model versions in the background, and asks for a newer one now and then: no request waits for a registry."""

import logging
import threading
from collections.abc import Callable, Sequence

from power_nowcast.errors import NowcastError
from power_nowcast.live.slot import ModelSlot

logger = logging.getLogger("power_nowcast.live")

RETRY_SECONDS = 10.0
"""Time between attempts while a slot has no version."""
WATCH_SECONDS = 0.5
"""Time between two looks for a promotion."""
POLL_SECONDS = 30.0
"""Time between two questions for a newer version."""


class Loader:
    """Fills slots, each in a thread of its own, and keeps them at the version that should answer.

    Args:
        slots: the slots.
        poll_seconds: time between two questions for a newer version; None: a slot that has a version keeps it.
        promoted: for a region, a value that changes when a version is promoted; then the question comes at once.
    """

    def __init__(
        self,
        slots: Sequence[ModelSlot],
        poll_seconds: float | None = None,
        promoted: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._slots = tuple(slots)
        self._poll_seconds = poll_seconds
        self._promoted = promoted
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to load."""
        for slot in self._slots:
            if self._poll_seconds is not None or not slot.is_loaded:
                name = f"load {slot.region.name}"
                threading.Thread(target=self._keep, args=[slot], daemon=True, name=name).start()

    def stop(self) -> None:
        """Give up loading."""
        self._stopping.set()

    def _keep(self, slot: ModelSlot) -> None:
        slot.begin()
        while not self._stopping.is_set():
            seen = self._seen(slot)
            self._load(slot)
            if slot.is_loaded and self._poll_seconds is None:
                return
            left = self._poll_seconds if slot.is_loaded and self._poll_seconds else RETRY_SECONDS
            while left > 0 and not self._stopping.wait(min(left, WATCH_SECONDS)) and self._seen(slot) == seen:
                left -= WATCH_SECONDS

    def _seen(self, slot: ModelSlot) -> object:
        try:
            return self._promoted(slot.region.name)
        except NowcastError as error:
            logger.warning("%s: promotions cannot be seen. %s", slot.region.name, error)
            return None

    def _load(self, slot: ModelSlot) -> None:
        name, before = slot.region.name, slot.current.version if slot.is_loaded else None
        try:
            loaded = slot.load()
        except NowcastError as error:
            logger.warning("%s: %s. %s", name, f"version {before} goes on" if before else "no model yet", error)
        except Exception:
            logger.exception("%s: loading the model failed", name)
        else:
            if loaded.version != before:
                logger.info("%s: version %s answers", name, loaded.version)
