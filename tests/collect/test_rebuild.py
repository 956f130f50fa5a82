"""Tables made again from raw bytes are the same, however they came."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast import regions
from power_nowcast.collect import rebuild, write, write_all
from power_nowcast.contracts import Table
from power_nowcast.errors import StoreError
from power_nowcast.ingest import fetch, with_source
from power_nowcast.ingest.web import Http
from power_nowcast.regions import Region
from power_nowcast.store import Store
from tests.collect.conftest import FIRST, SLOTS, level, write_day
from tests.faults import Clock, Reply, Server
from tests.store.conftest import rows_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def clock_from(start: datetime):
    times = iter(start + timedelta(seconds=number) for number in range(1000))
    return lambda: next(times)


def test_files_with_corrections_and_bad_rows(region: Region, store: Store, tmp_path: Path) -> None:
    write_day(tmp_path, 0, s5=-1.0)
    write_day(tmp_path, 1)
    write_all(store, region, clock=clock_from(NOW))
    write_day(tmp_path, 0, s7=1900.0)
    write_all(store, region, clock=clock_from(NOW + timedelta(days=1)))
    for file in (tmp_path / "files").iterdir():
        file.unlink()
    into = Store(tmp_path / "again")
    (power,) = rebuild(store, region, into)
    assert power.is_same
    assert power.otherwise == 0
    assert power.after.rows == power.before.rows
    for before, after in (
        (store.versions(Table.POWER, region.name), into.versions(Table.POWER, region.name)),
        (store.read_quarantine(region.name), into.read_quarantine(region.name)),
        (store.deliveries(region.name), into.deliveries(region.name)),
        (store.read_calendar(region.name), into.read_calendar(region.name)),
    ):
        assert before.equals(after), "with the times that they had"
    (again,) = rebuild(into, region, Store(tmp_path / "once more"))
    assert again.is_same


def test_the_sample_is_read_from_the_package(tmp_path: Path) -> None:
    region, store = regions.load("victoria"), Store(tmp_path / "data")
    write_all(store, region, start=datetime(2014, 6, 1, tzinfo=UTC), end=datetime(2014, 6, 9, tzinfo=UTC))
    done = rebuild(store, region, Store(tmp_path / "again"))
    assert [one.is_same for one in done] == [True, True]
    assert done[0].after.rows == 8 * 48 + 1


def test_a_slot_that_two_files_share(tmp_path: Path) -> None:
    """The last slot of a file of instants goes on in the next one, also when that comes on another day."""
    loaded = regions.load("nyiso").model_copy(update={"forecast": None, "weather": None})
    region = with_source(loaded, "files", files=str(tmp_path / "files/*.csv"))
    (tmp_path / "files").mkdir()
    zones = [zone.name for zone in region.zones]

    def file(name: str, *stamps: str) -> None:
        rows = [f"2024-03-01T{stamp}Z,{zone},{600 + n}" for n, stamp in enumerate(stamps) for zone in zones]
        (tmp_path / "files" / name).write_text("\n".join(["valid_at,series,value", *rows]))

    store = Store(tmp_path / "data")
    file("1.csv", "00:00:00", "00:05:00", "00:08:11")
    file("2.csv", "00:09:30", "00:15:00", "00:17:00")
    write_all(store, region, clock=clock_from(NOW))
    file("3.csv", "00:18:00", "00:25:00")
    write_all(store, region, clock=clock_from(NOW + timedelta(days=1)))
    assert store.deliveries("nyiso")["after"].null_count() == 1
    (power,) = rebuild(store, region, Store(tmp_path / "again"))
    assert power.is_same
    assert power.otherwise == 0


def test_live_answers_keep_the_times_when_they_came(tmp_path: Path) -> None:
    region = regions.load("caiso").model_copy(update={"forecast": None})
    store, clock = Store(tmp_path / "data"), Clock(datetime(2019, 3, 12, 20, 7, tzinfo=UTC))
    lines = ["Time,Day ahead forecast,Hour ahead forecast,Current demand"]
    lines += [f"{slot // 12:02}:{5 * (slot % 12):02},25000,25000,{25000 + slot * 7 % 90}" for slot in range(158)]
    with Server() as server:
        spec = region.power.model_copy(update={"options": {"url": server.url}})
        region = region.model_copy(update={"power": spec})
        for minutes in (0, 5, 65):
            clock.now += timedelta(minutes=minutes)
            lines.append(f"13:{10 + minutes // 5 % 10 * 5:02},25000,25000,{26000 + minutes}")
            lines[100] = lines[100].rsplit(",", 1)[0] + f",{25500 + minutes}"
            server.serve("/current/demand.csv", Reply("\n".join(lines).encode() + b"\n"))
            server.serve("/history/20190311/demand.csv", Reply(b"no", 404))
            with Http(clock=clock, sleep=clock.sleep, attempts=1) as http:
                start = clock.now - timedelta(hours=10)
                for batch in fetch(region, start=start, http=http, known=store.delivered("caiso")):
                    write(store, batch, now=clock.now)
    assert set(store.versions(Table.POWER, "caiso")["basis"]) == {"seen", "delay"}
    (power,) = rebuild(store, region, into := Store(tmp_path / "again"))
    assert power.is_same
    assert into.versions(Table.POWER, "caiso").equals(store.versions(Table.POWER, "caiso"))


def test_a_region_file_that_reads_otherwise_is_told(region: Region, store: Store, tmp_path: Path) -> None:
    write_day(tmp_path, 0)
    write_all(store, region)
    later = region.model_copy(update={"power": region.power.model_copy(update={"label": "start"})})
    (power,) = rebuild(store, later, Store(tmp_path / "again"))
    assert not power.is_same
    assert power.otherwise == 1


def test_damaged_bytes_and_a_full_folder_are_refused(region: Region, store: Store, tmp_path: Path) -> None:
    write_day(tmp_path, 0)
    write_all(store, region)
    with pytest.raises(StoreError, match="has data of toy"):
        rebuild(store, region, store)
    (kept,) = (tmp_path / "data/raw/toy/power").iterdir()
    content = kept.read_bytes()
    kept.write_bytes(b"other")
    with pytest.raises(StoreError, match="cannot be read"):
        rebuild(store, region, Store(tmp_path / "a"))
    kept.write_bytes(content[:-9])
    with pytest.raises(StoreError, match="cannot be read"):
        rebuild(store, region, Store(tmp_path / "b"))
    kept.unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        rebuild(store, region, Store(tmp_path / "c"))


def test_what_nobody_noted_cannot_be_read_again(region: Region, store: Store, tmp_path: Path) -> None:
    from power_nowcast.contracts import Batch

    write(store, Batch("toy", Table.POWER, rows_of(("N.E.", 0, 1.0), region="toy"), "by hand", "key"), now=NOW)
    with pytest.raises(StoreError, match="does not say how it was read"):
        rebuild(store, region, Store(tmp_path / "again"))
    assert pl.Series(store.deliveries("toy")["raw"]).null_count() == 1


def test_what_was_ahead_then_and_unusual_then_is_so_again(region: Region, store: Store, tmp_path: Path) -> None:
    """The bytes alone do not tell: the third day has one value and zeros, and was read before it was over."""
    write_day(tmp_path, 0)
    write_day(tmp_path, 1)
    write_all(store, region, clock=clock_from(FIRST + timedelta(days=2)))
    begin = FIRST + timedelta(days=2)
    zeros = [f"{(begin + timedelta(minutes=30 * slot)).isoformat()},0,0" for slot in range(1, SLOTS)]
    true = f"{begin.isoformat()},{level(2 * SLOTS, 0)},{level(2 * SLOTS, 1)}"
    (tmp_path / "files/day-2.csv").write_text("\n".join(["valid_at,N.E.,SOUTH 1", true, *zeros]) + "\n")
    write_all(store, region, clock=clock_from(FIRST + timedelta(days=2, hours=6)))
    kept_out = store.read_quarantine(region.name).group_by("reason").len()
    assert dict(kept_out.iter_rows()) == {"zero in place of a value": 2 * 12, "future": 2 * 35}
    into = Store(tmp_path / "again")
    (power,) = rebuild(store, region, into)
    assert power.is_same
    assert power.after.rows == 2 * (2 * SLOTS + 1)
    assert store.read_quarantine(region.name).equals(into.read_quarantine(region.name))
    assert store.deliveries(region.name).equals(into.deliveries(region.name))
