"""The blocks of a region of many zones that this process follows, kept in memory from interval to interval."""

import threading
from collections import OrderedDict
from datetime import datetime
from pathlib import Path

from power_nowcast.live.loop import Loop
from power_nowcast.live.records import Published
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.regions import Region
from power_nowcast.store import Store
from power_nowcast.store.address import Address

MOST = 256
"""So many blocks stay in memory; the one that was not used longest makes room."""


class FollowedBlock:
    """The loop of a block with its version, moved on from outside.

    Raises:
        ModelError: the folder does not hold the bundle with this digest.
    """

    def __init__(self, address: Address, region: Region, folder: Path, digest: str) -> None:
        self._lock = threading.Lock()
        self._now: datetime | None = None
        slot = ModelSlot(region, lambda: Fetched(folder, digest[:12], digest), folder.parent)
        slot.load()
        self._loop = Loop(Store.open(address), region, slot, None, clock=self._clock)

    def _clock(self) -> datetime:
        assert self._now is not None  # `step_at` sets it first  # noqa: S101
        return self._now

    def step_at(self, now: datetime) -> Published | None:
        """Publish what is due at a time, aware; returns the newest publication, None before the first."""
        with self._lock:
            self._now = now
            self._loop.step()
            return self._loop.present


_FOLLOWED: OrderedDict[tuple[str, str], FollowedBlock] = OrderedDict()
_LOCK = threading.Lock()


def followed(address: Address, region: Region, folder: Path, digest: str) -> FollowedBlock:
    """The block in memory; it is opened if it is not, or if its version or its zones are others."""
    key = address.root, f"{digest} {region.series}"
    with _LOCK:
        if key in _FOLLOWED:
            _FOLLOWED.move_to_end(key)
            return _FOLLOWED[key]
    made = FollowedBlock(address, region, folder, digest)
    with _LOCK:
        for other in [one for one in _FOLLOWED if one[0] == address.root]:
            del _FOLLOWED[other]
        _FOLLOWED[key] = made
        while len(_FOLLOWED) > MOST:
            _FOLLOWED.popitem(last=False)
    return made
