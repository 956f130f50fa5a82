"""The clock of a followed region, as another process than its service knows it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from power_nowcast.ingest import ReplayClock
from power_nowcast.live.clock import clock_of, note_clock
from power_nowcast.store import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAYED = datetime(2019, 6, 20, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_region_that_nobody_has_replayed_goes_by_the_machine(store: Store) -> None:
    note_clock(store, "toyland", lambda: NOW)
    assert clock_of(store, "toyland", now=lambda: NOW)() == NOW


def test_a_replay_goes_on_in_every_process_from_where_it_was(store: Store) -> None:
    note_clock(store, "toyland", ReplayClock(PLAYED, 60, clock=lambda: NOW), now=lambda: NOW)
    later = NOW + timedelta(minutes=2)
    assert clock_of(store, "toyland", now=lambda: later)() == PLAYED + timedelta(hours=2)
    assert clock_of(store, "otherland", now=lambda: later)() == later


def test_a_service_of_the_present_ends_the_replay(store: Store) -> None:
    note_clock(store, "toyland", ReplayClock(PLAYED, 60, clock=lambda: NOW), now=lambda: NOW)
    note_clock(store, "toyland", lambda: NOW)
    assert clock_of(store, "toyland", now=lambda: NOW)() == NOW
