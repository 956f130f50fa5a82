"""Versions that manifests name stay readable, whatever is merged, cleaned and trimmed after them."""

import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from power_nowcast.contracts import Batch, Manifest, Table
from power_nowcast.errors import StoreError
from power_nowcast.store import Store, log
from power_nowcast.store.delta import CONFIGURATION, Delta

from .conftest import rows_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EVERY, RECENT = 3, 6
LONG = RECENT + 3 * EVERY


@pytest.fixture(autouse=True)
def quick_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is trimmed after a few commits."""
    monkeypatch.setattr(log, "CHECKPOINT_EVERY", EVERY)
    monkeypatch.setattr(log, "RECENT", RECENT)
    monkeypatch.setitem(CONFIGURATION, "delta.checkpointInterval", str(EVERY))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleted files wait for nobody."""
    monkeypatch.setitem(CONFIGURATION, "delta.deletedFileRetentionDuration", "interval 0 seconds")


def append(store: Store, *minutes: int) -> Manifest:
    for minute in minutes:
        store.append(Table.POWER, rows_of(("A", minute, float(minute))), now=NOW)
    return store.manifest(Table.POWER, "nyiso")


def names(store: Store) -> set[str]:
    return {file.name for file in Path(store.root, "interim/power/_delta_log").iterdir()}


def test_what_is_kept_survives_merging_cleaning_and_many_commits(store: Store, at_once: None) -> None:
    first = append(store, 0, 1)
    store.keep("nyiso", [first], now=NOW)
    lost = append(store, 2)
    newest = append(store, *range(3, LONG))
    assert store.compact() > 0
    assert store.vacuum() > 0
    again = Store(store.root)
    assert again.manifest(Table.POWER, "nyiso").sha256 == newest.sha256
    assert again.manifest(Table.POWER, "nyiso", version=first.version) == first
    assert DeltaTable(f"{store.root}/interim/power", version=first.version).version() == first.version
    with pytest.raises(StoreError, match=f"version {lost.version}"):
        again.manifest(Table.POWER, "nyiso", version=lost.version)
    assert again.kept("nyiso").drop("region", "first_seen_at").to_dicts() == [asdict(first)]


def test_recent_versions_need_not_be_kept(store: Store) -> None:
    manifests = [append(store, minute) for minute in range(5)]
    store.compact()
    assert store.vacuum() == 0
    for one in manifests:
        assert store.manifest(Table.POWER, "nyiso", version=one.version) == one


def test_the_log_of_five_minute_appends_stays_short(store: Store) -> None:
    append(store, *range(4 * LONG))
    assert sum(name.endswith(".json") for name in names(store)) <= RECENT + 3 * EVERY
    assert len(Store(store.root).as_of(Table.POWER, "nyiso")) == 4 * LONG


def test_a_reader_goes_on_after_the_log_was_trimmed(store: Store) -> None:
    append(store, 0)
    reader = Store(store.root)
    assert len(reader.as_of(Table.POWER, "nyiso")) == 1
    append(store, *range(1, LONG))
    store.vacuum()
    assert len(reader.as_of(Table.POWER, "nyiso")) == LONG
    assert reader.append(Table.POWER, rows_of(("A", LONG, 1.0)), now=NOW).added == 1


def test_keeping_twice_is_keeping_once(store: Store) -> None:
    manifest = append(store, 0)
    for _ in range(2):
        store.keep("nyiso", [manifest], now=NOW)
    assert len(store.kept("nyiso")) == 1
    assert store.kept("other").is_empty()


def test_an_empty_table_has_nothing_to_keep(store: Store) -> None:
    empty = store.manifest(Table.WEATHER, "nyiso")
    store.keep("nyiso", [empty], now=NOW)
    assert store.manifest(Table.WEATHER, "nyiso", version=-1) == empty


def test_a_version_that_is_gone_cannot_be_kept(store: Store, at_once: None) -> None:
    manifest = append(store, 0)
    append(store, *range(1, LONG))
    store.vacuum()
    with pytest.raises(StoreError, match="kept"):
        store.keep("nyiso", [manifest], now=NOW)


def test_trimming_needs_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / f"{0:020}.json").touch()
    assert log.trim(tmp_path, 10 * RECENT, ()) == 0
    (tmp_path / f"{7:020}.checkpoint.parquet").touch()
    (tmp_path / f"{7:020}.json").touch()
    assert log.trim(tmp_path, 10 * RECENT, ()) == 1, "the commit before the checkpoint"
    assert {file.name for file in tmp_path.iterdir()} == {f"{7:020}.checkpoint.parquet", f"{7:020}.json"}


def test_nothing_is_trimmed_in_an_object_store() -> None:
    delta = Delta("s3://nowhere/table", rows_of().schema, ())
    assert delta.trim(()) == 0
    assert not delta.is_long


def test_what_killed_writes_left_goes_after_a_time(store: Store) -> None:
    append(store, 0, 1)
    keep_raw(store)
    root = Path(store.root)
    partition = next(root.glob("interim/power/region=nyiso/*"))
    strays = [
        partition / "part-00000-11111111-1111-1111-1111-111111111111-c000.zstd.parquet",  # no commit has it
        partition / "part-00000-22222222-2222-2222-2222-222222222222-c000.zstd.parquet#1",
        root / "interim/power/_delta_log/_commit_33333333-3333-3333-3333-333333333333.json.tmp",
        root / "raw/nyiso/power/.0123456789abcdef-a.csv.gz.4711",
    ]
    before = {file for file in root.rglob("*") if file.is_file()}
    for file in strays:
        file.write_bytes(b"half")
    assert store.vacuum() == 0, "a write may be at work on them"
    month = datetime.now(UTC).timestamp() - 31 * 86400
    for file in strays:
        os.utime(file, (month, month))
    assert store.vacuum() == len(strays)
    assert {file for file in root.rglob("*") if file.is_file()} >= before
    assert not any(file.exists() for file in strays)
    assert store.as_of(Table.POWER, "nyiso")["value"].to_list() == [0.0, 1.0]


def keep_raw(store: Store) -> None:
    store.keep_raw(Batch("nyiso", Table.POWER, rows_of(("A", 0, 1.0)), "a.csv", "key", raw=b"answer"))
