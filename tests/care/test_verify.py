"""verify: what is right passes, and each fault that is planted is found."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.care.verify import Finding, verify
from power_nowcast.contracts import Table
from power_nowcast.ingest.batch import ROWS
from power_nowcast.regions import Region
from power_nowcast.store import Store, write_all
from tests.care.test_status import slot, write
from tests.toy import toy_rows

NOW = datetime(2024, 4, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


@pytest.fixture
def region(tmp_path: Path, store: Store) -> Region:
    made = write(tmp_path, toy_rows(20))
    write_all(store, made)
    return made


def wrong(found: list[Finding]) -> dict[str, Finding]:
    return {one.check: one for one in found if not one.good}


def plant(store: Store, at: datetime, value: float, **changes: object) -> None:
    row = {
        "region": "toy",
        "series": "N.E.",
        "valid_at": at,
        "value": value,
        "available_at": at,
        "basis": "delay",
        "source": "planted",
    }
    store.append(Table.POWER, pl.DataFrame([row | changes], schema=ROWS), now=NOW)


def test_what_is_right_passes(store: Store, region: Region) -> None:
    store.keep("toy", [store.manifest(Table.POWER, "toy")], now=NOW)
    found = verify(store, region, now=NOW)
    assert not wrong(found)
    assert {one.check for one in found} >= {"schema", "times", "plausible", "usual for the hour", "manifests"}
    assert not verify(Store(store.root + "-none"), region, now=NOW)


@pytest.mark.parametrize(
    ("at", "value", "changes", "check"),
    [
        (slot(20 * 48) + timedelta(minutes=7), 1000.0, {}, "times"),
        (NOW + timedelta(days=9), 1000.0, {}, "times"),
        (slot(20 * 48), 1000.0, {"available_at": slot(0)}, "times"),
        (slot(20 * 48), 9000.0, {}, "plausible"),
        (slot(20 * 48), -3.0, {}, "plausible"),
        (slot(20 * 48), 4900.0, {}, "usual for the hour"),
    ],
)
def test_planted_faults_are_found(
    store: Store, region: Region, at: datetime, value: float, changes: dict[str, object], check: str
) -> None:
    plant(store, at, value, **changes)
    found = wrong(verify(store, region, now=NOW))
    assert check in found
    assert found[check].wrong >= 1
    assert "N.E." in found[check].detail
    assert found[check].remedy


def test_a_manifest_that_no_longer_holds_is_found(store: Store, region: Region) -> None:
    right = store.manifest(Table.POWER, "toy")
    store.keep("toy", [type(right)(**{**vars(right), "sha256": "0" * 64})], now=NOW)
    assert wrong(verify(store, region, now=NOW))["manifests"].detail == f"version {right.version}"


def test_a_damaged_file_is_told(store: Store, region: Region) -> None:
    for file in Path(store.root).rglob("interim/power/**/*.parquet"):
        file.write_bytes(b"nothing")
    assert "readable" in wrong(verify(Store(store.root), region, now=NOW))
