from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, MissingDataError, SourceFormatError
from power_nowcast.ingest.sources.caiso import Caiso, parse_supply
from power_nowcast.regions import Region
from tests.ingest.conftest import FIXTURES, Recorder, region_of, request_of, zipped

CAISO = Caiso()
NOON = datetime(2025, 2, 21, 20, tzinfo=UTC)


def california(*zones: str, **options: object) -> Region:
    return region_of(*(zones or ("CISO",)), timezone="America/Los_Angeles", interval=5, source="caiso", **options)


def parse(name: str, table: Table = Table.POWER, region: Region | None = None) -> pl.DataFrame:
    data = (FIXTURES / f"caiso_{name}").read_bytes()
    return CAISO.parse(Received(data), request_of(region or california(), table), name)


def times(rows: pl.DataFrame) -> list[str]:
    return rows["at"].dt.strftime("%d %H:%M").to_list()


def asked(region: Region, table: Table = Table.POWER, **span: datetime) -> list[str]:
    http = Recorder(NOON)
    for delivery in CAISO.deliveries(request_of(region, table, http=http, **span)):
        delivery.read()
    return http.asked


def test_the_hour_that_spring_skips_is_blank() -> None:
    rows = parse("demand_20190310.csv")
    assert times(rows) == ["10 08:00", "10 08:05", "10 09:55", "10 10:00", "10 10:05", "10 11:05", "11 06:55"]
    assert rows["value"].to_list()[:2] == [21511.0, 21518.0]


def test_the_hour_that_autumn_repeats_stands_there_once_and_is_the_first() -> None:
    rows = parse("demand_20181104.csv")
    assert times(rows) == [
        *("04 07:00", "04 07:05", "04 07:55", "04 08:00", "04 08:05"),
        *("04 08:55", "04 10:00", "04 10:05", "05 07:55"),
    ]


def test_a_repeated_hour_that_stands_there_twice_is_both() -> None:
    clocks = ["00:55", "01:00", "01:30", "01:00", "01:30", "02:00"]
    text = "".join(["Time,Day ahead forecast,Current demand\n", *(f"{clock},1,2\n" for clock in clocks)])
    rows = CAISO.parse(Received(text.encode()), request_of(california()), "demand_20181104.csv")
    assert times(rows) == ["04 07:55", "04 08:00", "04 08:30", "04 09:00", "04 09:30", "04 10:00"]


def test_the_day_ahead_forecast_is_of_hours_and_known_the_evening_before() -> None:
    rows = parse("demand_20181104.csv", Table.FORECAST)
    assert times(rows) == ["04 08:00", "04 09:00", "04 10:00", "04 11:00", "05 08:00"]
    assert rows["value"].to_list() == [21395.0, 20371.0, 19720.0, 19394.0, 20371.0]
    assert rows.select("written", "basis").unique().rows() == [(datetime(2018, 11, 4, 1, tzinfo=UTC), "schedule")]
    spring = parse("demand_20190310.csv", Table.FORECAST)
    assert times(spring) == ["10 09:00", "10 10:00", "10 12:00", "11 07:00"], "an hour without a forecast is no row"


def test_just_after_midnight_the_current_file_is_still_yesterdays() -> None:
    data = (FIXTURES / "caiso_demand_20181104.csv").read_bytes()

    def first(received_at: datetime) -> list[str]:
        received = Received(data, received_at=received_at)
        return times(CAISO.parse(received, request_of(california()), "demand_20181105.csv"))[:1]

    assert first(datetime(2018, 11, 5, 8, 3, tzinfo=UTC)) == ["04 07:00"]
    assert first(datetime(2018, 11, 6, 8, 3, tzinfo=UTC)) == ["05 08:00"]
    new = b"Time,Day ahead forecast,Current demand\n00:00,5,6\n00:05,5,\n"
    received = Received(new, received_at=datetime(2018, 11, 5, 8, 3, tzinfo=UTC))
    assert times(CAISO.parse(received, request_of(california()), "demand_20181105.csv")) == ["05 08:00"]


def test_supply_is_read_as_served_and_as_the_page_saves_it() -> None:
    region = california("Renewables", "Imports", dataset="supply")
    rows = parse("supply_20210701.csv", region=region)
    assert rows["value"].to_list() == [3665.0, 3650.0, 3630.0, 10166.0, 9977.0, 10032.0]
    assert times(rows)[:3] == ["01 07:00", "01 07:05", "01 07:10"]
    served = (
        b"Time,Renewables,Coal,Imports\n00:00,3665,1,10166\n00:05,3650,1,9977\n00:10,3630,1,10032\n00:15,,,\n00:20,1"
    )
    of_server = parse_supply(served, day=date(2021, 7, 1), request=request_of(region), origin="x")
    assert of_server.drop("stamp").equals(rows.drop("stamp")), "a torn line and the time to come are no rows"


def oasis(name: str) -> bytes:
    return zipped((name, (FIXTURES / f"caiso_{name}").read_text().splitlines()))


def test_wind_and_sun_are_the_sum_of_all_hubs() -> None:
    region = california("Solar", "Wind", dataset="SLD_REN_FCST")
    rows = CAISO.parse(Received(oasis("sld_ren_fcst_dam.csv")), request_of(region, Table.FORECAST), "a.zip")
    assert times(rows) == ["04 19:00", "05 08:00", "04 19:00", "05 08:00"]
    assert rows["value"].round(2).to_list() == [13077.41, 0.0, 2070.87, 2348.55]
    assert set(rows["written"]) == {datetime(2025, 2, 4, 2, tzinfo=UTC)}, "both hours are of the fourth, local"
    lines = (FIXTURES / "caiso_sld_ren_fcst_dam.csv").read_text().splitlines()
    part = zipped(
        ("x.csv", [line for line in lines if ",11,0,".join(("2025-02-04", "")) not in line or "SP15" not in line])
    )
    rows = CAISO.parse(Received(part), request_of(region, Table.FORECAST), "a.zip")
    assert times(rows) == ["05 08:00", "05 08:00"], "a sum without a hub is none"


def test_the_forecast_of_a_week_has_no_time_of_its_own() -> None:
    region = california(dataset="SLD_FCST", market="7DA")
    rows = CAISO.parse(Received(oasis("sld_fcst_7da.csv")), request_of(region, Table.FORECAST), "a.zip")
    assert list(zip(times(rows), rows["value"], strict=True)) == [("20 09:00", 21382.89), ("20 10:00", 20731.98)]
    assert rows["written"].is_null().all()


def test_what_oasis_cannot_answer_it_says() -> None:
    request = request_of(california(dataset="SLD_FCST"), Table.FORECAST)
    said = zipped(("INVALID_REQUEST.xml", ["<m:ERR_CODE>1000</m:ERR_CODE><m:ERR_DESC>No data returned</m:ERR_DESC>"]))
    with pytest.raises(MissingDataError, match="No data returned"):
        CAISO.parse(Received(said), request, "a.zip")
    with pytest.raises(SourceFormatError, match="no whole zip"):
        CAISO.parse(Received(said[:-30]), request, "a.zip")


@pytest.mark.parametrize(
    ("data", "origin", "message"),
    [
        (b"Time,Demand\n00:00,1\n", "demand_20250221.csv", "lacks the columns Current demand"),
        (b"", "demand_20250221.csv", "no CSV"),
        (b"Time,Day ahead forecast,Current demand\n", "demand.csv", "no date in its name"),
    ],
)
def test_what_is_no_day_file_is_refused(data: bytes, origin: str, message: str) -> None:
    with pytest.raises(SourceFormatError, match=message):
        CAISO.parse(Received(data), request_of(california()), origin)


def test_days_past_are_asked_of_the_history() -> None:
    outlook = "https://www.caiso.com/outlook"
    assert asked(california()) == [f"{outlook}/history/20250220/demand.csv", f"{outlook}/current/demand.csv"]
    supply = california("Solar", dataset="supply")
    start = NOON - timedelta(days=2)
    assert asked(supply, start=start, end=start) == [f"{outlook}/history/20250219/fuelsource.csv"]
    assert asked(supply, start=NOON) == [f"{outlook}/current/fuelsource.csv"]


def test_oasis_is_asked_for_local_days_a_month_at_a_time() -> None:
    region = california(dataset="SLD_FCST", market="7DA")
    (url,) = asked(region, Table.FORECAST)
    assert url == (
        "https://oasis.caiso.com/oasisapi/SingleZip?resultformat=6&queryname=SLD_FCST&market_run_id=7DA"
        "&startdatetime=20250220T08%3A00-0000&enddatetime=20250224T08%3A00-0000&version=1"
    )
    assert len(asked(region, Table.FORECAST, start=NOON - timedelta(days=45))) == 2


def test_wrong_options_are_named() -> None:
    with pytest.raises(ConfigurationError, match="demand, SLD_FCST, SLD_REN_FCST"):
        asked(california(dataset="supply"), Table.FORECAST)
    with pytest.raises(ConfigurationError, match="of several zones"):
        asked(california("A", "B"))
    with pytest.raises(ConfigurationError, match="nws"):
        asked(california(), Table.WEATHER)


@pytest.mark.parametrize(
    ("day", "demand", "forecast"),
    [("20190715", 288, 24), ("20190310_springDST", 276, 22), ("20181104_fallDST", 288, 25)],
)
def test_whole_days(bench_data: Path, day: str, demand: int, forecast: int) -> None:
    received = Received((bench_data / f"wire/caiso/demand_{day}.csv").read_bytes())
    rows = CAISO.parse(received, request_of(california()), f"demand_{day}.csv")
    assert (len(rows), rows["at"].n_unique(), rows["value"].null_count()) == (demand, demand, 0)
    assert len(CAISO.parse(received, request_of(california(), Table.FORECAST), f"demand_{day}.csv")) == forecast


def test_whole_answers_of_oasis(bench_data: Path) -> None:
    folder = bench_data / "wire/caiso"
    load, renewable = california(dataset="SLD_FCST", market="7DA"), california("Solar", "Wind", dataset="SLD_REN_FCST")
    for pattern, region, count in (("*7DA*.zip", load, 192), ("*REN*.zip", renewable, 2 * 168)):
        (file,) = folder.glob(pattern)
        rows = CAISO.parse(Received(file.read_bytes()), request_of(region, Table.FORECAST), file.name)
        assert (len(rows), rows["value"].null_count(), rows["at"].null_count()) == (count, 0, 0)
