from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast import regions
from power_nowcast.collect import Gap, State, fill, gaps, rebuild, status, verify, write_all
from power_nowcast.collect.gaps import spans
from power_nowcast.contracts import Table
from power_nowcast.regions import Region
from power_nowcast.store import Store
from tests.collect.conftest import FIRST, SLOTS, ZONES, write_day

HALF_HOUR = timedelta(minutes=30)


def at(place: int) -> datetime:
    return FIRST + place * HALF_HOUR


def test_missing_slots_are_spans_of_each_series(region: Region, store: Store, tmp_path: Path) -> None:
    write_day(tmp_path, 0, leave_out=(5, 6, 7, 20))
    write_all(store, region)
    assert gaps(store, region) == [
        Gap(Table.POWER, name, at(first), at(last), last - first + 1)
        for name in ZONES
        for first, last in ((5, 7), (20, 20))
    ]


def test_what_a_table_should_hold_can_be_said(region: Region, store: Store, tmp_path: Path) -> None:
    write_day(tmp_path, 0)
    write_all(store, region)
    assert gaps(store, region) == []
    later = gaps(store, region, start=at(10) + timedelta(minutes=7), end=at(SLOTS + 2))
    assert [(gap.first, gap.last, gap.slots) for gap in later] == [(at(SLOTS), at(SLOTS + 2), 3)] * 2
    assert gaps(Store(tmp_path / "nothing"), region) == []
    assert gaps(Store(tmp_path / "nothing"), region, start=at(0), end=at(9))[0].slots == 10


def test_filling_fetches_the_missing_span_and_nothing_else(region: Region, store: Store, tmp_path: Path) -> None:
    for day in (0, 2):
        write_day(tmp_path, day)
    write_all(store, region)
    before = store.versions(Table.POWER, region.name)
    write_day(tmp_path, 1)
    found = gaps(store, region)
    assert spans(found) == [(Table.POWER, at(SLOTS), at(2 * SLOTS - 1))]
    report = fill(store, region, found)
    assert (report.deliveries, report.stored) == (1, 2 * SLOTS), "the other files were not read again"
    assert gaps(store, region) == []
    after = store.versions(Table.POWER, region.name)
    assert len(after) == len(before) + 2 * SLOTS


def test_what_the_publisher_does_not_have_stays_a_gap(region: Region, store: Store, tmp_path: Path) -> None:
    write_day(tmp_path, 0, leave_out=(9,))
    write_all(store, region)
    found = gaps(store, region)
    assert fill(store, region, found).stored == 0
    assert gaps(store, region) == found


def test_reports_are_missed_after_hours_of_silence(tmp_path: Path) -> None:
    region = regions.load("nyiso")
    store = Store(tmp_path / "data")
    write_all(store, region, start=datetime.fromisoformat("2019-06-01T00:00:00+00:00"), tables=[Table.WEATHER])
    assert gaps(store, region, tables=[Table.WEATHER]) == []
    end = store.last(Table.WEATHER, "nyiso")
    assert end is not None
    silent = gaps(store, region, end=end + timedelta(hours=5), tables=[Table.WEATHER])
    assert [(gap.series, gap.slots) for gap in silent] == [(name, 5) for name in region.weather.variables]  # type: ignore[union-attr]


def test_an_hourly_forecast_has_an_hourly_grid(tmp_path: Path) -> None:
    region = regions.load("nyiso")
    store = Store(tmp_path / "data")
    write_all(store, region, start=datetime.fromisoformat("2019-06-20T00:00:00+00:00"), tables=[Table.FORECAST])
    assert gaps(store, region, tables=[Table.FORECAST]) == []


@given(st.sets(st.integers(1, 30)))
def test_spans_cover_the_gaps_and_no_value_that_is_there(missing: set[int]) -> None:
    grid = pl.DataFrame({"place": sorted(missing)}, {"place": pl.Int64})
    runs = grid.group_by(run=pl.col("place") - pl.int_range(pl.len())).agg(
        first=pl.col("place").min(), last=pl.col("place").max()
    )
    found = [Gap(Table.POWER, "A", at(row["first"]), at(row["last"]), 1) for row in runs.to_dicts()]
    covered = {
        place
        for _, first, last in spans(found, apart=HALF_HOUR)
        for place in range((first - FIRST) // HALF_HOUR, (last - FIRST) // HALF_HOUR + 1)
    }
    assert covered == missing


def test_forecasts_of_weather_are_looked_after(region: Region, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "ahead.csv"
    hours = [hour for hour in range(12) if hour not in (5, 6)]
    lines = [f"{at(2 * hour).isoformat()},{at(-4).isoformat()},{10 + hour}" for hour in hours]
    file.write_text("\n".join(["valid_at,written,K.temperature_c", *lines]))
    spec = {
        "source": "files",
        "label": "instant",
        "interval_minutes": 60,
        "variables": ["K.temperature_c"],
        "options": {"files": str(file)},
    }
    of = Region.model_validate(region.model_dump() | {"weather_forecast": spec})
    write_day(tmp_path, 0)
    write_all(store, of)
    table = Table.WEATHER_FORECAST
    assert gaps(store, of) == [Gap(table, "K.temperature_c", at(10), at(12), 2)]
    now = at(SLOTS)
    assert [(one.table, one.rows, one.missing) for one in status(store, of, now=now)][-1] == (table, 10, 2)
    found = {one.name: one.state for one in verify(store, of)}
    assert found["weather_forecast times"] is State.OK, "a forecast is known before its time"
    again = rebuild(store, of, Store(tmp_path / "again"))
    assert [(one.table, one.is_same) for one in again] == [(Table.POWER, True), (table, True)]
