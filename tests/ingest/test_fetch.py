from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.contracts import Batch, Table
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.ingest import fetch, with_source
from power_nowcast.regions import Region, SourceSpec
from tests.checks.made_up import region as made_up

from .conftest import FORECAST_HEADER, LOAD_HEADER, forecast_line, load_line, zipped


def lines_of(stamps: list[str], region: Region, load: float = 600.0) -> list[str]:
    return [LOAD_HEADER, *(load_line(stamp, name=zone.name, load=load) for stamp in stamps for zone in region.zones)]


@pytest.fixture
def archives(tmp_path: Path, nyiso: Region) -> Region:
    """A region with two archives of load, whose border is in the middle of a slot, and one of forecasts."""
    for folder in ("pal", "isolf"):
        (tmp_path / folder).mkdir()
    first = lines_of(["02/28/2019 23:50:00", "02/28/2019 23:55:00", "02/28/2019 23:57:30"], nyiso, 500.0)
    second = lines_of(["03/01/2019 00:00:00", "03/01/2019 00:05:00"], nyiso)
    (tmp_path / "pal/20190201pal_csv.zip").write_bytes(zipped(("20190228pal.csv", first)))
    (tmp_path / "pal/20190301pal_csv.zip").write_bytes(zipped(("20190301pal.csv", second)))
    forecast = zipped(
        ("20190301isolf.csv", [FORECAST_HEADER, forecast_line("03/01/2019 00:00")]), time=(2019, 2, 28, 7, 5, 0)
    )
    (tmp_path / "isolf/20190301isolf_csv.zip").write_bytes(forecast)
    return with_source(nyiso, "nyiso", folder=str(tmp_path))


def test_archives_become_aligned_batches(archives: Region) -> None:
    batches = list(fetch(archives))
    assert [(batch.table, batch.origin) for batch in batches] == [
        (Table.POWER, "20190201pal_csv.zip"),
        (Table.POWER, "20190301pal_csv.zip"),
        (Table.FORECAST, "20190301isolf_csv.zip"),
    ]
    assert [len(batch.rows) for batch in batches] == [22, 22, 12]
    assert all(batch.quarantined.is_empty() for batch in batches)
    assert batches[0].raw is not None


def test_a_slot_over_two_archives_has_one_value(archives: Region) -> None:
    first, second, _ = fetch(archives)
    midnight = datetime(2019, 3, 1, 5, tzinfo=UTC)
    assert first.rows["valid_at"].max() == midnight - timedelta(minutes=5)
    assert second.rows.filter(pl.col("valid_at") == midnight)["value"].unique().to_list() == [600.0]
    assert second.superseded == 11


def test_the_end_of_the_hour_is_valid_and_the_total_has_a_forecast(archives: Region) -> None:
    (batch,) = fetch(archives, tables=[Table.FORECAST])
    total = batch.rows.filter(pl.col("series") == "NYCA").row(0, named=True)
    assert total["valid_at"] == datetime(2019, 3, 1, 6, tzinfo=UTC)
    assert total["available_at"] == datetime(2019, 2, 28, 12, 5, tzinfo=UTC)
    assert total["basis"] == "written"


def test_known_deliveries_are_not_read_again(archives: Region) -> None:
    keys = {batch.key for batch in fetch(archives)}
    assert len(keys) == 3
    assert list(fetch(archives, known=keys)) == []
    # A change of what the bytes mean is another delivery; another folder is not.
    later = archives.model_copy(update={"power": archives.power.model_copy(update={"delay_minutes": 5})})
    assert len(list(fetch(later, known=keys))) == 2
    assert list(fetch(archives, known=keys, start=datetime(2019, 3, 1, tzinfo=UTC))) == []


def test_a_part_is_not_the_whole(archives: Region) -> None:
    end = datetime(2019, 3, 1, 4, 50, tzinfo=UTC)
    part = list(fetch(archives, tables=[Table.POWER], end=end))
    assert [len(batch.rows) for batch in part] == [11, 0]
    assert len(list(fetch(archives, tables=[Table.POWER], known={batch.key for batch in part}))) == 2


def test_days_count_back_from_the_newest_value(victoria: Region) -> None:
    (batch,) = fetch(victoria, tables=[Table.POWER], days=2)
    assert batch.rows["valid_at"].min() == datetime(2014, 12, 29, 13, 30, tzinfo=UTC)
    assert len(batch.rows) == 97
    middle = datetime(2014, 6, 1, tzinfo=UTC)
    (batch,) = fetch(victoria, tables=[Table.POWER], days=1, end=middle)
    assert (batch.rows["valid_at"].min(), batch.rows["valid_at"].max()) == (middle - timedelta(days=1), middle)
    (batch,) = fetch(victoria, tables=[Table.POWER], days=1, end=datetime(2000, 1, 1, tzinfo=UTC))
    assert batch.rows.is_empty()


def test_a_region_without_forecast_has_none(victoria: Region) -> None:
    assert list(fetch(victoria, tables=[Table.FORECAST])) == []


def test_an_unknown_source_is_named(nyiso: Region) -> None:
    with pytest.raises(ConfigurationError, match="sample, nyiso, files"):
        list(fetch(with_source(nyiso, "teletext")))


def test_a_damaged_archive_stops_after_what_was_whole(archives: Region, tmp_path: Path) -> None:
    (tmp_path / "pal/20190301pal_csv.zip").write_bytes(b"PK")
    batches: list[Batch] = []
    with pytest.raises(SourceFormatError, match=r"20190301pal_csv\.zip"):
        batches.extend(fetch(archives, tables=[Table.POWER]))


@pytest.mark.slow
def test_the_real_archives_are_the_protocols_grid(nyiso: Region, bench_data: Path) -> None:
    pytest.importorskip("pandas")
    import importlib.util

    path = bench_data.parent / "bench/nyiso_2019h2.py"
    if not path.exists():
        pytest.skip(f"the protocol's scorer {path.name} is not beside the data")
    spec = importlib.util.spec_from_file_location("protocol", path)
    assert spec is not None
    assert spec.loader is not None
    protocol = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(protocol)
    grid = protocol.load_grid(bench_data / "nyiso/pal").drop(columns="NYCA")
    times = (
        pl.Series("valid_at", grid.index.tz_localize(None).to_numpy())
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone("UTC")
    )
    expected = pl.DataFrame([times, *(pl.Series(zone, grid[zone].to_numpy()) for zone in grid.columns)])
    long = expected.unpivot(index="valid_at", variable_name="series", value_name="value").drop_nans("value")
    region = with_source(nyiso, "nyiso", folder=str(bench_data / "nyiso"))
    batches = list(fetch(region, tables=[Table.POWER]))
    found = pl.concat(batch.rows for batch in batches).select("series", "valid_at", "value").sort("series", "valid_at")
    assert found.equals(long.select(found.columns).sort("series", "valid_at"))
    bad = pl.concat(batch.quarantined for batch in batches)
    empty = pl.col("value") == ""
    assert bad.filter(empty)["reason"].unique().to_list() == ["not a number"]
    assert bad.filter(~empty).select("series", "at", "reason").rows() == [
        ("HUD VL", datetime(2018, 1, 7, 12, 47, 12, tzinfo=UTC), "spike")
    ], "one value of two years is refused: 581 MW above those two minutes before and after (docs/quality.md)"


@pytest.fixture
def to_come(tmp_path: Path) -> Region:
    """Files of load and weather whose last rows lie ahead of 12:00 UTC; stamps of load begin their quarter hours."""
    lines = [f"2024-05-01T{minute // 60:02d}:{minute % 60:02d}Z" for minute in range(600, 840, 15)]
    (tmp_path / "load.csv").write_text(
        "valid_at,A,B\n" + "".join(f"{at},{800 + n % 7},{900 - n % 5}\n" for n, at in enumerate(lines))
    )
    (tmp_path / "weather.csv").write_text("valid_at,X.temperature_c\n" + "".join(f"{at},11.5\n" for at in lines))
    weather = SourceSpec(source="files", label="instant", interval_minutes=15, variables=("X.temperature_c",))
    region = made_up().model_copy(update={"weather": weather, "forecast": made_up().power})
    specs = {
        name: region.spec(Table(name)).model_copy(update={"options": {"files": str(tmp_path / file)}})  # type: ignore[union-attr]
        for name, file in (("power", "load.csv"), ("weather", "weather.csv"), ("forecast", "load.csv"))
    }
    return region.model_copy(update=specs)


def test_what_is_not_over_yet_is_no_measurement(to_come: Region) -> None:
    now = datetime(2024, 5, 1, 12, tzinfo=UTC)
    batches = {batch.table: batch for batch in fetch(to_come, clock=lambda: now)}
    power, weather, forecast = (batches[table] for table in (Table.POWER, Table.WEATHER, Table.FORECAST))
    assert power.rows["valid_at"].max() == now
    assert power.quarantined["reason"].to_list() == ["future"] * 16
    assert power.quarantined["at"].min() == now, "the interval that begins now"
    assert weather.rows["valid_at"].max() == now
    assert weather.quarantined["reason"].to_list() == ["future"] * 7
    assert forecast.quarantined.is_empty(), "a forecast may tell of what is to come"
    assert forecast.rows["valid_at"].max() == now + timedelta(hours=2)


@pytest.mark.parametrize(("early", "newest"), [(60, 0), (61, 15)])
def test_a_minute_is_left_to_clocks_that_differ(to_come: Region, early: int, newest: int) -> None:
    end = datetime(2024, 5, 1, 12, tzinfo=UTC)
    power = next(iter(fetch(to_come, tables=[Table.POWER], clock=lambda: end - timedelta(seconds=early))))
    assert power.rows["valid_at"].max() == end - timedelta(minutes=newest)


def test_later_on_the_rest_of_a_file_that_grew_is_stored(to_come: Region, tmp_path: Path) -> None:
    morning = next(iter(fetch(to_come, tables=[Table.POWER], clock=lambda: datetime(2024, 5, 1, 11, tzinfo=UTC))))
    with (tmp_path / "load.csv").open("a") as file:
        file.write("2024-05-01T14:00Z,801,899\n")
    evening = next(
        iter(fetch(to_come, tables=[Table.POWER], clock=lambda: datetime(2024, 5, 2, tzinfo=UTC), known={morning.key}))
    )
    assert len(evening.rows) == 34
    assert evening.quarantined.is_empty()
