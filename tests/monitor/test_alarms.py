"""Alarms on record: raised, acknowledged by a name, shelved for a time, cleared."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.errors import ConfigurationError
from power_nowcast.monitor.alarms import Alarm, Delays, alarms, attend, listed, standing
from power_nowcast.monitor.rules import Finding
from power_nowcast.store import Store
from power_nowcast.store.events import Event, Kind, events, note
from power_nowcast.store.tables import EVENTS
from tests.live.test_loop import BEGIN

MINUTE = timedelta(minutes=1)
LOSS = "loss of a day"


def finding(value: float, delay: timedelta = 15 * MINUTE) -> Finding:
    """Beyond above 10, back below 9."""
    return Finding(LOSS, value > 10, value < 9, delay, f"It is {value}.")


def play(values: Sequence[float], delay: timedelta = 15 * MINUTE) -> list[tuple[int, Kind]]:
    """What is noted of a value that is looked at every five minutes: minutes and kinds."""
    delays, told = Delays(), list[Event]()
    for n, value in enumerate(values):
        at = BEGIN + 5 * n * MINUTE
        told += delays.decide("toy", [finding(value, delay)], standing(told), at)
    return [((one.at - BEGIN) // MINUTE, one.kind) for one in told]


def test_an_alarm_waits_for_its_delay_and_ends_by_the_dead_band() -> None:
    assert play([11, 11, 11]) == [], "ten minutes"
    assert play([11, 11, 11, 11, 11]) == [(15, Kind.RAISED)]
    assert play([11, 11, 11, 9.5, 11, 11, 11]) == [], "a look inside the limit begins the delay anew"
    assert play([11] * 4 + [9.5] * 9) == [(15, Kind.RAISED)], "inside the limit and not inside the dead band"
    assert play([11] * 4 + [8] * 5) == [(15, Kind.RAISED), (35, Kind.CLEARED)]
    assert play([11] * 4 + [8, 8, 8, 9.5, 8, 8, 8]) == [(15, Kind.RAISED)]
    assert play([9, 11, 9, 8, 11], delay=timedelta(0)) == [(5, Kind.RAISED), (15, Kind.CLEARED), (20, Kind.RAISED)]


def test_a_rest_is_waited_for_before_an_alarm_is_cleared() -> None:
    """Raised at once, and cleared after twenty quiet minutes: what comes again within them is the same alarm."""
    delays, told = Delays(), list[Event]()
    for n, value in enumerate([11, 8, 8, 11, 8, 8, 8, 8, 8, 11]):
        one = replace(finding(value, timedelta(0)), rest=20 * MINUTE)
        told += delays.decide("toy", [one], standing(told), BEGIN + 5 * n * MINUTE)
    assert [((one.at - BEGIN) // MINUTE, one.kind) for one in told] == [
        (0, Kind.RAISED),
        (40, Kind.CLEARED),
        (45, Kind.RAISED),
    ]


def event(minute: int, kind: Kind, *, person: str = "", until: int | None = None, about: str = LOSS) -> Event:
    end = None if until is None else BEGIN + until * MINUTE
    return Event("toy", BEGIN + minute * MINUTE, kind, "It is 11. Do this.", about, person, end)


def test_the_state_is_a_view_of_the_events() -> None:
    told = [
        event(0, Kind.RAISED),
        event(3, Kind.RAISED, about="slow loop"),
        event(5, Kind.ACKNOWLEDGED, person="ann"),
        event(6, Kind.CLEARED, about="slow loop"),
        event(7, Kind.JUMP, about="ALL"),
    ]
    raised = BEGIN, BEGIN + 5 * MINUTE
    assert standing(told) == {LOSS: Alarm("toy", LOSS, "It is 11. Do this.", raised[0], "ann", raised[1])}
    assert not standing(told)[LOSS].is_open(BEGIN + 9 * MINUTE)
    again = [*told, event(8, Kind.CLEARED), event(9, Kind.RAISED)]
    assert standing(again)[LOSS].acknowledged_by == "", "what was seen is over"


def test_a_shelf_outlives_the_alarm_and_ends_by_itself() -> None:
    told = [event(0, Kind.RAISED), event(5, Kind.SHELVED, person="ann", until=60)]
    told += [event(10, Kind.CLEARED), event(20, Kind.RAISED)]
    alarm = standing(told)[LOSS]
    assert (alarm.raised_at, alarm.shelved_by) == (BEGIN + 20 * MINUTE, "ann")
    assert not alarm.is_open(BEGIN + 59 * MINUTE)
    assert alarm.is_open(BEGIN + 60 * MINUTE)
    back = [*told, event(30, Kind.SHELVED, person="bob", until=30)]
    assert standing(back)[LOSS].is_open(BEGIN + 30 * MINUTE), "the present time takes it back"


def test_people_act_on_record(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    note(store, [event(0, Kind.RAISED)])
    now, until = BEGIN + 5 * MINUTE, BEGIN + 90 * MINUTE
    attend(store, "toy", LOSS, is_seen=True, until=None, person="ann", now=now)
    attend(store, "toy", LOSS, is_seen=False, until=until, person="bob", now=now + MINUTE)
    alarm = alarms(Store(tmp_path / "data"), "toy", now + MINUTE)[LOSS]
    assert (alarm.acknowledged_by, alarm.shelved_by, alarm.shelved_until) == ("ann", "bob", until)
    assert alarms(store, "toy", now)[LOSS].shelved_until is None, "nobody had done it then"
    assert alarms(store, "other", now) == {}
    what = [one.what for one in events(store, "toy", BEGIN, until)]
    assert what == [
        "It is 11. Do this.",
        "Acknowledged by ann. It is 11. Do this.",
        "Shelved until 2024-05-01 13:30 UTC by bob. It is 11. Do this.",
    ]
    (row,) = listed(store, "toy", None, until - MINUTE)
    assert (row["severity"], row["acknowledged_by"], row["shelved_until"]) == ("warning", "ann", until)
    assert listed(store, "toy", "slow loop", until) == []
    (row,) = listed(store, "toy", LOSS, until)
    assert row["shelved_until"] is None, "the shelf is over"
    attend(store, "toy", LOSS, is_seen=False, until=now, person="bob", now=now + 2 * MINUTE)
    assert alarms(store, "toy", until)[LOSS].shelved_until == now
    (back,) = events(store, "toy", now + 2 * MINUTE, until)
    assert back.what == "Taken off the shelf by bob. It is 11. Do this."


def test_an_act_names_an_alarm_that_stands_and_a_person(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    note(store, [event(0, Kind.RAISED)])
    with pytest.raises(ConfigurationError, match="no alarm 'slow loop'") as found:
        attend(store, "toy", "slow loop", is_seen=True, until=None, person="ann", now=BEGIN)
    assert found.value.remedy == f"Name one that stands: '{LOSS}'."
    with pytest.raises(ConfigurationError, match="No alarm is named"):
        attend(store, "toy", None, is_seen=True, until=None, person="ann", now=BEGIN)
    with pytest.raises(ConfigurationError, match="Nobody is named"):
        attend(store, "toy", LOSS, is_seen=True, until=None, person=" ", now=BEGIN)
    assert len(events(store, "toy", BEGIN, BEGIN)) == 1


def test_events_of_before_there_were_alarms_open(tmp_path: Path) -> None:
    """A table without the new columns gets them with the next row."""
    new = ("person", "until")
    older = replace(EVENTS, schema=pl.Schema({n: t for n, t in EVENTS.schema.items() if n not in new}))
    row = {"region": "toy", "at": BEGIN, "kind": "jump", "about": "ALL", "what": "It jumped."}
    Store(tmp_path / "data", records=(older,)).records[older].add(pl.DataFrame([row], older.given), now=BEGIN)
    store = Store(tmp_path / "data")
    assert events(store, "toy", BEGIN, BEGIN) == [Event("toy", BEGIN, Kind.JUMP, "It jumped.", "ALL")]
    note(store, [event(1, Kind.SHELVED, person="ann", until=9)])
    told = events(Store(tmp_path / "data"), "toy", None, BEGIN + MINUTE)
    assert [(one.kind, one.person, one.until) for one in told] == [
        (Kind.JUMP, "", None),
        (Kind.SHELVED, "ann", BEGIN + 9 * MINUTE),
    ]
