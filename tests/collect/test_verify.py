from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.collect import Finding, State, verify, write_all
from power_nowcast.collect.findings import failed
from power_nowcast.contracts import ROWS, Table
from power_nowcast.ingest import with_source
from power_nowcast.regions import Region, SourceSpec, load
from power_nowcast.store import Store
from tests.collect.conftest import FIRST, write_day

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def filled(region: Region, store: Store, tmp_path: Path) -> Store:
    for day in range(4):
        write_day(tmp_path, day)
    write_all(store, region)
    store.keep(region.name, [store.manifest(Table.POWER, region.name)], now=NOW)
    return store


def row(series: str, valid_at: datetime, value: float, **other: object) -> pl.DataFrame:
    given = {
        "region": "toy",
        "series": series,
        "valid_at": valid_at,
        "value": value,
        "available_at": valid_at,
        "basis": "delay",
        "source": "test",
    }
    return pl.DataFrame([{**given, **other}], ROWS)


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {one.name: one for one in findings}


def test_good_tables_pass_every_check(filled: Store, region: Region) -> None:
    findings = verify(filled, region)
    assert {one.state for one in findings} == {State.OK}
    names = ["raw", "manifests", "power schema", "power times", "power total", "power ranges"]
    assert [one.name for one in findings] == names
    assert not failed(findings)


@pytest.mark.parametrize(
    ("bad", "name", "told"),
    [
        (row("N.E.", FIRST + timedelta(minutes=7), 2000.0), "power times", "off the grid"),
        (
            row("N.E.", FIRST - timedelta(hours=1), 2000.0, available_at=FIRST - timedelta(hours=2)),
            "power times",
            "befor",
        ),
        (row("NOWHERE", FIRST, 2000.0), "power schema", "NOWHERE"),
        (row("N.E.", FIRST - timedelta(hours=1), 2000.0, basis="hearsay"), "power schema", "hearsay"),
        (row("N.E.", FIRST - timedelta(hours=1), 5001.0), "power ranges", "5,001"),
    ],
)
def test_a_bad_row_fails_its_check_only(filled: Store, region: Region, bad: pl.DataFrame, name: str, told: str) -> None:
    filled.append(Table.POWER, bad, now=NOW)
    findings = by_name(verify(filled, region))
    assert findings[name].state is State.FAIL
    assert told in findings[name].detail
    assert findings[name].remedy
    assert {one.name for one in findings.values() if one.state is State.FAIL} == {name}


def test_a_stored_total_is_the_sum_of_the_zones(filled: Store, region: Region) -> None:
    zones = filled.as_of(Table.POWER, region.name, start=FIRST, end=FIRST)["value"].sum()
    filled.append(Table.POWER, row("ALL", FIRST, zones + 1.5), now=NOW)
    assert by_name(verify(filled, region))["power total"].state is State.OK, "rounding"
    later = FIRST + timedelta(minutes=30)
    filled.append(Table.POWER, row("ALL", later, 2000.0), now=NOW)
    wrong = by_name(verify(filled, region))["power total"]
    assert wrong.state is State.WARN
    assert wrong.detail.startswith("1 of 2 totals")


def test_an_unusual_value_is_worth_a_look(filled: Store, region: Region, tmp_path: Path) -> None:
    for day in range(4, 12):
        write_day(tmp_path, day)
    write_all(filled, region)
    filled.append(Table.POWER, row("N.E.", FIRST - timedelta(hours=24), 4900.0), now=NOW)
    found = by_name(verify(filled, region))["power ranges"]
    assert found.state is State.WARN
    assert "4,900 MW of N.E. at 2024-02-29 00:00 UTC" in found.detail


def test_damage_of_bytes_and_of_tables_is_found(filled: Store, region: Region, tmp_path: Path) -> None:
    raw = sorted((tmp_path / "data/raw/toy/power").iterdir())
    raw[0].unlink()
    raw[1].write_bytes(raw[2].read_bytes())
    found = by_name(verify(filled, region))["raw"]
    assert found.state is State.FAIL
    assert found.detail.startswith("2 of 4 deliveries")
    for file in (tmp_path / "data/interim/power").rglob("*.parquet"):
        file.write_bytes(b"PAR1 no more")
    findings = by_name(verify(Store(filled.root), region))
    assert findings["power schema"].state is findings["manifests"].state is State.FAIL
    assert len(findings) == 6, "each check is told"


def test_another_digest_than_the_manifests_is_found(filled: Store, region: Region) -> None:
    from dataclasses import replace

    true = filled.manifest(Table.POWER, region.name)
    filled.keep(region.name, [replace(true, sha256="0" * 64)], now=NOW)
    found = by_name(verify(filled, region))["manifests"]
    assert found.state is State.FAIL
    assert "another digest" in found.detail


def test_a_manifest_of_a_part_is_checked_by_its_span(filled: Store, region: Region) -> None:
    part = filled.manifest(Table.POWER, region.name, start=FIRST + timedelta(days=1), end=FIRST + timedelta(days=2))
    filled.keep(region.name, [part], now=NOW)
    assert by_name(verify(filled, region))["manifests"].state is State.OK


def test_vintages_written_after_their_first_time_are_told(store: Store, region: Region) -> None:
    region = region.model_copy(update={"forecast": SourceSpec(source="files")})
    for day, hours in ((0, -8), (1, -8), (2, 3)):
        first = FIRST + timedelta(days=day)
        written = {"available_at": first + timedelta(hours=hours), "basis": "written"}
        rows = [row("N.E.", first + timedelta(hours=1 + hour), 2000.0 + hour, **written) for hour in range(24)]
        store.append(Table.FORECAST, pl.concat(rows), now=NOW)
    found = by_name(verify(store, region))["forecast republished"]
    assert found.state is State.OK
    assert found.detail == (
        "1 of 3 vintages were written after the first time that they describe (2024-03-03); "
        "none counts before it was written"
    )


@pytest.mark.slow
def test_the_republished_files_of_new_york_are_recognised(store: Store, bench_data: Path) -> None:
    region = with_source(load("nyiso"), "nyiso", folder=str(bench_data / "nyiso"))
    write_all(store, region, tables=[Table.FORECAST])
    found = by_name(verify(store, region))["forecast republished"]
    assert found.detail.startswith("4 of ")
    assert "(2018-02-01, 2018-02-09, 2018-05-02, 2019-08-09)" in found.detail
