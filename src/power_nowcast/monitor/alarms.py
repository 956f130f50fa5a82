"""Alarms: raised, acknowledged, shelved and cleared on record. Their state is a view of the table of events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from power_nowcast.errors import ConfigurationError
from power_nowcast.monitor.rules import Finding, is_critical
from power_nowcast.store import Store
from power_nowcast.store.events import Event, Kind, events, note

KINDS = (Kind.RAISED, Kind.ACKNOWLEDGED, Kind.SHELVED, Kind.CLEARED)
"""The kinds of events that alarms are a view of."""


@dataclass(frozen=True)
class Alarm:
    """An alarm that stands.

    Attributes:
        region: the region's name.
        name: its name, such as "loss of a day".
        text: a sentence with value and limit, and one action.
        raised_at: when it was raised.
        acknowledged_by: who has seen it; empty if nobody has.
        acknowledged_at: when; None if nobody has.
        shelved_by: who put it away; empty if nobody did.
        shelved_until: it is told to nobody before this time; None if it was not put away.
    """

    region: str
    name: str
    text: str
    raised_at: datetime
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    shelved_by: str = ""
    shelved_until: datetime | None = None

    @property
    def is_critical(self) -> bool:
        """Whether nobody is served until somebody acts."""
        return is_critical(self.name)

    def is_shelved(self, at: datetime) -> bool:
        """Whether it is put away at a moment."""
        return self.shelved_until is not None and at < self.shelved_until

    def is_open(self, at: datetime) -> bool:
        """Whether it waits for somebody at a moment: neither acknowledged nor put away."""
        return not self.acknowledged_by and not self.is_shelved(at)


def standing(told: Sequence[Event]) -> dict[str, Alarm]:
    """The alarms that stand after these events, by name, in the order in which they were raised.

    An acknowledgement ends with its alarm. A shelf does not: what is raised again before its end is shelved, too.
    """
    found, shelves = dict[str, Alarm](), dict[str, Event]()
    for event in told:
        name = event.about
        if event.kind is Kind.RAISED and name not in found:
            alarm = Alarm(event.region, name, event.what, event.at)
            found[name] = _shelved(alarm, shelves[name]) if name in shelves else alarm
        elif event.kind is Kind.CLEARED:
            found.pop(name, None)
        elif event.kind is Kind.SHELVED:
            shelves[name] = event
            if name in found:
                found[name] = _shelved(found[name], event)
        elif event.kind is Kind.ACKNOWLEDGED and name in found:
            found[name] = replace(found[name], acknowledged_by=event.person, acknowledged_at=event.at)
    return found


def _shelved(alarm: Alarm, event: Event) -> Alarm:
    return replace(alarm, shelved_by=event.person, shelved_until=event.until)


def alarms(store: Store, region: str, at: datetime) -> dict[str, Alarm]:
    """The alarms of a region that stand at a moment, by name.

    Raises:
        StoreError: the table is damaged.
    """
    return standing(events(store, region, None, at, kinds=KINDS))


@dataclass
class Delays:
    """Turns findings into events, each after its delay. A restart begins the delays anew.

    A value must be beyond its limit, or back inside by the dead band, at every look during the delay.
    """

    _since: dict[str, datetime] = field(default_factory=dict, init=False, repr=False)

    def decide(self, region: str, found: Sequence[Finding], stand: Mapping[str, Alarm], at: datetime) -> list[Event]:
        """The events of alarms that are raised or cleared at a look.

        Args:
            region: the region's name.
            found: what the look says.
            stand: the alarms that stand.
            at: the moment of the look.
        """
        told = []
        for one in found:
            stands = one.alarm in stand
            if not (one.is_back if stands else one.is_beyond):
                self._since.pop(one.alarm, None)
                continue
            wait = one.rest if stands and one.rest is not None else one.delay
            if at - self._since.setdefault(one.alarm, at) < wait:
                continue
            del self._since[one.alarm]
            kind, what = (Kind.CLEARED, one.what) if stands else (Kind.RAISED, one.text)
            told.append(Event(region, at, kind, what, one.alarm))
        return told


def attend(
    store: Store, region: str, name: str | None, *, is_seen: bool, until: datetime | None, person: str, now: datetime
) -> None:
    """Note what a person does about an alarm.

    Args:
        store: the tables.
        region: the region's name.
        name: the alarm's name; None is refused.
        is_seen: whether it is acknowledged.
        until: it is shelved until then; a time that is over takes it off the shelf. None: it is not shelved.
        person: who.
        now: when.

    Raises:
        ConfigurationError: no alarm of this name stands, or no person is named.
        StoreError: the table cannot be written.
    """
    stand = alarms(store, region, now)
    if name not in stand:
        names = ", ".join(repr(one) for one in stand) or "none"
        message = "No alarm is named." if name is None else f"{region} has no alarm {name!r}."
        raise ConfigurationError(message, remedy=f"Name one that stands: {names}.", region=region, alarm=name)
    if not person.strip():
        raise ConfigurationError("Nobody is named.", remedy="Say who: --person NAME.", alarm=name)
    alarm, told = stand[name], list[Event]()
    if is_seen:
        told.append(Event(region, now, Kind.ACKNOWLEDGED, f"Acknowledged by {person}. {alarm.text}", name, person))
    if until is not None:
        what = f"Shelved until {until:%Y-%m-%d %H:%M} UTC" if until > now else "Taken off the shelf"
        told.append(Event(region, now, Kind.SHELVED, f"{what} by {person}. {alarm.text}", name, person, until))
    note(store, told)


def listed(store: Store, region: str, name: str | None, now: datetime) -> list[dict[str, object]]:
    """Rows of the alarms that stand, or of one: what people read in a terminal.

    Raises:
        StoreError: the table is damaged.
    """
    return [
        {
            "alarm": one.name,
            "raised_at": one.raised_at,
            "severity": "critical" if one.is_critical else "warning",
            "acknowledged_by": one.acknowledged_by,
            "shelved_until": one.shelved_until if one.is_shelved(now) else None,
            "text": one.text,
        }
        for one in alarms(store, region, now).values()
        if name in (None, one.name)
    ]
