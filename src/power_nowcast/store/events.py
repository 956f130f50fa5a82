"""Events: everything notable that happened to a region, each once. Whatever shows history is a view of this table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum

import polars as pl

from power_nowcast.store.store import Store
from power_nowcast.store.tables import EVENTS

NO_REASON = "no reason given"


class Kind(StrEnum):
    """Kinds of events."""

    CAUGHT_UP = "caught up"
    MISSED = "missed"
    PROMOTED = "promoted"
    SWAPPED = "swapped"
    NOT_LOADED = "not loaded"
    JUDGED = "judged"
    QUALITY = "quality changed"
    RUNG = "rung changed"
    HELD_BACK = "held back"
    REFUSED = "refused"
    JUMP = "jump"
    MARKED = "marked"
    ADJUSTED = "adjusted"
    RAISED = "alarm raised"
    ACKNOWLEDGED = "alarm acknowledged"
    SHELVED = "alarm shelved"
    CLEARED = "alarm cleared"
    BEAT_LOST = "heartbeat lost"
    BEAT_BACK = "heartbeat back"


@dataclass(frozen=True)
class Event:
    """What happened.

    Attributes:
        region: the region's name.
        at: when it happened.
        kind: the kind.
        what: a sentence.
        about: a series, a table, a model version or an alarm; empty for the region.
        person: who did it; empty for what the service notes by itself.
        until: the end of what was decided, such as of a shelved alarm; None without one.
    """

    region: str
    at: datetime
    kind: Kind
    what: str
    about: str = ""
    person: str = ""
    until: datetime | None = None


def note(store: Store, given: Sequence[Event]) -> int:
    """Append events; returns how many are new: a second process notes the same event once.

    Raises:
        StoreError: the table cannot be written.
    """
    if not given:
        return 0
    rows = [asdict(one) | {"kind": one.kind.value} for one in given]
    return store.records[EVENTS].add(pl.DataFrame(rows, EVENTS.given), now=given[-1].at)


def tell_promotion(store: Store, region: str, version: str, what: str, *, person: str, reason: str) -> None:
    """Note beside the tables that a version was promoted, or is back: services that follow the region take it at once.

    Args:
        store: the tables that the services follow.
        region: the region's name.
        version: the version that is in production now.
        what: the end of a sentence about the version, such as "is in production".
        person: who decided.
        reason: why; may be empty.

    Raises:
        StoreError: the table cannot be written.
    """
    told = f"Version {version} {what}, by {person}: {reason or NO_REASON}."
    note(store, [Event(region, datetime.now(UTC), Kind.PROMOTED, told, version)])


def last_of(store: Store, region: str, kind: Kind, *, about: str | None = None) -> datetime | None:
    """The time of the newest event of a kind, None if there is none.

    Raises:
        StoreError: the table is damaged.
    """
    wanted = [pl.col("kind") == kind.value] + ([] if about is None else [pl.col("about") == about])
    found = store.records[EVENTS].newest(region, *wanted)
    return None if found.is_empty() else found["at"][0]


def promoted(store: Store, region: str) -> datetime | None:
    """When a version of the region was promoted last, None if never; a service asks this often.

    Raises:
        StoreError: the table is damaged.
    """
    return last_of(store, region, Kind.PROMOTED)


def events(
    store: Store, region: str, first: datetime | None, last: datetime, *, kinds: Sequence[Kind] = ()
) -> list[Event]:
    """The events of a region from `first` (None: from the beginning) to `last`, in order; only these kinds, if given.

    Raises:
        StoreError: the table is damaged.
    """
    wanted = [pl.col("at") <= last] if first is None else [pl.col("at").is_between(first, last)]
    if kinds:
        wanted.append(pl.col("kind").is_in([kind.value for kind in kinds]))
    rows = store.records[EVENTS].read(region, *wanted, first=first, last=last)
    return [
        Event(one["region"], one["at"], Kind(one["kind"]), one["what"], one["about"], one["person"] or "", one["until"])
        for one in rows.iter_rows(named=True)
    ]
