from datetime import timedelta
from pathlib import Path

import polars as pl

from power_nowcast.collect import flags, write_all
from power_nowcast.contracts import Flag, Table
from power_nowcast.regions import Region
from power_nowcast.store import Store
from tests.collect.conftest import FIRST, SLOTS, level, write_day


def marked(found: pl.DataFrame) -> dict[str, list[int]]:
    """Slots of the first zone by flag."""
    first = found.filter(pl.col("series") == "N.E.").with_columns(
        slot=(pl.col("valid_at") - FIRST).dt.total_minutes() // 30
    )
    return {flag: part["slot"].to_list() for (flag,), part in first.group_by("flag", maintain_order=True)}


def test_each_slot_says_what_is_wrong_with_it(region: Region, store: Store, tmp_path: Path) -> None:
    line = {f"s{slot}": round(2000 + 15.5 * slot, 1) for slot in range(29, 38)}
    stuck = {f"s{slot}": level(3, 0) for slot in range(4, 10)}
    write_day(tmp_path, 0, s20=4900.0, **line, **stuck)
    write_all(store, region)
    found = flags(store, region)
    assert marked(found) == {
        Flag.SPIKE: [20],
        Flag.STUCK: list(range(4, 10)),
        Flag.INTERPOLATED: list(range(30, 37)),
    }
    values = store.as_of(Table.POWER, region.name, series="N.E.")
    assert len(values) == SLOTS - 7, "a spike and stuck values are not in the tables; a line is"
    later = flags(store, region, start=FIRST + timedelta(hours=10), end=FIRST + timedelta(hours=12))
    assert set(marked(later)) == {Flag.SPIKE}
    early = flags(store, region, at=FIRST + timedelta(minutes=30 * 33))
    assert Flag.INTERPOLATED not in marked(early), "a line shows when it is long enough"
    assert marked(early)[Flag.SPIKE] == [20]


def test_a_correction_is_late(region: Region, store: Store, tmp_path: Path) -> None:
    write_day(tmp_path, 0)
    write_all(store, region)
    write_day(tmp_path, 0, name="corrected", s11=2222.0)
    write_all(store, region)
    assert marked(flags(store, region)) == {Flag.LATE: [11]}
    assert flags(store, region, at=FIRST + timedelta(days=2)).is_empty()
