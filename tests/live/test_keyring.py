"""The keys of a running service: changes of other processes are seen soon, and no request reads the disk."""

import logging
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from power_nowcast.errors import StoreError
from power_nowcast.live.keyring import KeyRing
from power_nowcast.store import Store
from power_nowcast.store.keys import Scope, make, revoke
from power_nowcast.store.tables import KEYS

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def test_what_another_process_makes_and_revokes_is_seen_at_the_next_look(tmp_path: Path) -> None:
    ring, other = KeyRing(Store(tmp_path / "data")), Store(tmp_path / "data")
    assert ring.find("nowcast_nothing") is None
    secret = make(other, "desk", Scope.READ, now=NOW)
    assert ring.find(secret) is None
    ring.refresh()
    found = ring.find(secret)
    assert found is not None
    assert found.is_valid
    revoke(other, "desk", now=NOW)
    ring.refresh()
    gone = ring.find(secret)
    assert gone is not None
    assert not gone.is_valid


def test_a_started_ring_sees_a_revocation_within_a_second(tmp_path: Path) -> None:
    other = Store(tmp_path / "data")
    secret = make(other, "desk", Scope.READ, now=NOW)
    ring = KeyRing(Store(tmp_path / "data"))
    ring.start()
    try:
        revoke(other, "desk", now=NOW)
        begun = time.monotonic()
        while (found := ring.find(secret)) is not None and found.is_valid:
            assert time.monotonic() - begun < 1
            time.sleep(0.01)
    finally:
        ring.stop()


def test_no_request_reads_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "data")
    secret = make(store, "desk", Scope.READ, now=NOW)
    ring = KeyRing(store)
    ring.refresh()
    monkeypatch.setattr(type(store.records[KEYS].delta), "snapshot", pytest.fail)
    monkeypatch.setattr(type(store.records[KEYS].delta), "version", property(pytest.fail))
    assert ring.find(secret) is not None
    assert ring.find("nowcast_other") is None


def test_keys_that_cannot_be_read_are_an_error_at_first_and_told_once_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "data")
    secret = make(store, "desk", Scope.READ, now=NOW)
    ring, fresh = KeyRing(Store(tmp_path / "data")), KeyRing(Store(tmp_path / "data"))
    ring.refresh()
    make(store, "second", Scope.READ, now=NOW)
    newest = sorted((tmp_path / "data/interim/keys/_delta_log").glob("*.json"))[-1]
    newest.write_bytes(b"")
    with pytest.raises(StoreError):
        fresh.find(secret)
    with caplog.at_level(logging.WARNING, "power_nowcast.live"):
        for _ in range(3):
            ring._look()
    assert ring.find(secret) is not None
    told = [record.message for record in caplog.records if "keys cannot be read" in record.message]
    assert len(told) == 1
    assert secret not in caplog.text
