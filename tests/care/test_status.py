from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from power_nowcast.care import status
from power_nowcast.care.status import Freshness
from power_nowcast.contracts import Table
from power_nowcast.ingest import fetch
from power_nowcast.regions import Region
from power_nowcast.store import Store, write, write_all

from .conftest import FIRST, SLOTS, write_day

END = FIRST + timedelta(minutes=30 * (SLOTS - 1))


def test_an_archive_follows_no_clock(region: Region, store: Store, tmp_path: Path) -> None:
    write_day(tmp_path, 0, leave_out=(3, 4), s9=-5)
    write_all(store, region)
    (power,) = status(store, region, now=FIRST + timedelta(days=900))
    assert (power.table, power.rows, power.series) == (Table.POWER, 2 * (SLOTS - 2) - 1, 2)
    assert (power.first, power.last) == (FIRST, END)
    assert (power.freshness, power.behind) == (Freshness.ARCHIVE, timedelta(0))
    assert (power.gaps, power.missing, power.quarantined) == (3, 5, 1)


def test_a_live_table_is_late_after_some_intervals(region: Region, store: Store, tmp_path: Path) -> None:
    write_day(tmp_path, 0)
    for batch in fetch(region):
        assert batch.reading is not None
        write(store, replace(batch, reading=replace(batch.reading, received_at=END)), now=END)
    (fresh,) = status(store, region, now=END + timedelta(minutes=90))
    assert (fresh.freshness, fresh.behind) == (Freshness.FRESH, timedelta(0))
    (late,) = status(store, region, now=END + timedelta(minutes=100))
    assert (late.freshness, late.behind) == (Freshness.LATE, timedelta(minutes=10))


def test_an_empty_table_is_told(region: Region, store: Store) -> None:
    (power,) = status(store, region, now=END)
    assert (power.rows, power.first, power.last, power.freshness) == (0, None, None, Freshness.EMPTY)
