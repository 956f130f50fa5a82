"""The source replay and its clock; what a store makes of it is in tests/collect/test_replay.py."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast import regions
from power_nowcast.collect import write_all
from power_nowcast.contracts import Table
from power_nowcast.errors import ConfigurationError, MissingDataError, SourceFormatError
from power_nowcast.ingest import ReplayClock, fetch, replayed, with_source
from power_nowcast.ingest.catalog import check_sources
from power_nowcast.ingest.sources.replay import versions
from power_nowcast.regions import Region
from power_nowcast.store import Store
from tests.faults import Clock

REAL = datetime(2026, 11, 2, 8, tzinfo=UTC)
JUNE = datetime(2014, 6, 1, tzinfo=UTC)


@given(
    hours=st.integers(-200_000, 200_000),
    offset=st.integers(-12, 14),
    speed=st.floats(0.01, 10_000),
    waits=st.lists(st.floats(0, 1e5), max_size=5),
)
def test_replayed_time_passes_in_proportion(hours: int, offset: int, speed: float, waits: list[float]) -> None:
    start = (JUNE + timedelta(hours=hours)).astimezone(timezone(timedelta(hours=offset)))
    real = Clock(REAL)
    clock = ReplayClock(start, speed, real, real.sleep)
    assert clock() == start
    for wait in waits:
        before = clock()
        clock.sleep(wait)
        assert (clock() - before).total_seconds() == pytest.approx(wait, abs=1e-5 * max(1.0, speed))
    assert clock().utcoffset() == timedelta(0)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_a_clock_that_does_not_run_forward_is_refused(speed: float) -> None:
    with pytest.raises(ConfigurationError, match="speed of real time") as caught:
        ReplayClock(JUNE, speed)
    assert "60 an hour in a minute" in caught.value.remedy


def test_a_start_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="has no time zone"):
        ReplayClock(JUNE.replace(tzinfo=None))


def known(region: Region, at: datetime, since: datetime | None = None) -> dict[Table, pl.DataFrame]:
    before = {} if since is None else dict.fromkeys(Table, since)
    return {batch.table: batch.rows for batch in fetch(region, clock=lambda: at, since=before)}


def test_it_hands_over_what_was_known_and_nothing_twice(victoria: Region) -> None:
    archive = {batch.table: batch.rows for batch in fetch(victoria)}
    played = replayed(victoria)
    first, second = known(played, JUNE), known(played, JUNE + timedelta(hours=3), JUNE)
    for table, rows in archive.items():
        assert set(rows.filter(pl.col("available_at") <= JUNE).rows()) == set(first[table].rows())
        new = rows.filter(pl.col("available_at").is_between(JUNE, JUNE + timedelta(hours=3), closed="right"))
        assert set(new.rows()) == set(second[table].rows())
        assert len(new) == 6
    assert known(played, JUNE + timedelta(minutes=1), JUNE) == {}


def test_start_counts_for_the_first_time_only_and_end_is_the_latest_knowledge(victoria: Region) -> None:
    played, day = replayed(victoria), timedelta(days=1)
    (batch, *_) = fetch(played, start=JUNE - day, end=JUNE, clock=lambda: JUNE + day)
    assert (batch.rows["valid_at"].min(), batch.rows["available_at"].max()) == (JUNE - day, JUNE)
    assert batch.reading is not None
    assert batch.reading.received_at == JUNE
    (batch, *_) = fetch(played, start=JUNE + day, clock=lambda: JUNE + day, since={Table.POWER: JUNE})
    assert batch.rows["valid_at"].min() == JUNE + timedelta(minutes=30)


def test_days_count_from_the_newest_value_that_is_known(victoria: Region) -> None:
    (batch, *_) = fetch(replayed(victoria), days=2, clock=lambda: JUNE)
    assert batch.rows["valid_at"].min() == JUNE - timedelta(days=2)


def test_tables_of_a_store_are_played(victoria: Region, tmp_path: Path) -> None:
    write_all(Store(tmp_path / "a store"), victoria)
    played = replayed(victoria, tmp_path / "a store")
    for table, rows in known(played, JUNE).items():
        assert rows.equals(known(replayed(victoria), JUNE)[table])
    by_place = [
        batch.rows for batch in fetch(with_source(victoria, "replay"), place=tmp_path / "a store", clock=lambda: JUNE)
    ]
    assert by_place[0].equals(known(played, JUNE)[Table.POWER])


def test_a_region_file_can_say_so(tmp_path: Path) -> None:
    text = (Path(regions.__file__).parent / "victoria.toml").read_text()
    file = tmp_path / "played.toml"
    file.write_text(text.replace('source = "sample"', 'source = "replay"\noptions = { of = "sample" }'))
    region = regions.load(file)
    check_sources(region)
    assert replayed(region) == region
    assert known(region, JUNE)[Table.POWER].equals(known(replayed(regions.load("victoria")), JUNE)[Table.POWER])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "does not say what to play"),
        ({"of": "nyiso_live"}, "cannot play the source nyiso_live"),
        ({"folder": "data", "speed": 60}, "has no option 'speed'"),
    ],
)
def test_wrong_options_are_told(victoria: Region, options: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        check_sources(with_source(victoria, "replay", **options))
    assert caught.value.fields == {"region": "victoria", "source": "replay"}


def test_a_folder_without_tables_is_told(victoria: Region, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"finds no tables in {tmp_path}"):
        known(replayed(victoria, tmp_path), JUNE)


def test_a_time_before_all_data_is_told(victoria: Region) -> None:
    with pytest.raises(MissingDataError, match="nothing before 20") as caught:
        known(replayed(victoria), datetime(1999, 1, 1, tzinfo=UTC))
    assert "Begin later" in caught.value.remedy


def test_another_region_is_nothing_at_all(victoria: Region, tmp_path: Path) -> None:
    write_all(Store(tmp_path), victoria)
    other = victoria.model_copy(update={"name": "other"})
    with pytest.raises(MissingDataError, match="of other there is nothing at all"):
        known(replayed(other, tmp_path), JUNE)


def test_a_damaged_table_is_told(victoria: Region, tmp_path: Path) -> None:
    write_all(Store(tmp_path), victoria)
    for file in (tmp_path / "interim/power").rglob("*.parquet"):
        file.write_bytes(b"gone")
    with pytest.raises(SourceFormatError, match="power of victoria cannot be read"):
        known(replayed(victoria, tmp_path), JUNE)


def test_bytes_that_are_no_delivery_are_told() -> None:
    with pytest.raises(SourceFormatError, match=r"power\.parquet holds no rows of a replay"):
        versions(b"nothing", "power.parquet")
