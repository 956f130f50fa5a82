from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.ingest.sources.nyiso import parse_fuel_mix
from power_nowcast.ingest.sources.nyiso_live import NyisoLive
from power_nowcast.regions import Region
from tests.ingest.conftest import FIXTURES, LOAD_HEADER, Recorder, load_line, region_of, request_of, zipped

NOON = datetime(2025, 3, 5, 17, tzinfo=UTC)
LIVE = NyisoLive()


@pytest.fixture
def fuels() -> Region:
    return region_of("Wind", "Hydro", timezone="America/New_York", interval=5, source="nyiso_live", dataset="fuelmix")


def asked(region: Region, table: Table = Table.POWER, now: datetime = NOON, **span: datetime) -> list[str]:
    http = Recorder(now)
    for delivery in LIVE.deliveries(request_of(region, table, http=http, **span)):
        delivery.read()
    return [url.removeprefix("http://mis.nyiso.com/public/csv/") for url in http.asked]


def test_the_last_two_days_are_asked_for(nyiso: Region, fuels: Region) -> None:
    assert asked(nyiso) == ["pal/20250304pal.csv", "pal/20250305pal.csv"]
    assert asked(nyiso, now=datetime(2025, 3, 5, 4, 59, tzinfo=UTC))[-1] == "pal/20250304pal.csv", "local days"
    assert asked(fuels)[-1] == "rtfuelmix/20250305rtfuelmix.csv"
    assert asked(nyiso, Table.FORECAST)[1:] == ["isolf/20250305isolf.csv", "isolf/20250306isolf.csv"]


def test_days_past_come_as_archives_of_their_months(nyiso: Region) -> None:
    start = datetime(2025, 1, 31, 12, tzinfo=UTC)
    days = [f"pal/{date(2025, 2, 27) + timedelta(days=n):%Y%m%d}pal.csv" for n in range(7)]
    assert asked(nyiso, start=start) == ["pal/20250101pal_csv.zip", "pal/20250201pal_csv.zip", *days]
    assert asked(nyiso, start=start, end=start) == ["pal/20250101pal_csv.zip"]


def test_only_todays_and_tomorrows_files_may_be_missing(nyiso: Region) -> None:
    request = request_of(nyiso, Table.FORECAST, http=Recorder(NOON))
    assert [delivery.expected for delivery in LIVE.deliveries(request)] == [True, False, False]


def test_a_day_is_read_like_its_archive(nyiso: Region) -> None:
    data = (FIXTURES / "nyiso_20171122pal.csv").read_bytes()
    rows = LIVE.parse(Received(data), request_of(nyiso), "20171122pal.csv")
    archive = zipped(("20171122pal.csv", data.decode().splitlines()))
    assert rows.equals(LIVE.parse(Received(archive), request_of(nyiso), "20171101pal_csv.zip"))
    assert len(rows) == 22
    assert rows["at"].max() == datetime(2017, 11, 22, 5, 5, tzinfo=UTC)


def test_a_forecast_alone_has_no_time_of_its_own(nyiso: Region) -> None:
    data = (FIXTURES / "nyiso_20250219isolf.csv").read_bytes()
    rows = LIVE.parse(Received(data), request_of(nyiso, Table.FORECAST), "20250219isolf.csv")
    assert rows["written"].is_null().all()
    total = rows.filter(pl.col("series") == "NYCA")
    assert total["at"].to_list() == [datetime(2025, 2, 19, 5, tzinfo=UTC), datetime(2025, 2, 19, 6, tzinfo=UTC)]
    assert total["value"].to_list() == [18054.0, 17636.0]


@pytest.mark.parametrize("cut", [1, 2, 3, 10, 40])
def test_a_torn_last_line_waits_for_its_rest(nyiso: Region, cut: int) -> None:
    text = (
        "\n".join([LOAD_HEADER, load_line("11/22/2017 00:00:00"), load_line("11/22/2017 00:05:00", load=498.25)]) + "\n"
    )
    rows = LIVE.parse(Received(text.encode()[:-cut]), request_of(nyiso), "20171122pal.csv")
    assert rows["value"].to_list() == [600.0]


@pytest.mark.parametrize(("end", "count"), [("5.0", 4), ("5.0\r", 4), ("5.", 3), ("5", 3), ("", 3)])
def test_the_last_line_of_a_fuel_mix_needs_no_end(fuels: Region, end: str, count: int) -> None:
    first = (FIXTURES / "nyiso_20160119rtfuelmix.csv").read_bytes()[:-2].rpartition(b",")[0]
    rows = LIVE.parse(Received(first + b"," + end.encode()), request_of(fuels), "20160119rtfuelmix.csv")
    assert len(rows) == count


@pytest.mark.parametrize(
    ("file", "stamps", "wind"),
    [
        ("nyiso_20160119rtfuelmix.csv", ["05:05:00", "05:10:00"], [1173.0, 1182.0]),
        ("nyiso_20171122rtfuelmix.csv", ["05:05:00", "05:07:34", "05:09:40"], [509.0, 505.0, 505.0]),
    ],
)
def test_fuels_are_read_under_either_header(fuels: Region, file: str, stamps: list[str], wind: list[float]) -> None:
    data = (FIXTURES / file).read_bytes()
    rows = LIVE.parse(Received(data), request_of(fuels), file.removeprefix("nyiso_"))
    assert set(rows["series"]) == {"Wind", "Hydro"}, "fuels that are no zones are left out"
    of_wind = rows.filter(pl.col("series") == "Wind")
    assert of_wind["value"].to_list() == wind
    assert of_wind["at"].dt.strftime("%H:%M:%S").to_list() == stamps
    assert len(rows) == 2 * len(stamps), "the last line ends without a line end, as served"


def test_an_unknown_fuel_is_not_lost(fuels: Region) -> None:
    data = b"Time Stamp,Time Zone,Fuel Category,Gen MW\n01/19/2026 00:05:00,EST,Solar,5.0\n"
    assert parse_fuel_mix(data, region=fuels, origin="x.csv")["series"].to_list() == ["Solar"]


def test_other_tables_and_data_sets_are_refused(nyiso: Region, fuels: Region) -> None:
    with pytest.raises(ConfigurationError, match="weather"):
        asked(nyiso, Table.WEATHER)
    other = region_of("Wind", timezone="America/New_York", interval=5, source="nyiso_live", dataset="prices")
    with pytest.raises(ConfigurationError, match=r"'prices'.*load, fuelmix"):
        asked(other)
    with pytest.raises(SourceFormatError, match="Gen MW"):
        LIVE.parse(Received(b"Time Stamp,Time Zone,Fuel Category,MW\n"), request_of(fuels), "x.csv")


def test_whole_days_and_a_month_of_fuels(fuels: Region, nyiso: Region, bench_data: Path) -> None:
    wire = bench_data / "wire/nyiso"
    found = {}
    for name in ("20160119rtfuelmix.csv", "20171122rtfuelmix.csv", "20250201rtfuelmix_csv.zip"):
        rows = LIVE.parse(Received((wire / name).read_bytes()), request_of(fuels), name)
        assert rows["at"].null_count() == rows["value"].null_count() == 0
        wind = rows.filter(pl.col("series") == "Wind")
        found[name] = (len(wind), wind["value"].min(), wind["value"].max())
    assert found["20250201rtfuelmix_csv.zip"] == (8246, 37.0, 2252.0)
    assert [count for count, _, _ in found.values()] == [290, 289, 8246]
    rows = LIVE.parse(Received((wire / "20171122pal.csv").read_bytes()), request_of(nyiso), "20171122pal.csv")
    assert len(rows) == 3190
    assert rows["value"].null_count() == 0
    for name in ("20171122isolf.csv", "20250219isolf.csv"):
        rows = LIVE.parse(Received((wire / name).read_bytes()), request_of(nyiso, Table.FORECAST), name)
        assert len(rows) == 144 * 12
