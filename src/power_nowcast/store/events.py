"""Events: everything notable that happened to a region, each once. Whatever shows history is a view of this table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import polars as pl

from power_nowcast.store.store import Store
from power_nowcast.store.tables import EVENTS


class Kind(StrEnum):
    """Kinds of events."""

    CAUGHT_UP = "caught up"
    MISSED = "missed"
    PROMOTED = "promoted"
    SWAPPED = "swapped"
    NOT_LOADED = "not loaded"
    QUALITY = "quality changed"
    RUNG = "rung changed"
    HELD_BACK = "held back"
    REFUSED = "refused"
    JUMP = "jump"
    MARKED = "marked"
    ADJUSTED = "adjusted"


@dataclass(frozen=True)
class Event:
    """What happened: `about` is a series, a table or a model version, empty for the region; `what` is a sentence."""

    region: str
    at: datetime
    kind: Kind
    what: str
    about: str = ""


def note(store: Store, given: Sequence[Event]) -> int:
    """Append events; returns how many are new: a second process notes the same event once.

    Raises:
        StoreError: the table cannot be written.
    """
    if not given:
        return 0
    rows = [
        {"region": one.region, "at": one.at, "kind": one.kind.value, "about": one.about, "what": one.what}
        for one in given
    ]
    return store.records[EVENTS].add(pl.DataFrame(rows, EVENTS.given), now=given[-1].at)


def promoted(store: Store, region: str) -> datetime | None:
    """When a version of the region was promoted last, None if never; a service asks this often.

    Raises:
        StoreError: the table is damaged.
    """
    found = store.records[EVENTS].newest(region, pl.col("kind") == Kind.PROMOTED.value)
    return None if found.is_empty() else found["at"][0]


def events(store: Store, region: str, first: datetime, last: datetime) -> list[Event]:
    """The events of a region from `first` to `last`, in order.

    Raises:
        StoreError: the table is damaged.
    """
    rows = store.records[EVENTS].read(region, pl.col("at").is_between(first, last), first=first, last=last)
    return [
        Event(one["region"], one["at"], Kind(one["kind"]), one["what"], one["about"])
        for one in rows.iter_rows(named=True)
    ]
