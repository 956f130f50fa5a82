"""The clock by which a region is followed: that of the machine, or that of a replay, noted in the tables by a service.

A person who marks a zone or asks for alarms does so in another process than the service. With a replay's tables that
process must go by the replay's time: the present of the machine is years after every nowcast.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from power_nowcast.ingest import ReplayClock
from power_nowcast.store import Store

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


def note_clock(store: Store, region: str, clock: Clock, *, now: Clock = _now) -> None:
    """Note by which clock a service follows a region from now on.

    Args:
        store: the tables.
        region: name of the region.
        clock: the service's; any other than a `ReplayClock` shows the machine's time.
        now: the machine's time, aware.

    Raises:
        StoreError: the note cannot be read or written.
    """
    name = _name(region)
    if isinstance(clock, ReplayClock):
        store.documents.write(name, {"time": clock().isoformat(), "speed": clock.speed, "noted_at": now().isoformat()})
    elif store.documents.read(name) is not None:
        store.documents.write(name, None)


def clock_of(store: Store, region: str, *, now: Clock = _now) -> Clock:
    """The clock by which a region was followed last; that of the machine if nobody has replayed it.

    Raises:
        StoreError: the note cannot be read.
    """
    noted = store.documents.read(_name(region))
    if noted is None:
        return now
    passed = now() - datetime.fromisoformat(noted["noted_at"])
    return ReplayClock(datetime.fromisoformat(noted["time"]) + passed * noted["speed"], noted["speed"], clock=now)


def _name(region: str) -> str:
    return f"{region}/clock"
