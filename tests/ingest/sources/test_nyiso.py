import gzip
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.contracts import Table
from power_nowcast.errors import ConfigurationError, MissingDataError, SourceFormatError
from power_nowcast.ingest import with_source
from power_nowcast.ingest.published import Request
from power_nowcast.ingest.sources import nyiso as source
from power_nowcast.ingest.sources.nyiso import NyisoArchives
from power_nowcast.regions import Region
from tests.ingest.conftest import FORECAST_HEADER, LOAD_HEADER, forecast_line, load_line, zipped


def parse_load(*lines: str) -> pl.DataFrame:
    return source.parse_load(zipped(("a.csv", [LOAD_HEADER, *lines])), origin="a.zip")


def test_the_repeated_hour_of_autumn_is_told_apart_by_its_zone() -> None:
    rows = parse_load(
        load_line("11/03/2019 01:55:00", "EDT", load=1),
        load_line("11/03/2019 01:00:00", "EST", load=2),
    )
    assert rows["at"].to_list() == [
        datetime(2019, 11, 3, 5, 55, tzinfo=UTC),
        datetime(2019, 11, 3, 6, 0, tzinfo=UTC),
    ]


def test_stamps_and_values_that_cannot_be_read_are_kept_as_received() -> None:
    rows = parse_load(
        load_line("02/30/2019 00:00:00"),
        load_line("03/01/2019 00:00:00", "XXX"),
        load_line("03/01/2019 00:00:00", load=""),
    )
    assert rows["at"].is_null().to_list() == [True, True, False]
    assert rows["stamp"].to_list() == ["02/30/2019 00:00:00 EST", "03/01/2019 00:00:00 XXX", "03/01/2019 00:00:00 EST"]
    assert rows["value"].to_list() == [600.0, 600.0, None]
    assert rows["text"].to_list() == [None, None, ""]


def test_several_files_of_an_archive_are_one_table() -> None:
    archive = zipped(
        ("b.csv", [LOAD_HEADER, load_line("03/02/2019 00:00:00", load=2)]),
        ("a.csv", [LOAD_HEADER, load_line("03/01/2019 00:00:00", load=1)]),
        ("c.csv", [LOAD_HEADER]),
    )
    assert source.parse_load(archive, origin="x")["value"].to_list() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (zipped(("a.csv", ['"Time","Load"', "1,2"])), 'expected Time Stamp, Time Zone.*found "Time","Load"'),
        (b"<html>not found</html>", "no whole zip"),
        (zipped(("a.csv", [LOAD_HEADER, load_line("03/01/2019 00:00:00")]))[:-30], "no whole zip"),
        (zipped(("a.csv", [LOAD_HEADER, load_line("03/01/2019 00:00:00") + ",7,8"])), "no CSV"),
    ],
)
def test_what_is_no_load_archive_is_refused(archive: bytes, message: str) -> None:
    with pytest.raises(SourceFormatError, match=message):
        source.parse_load(archive, origin="20190301pal_csv.zip")


def parse_forecast(region: Region, *stamps: str, time: tuple[int, int, int, int, int, int]) -> pl.DataFrame:
    lines = [forecast_line(stamp, 1000 * (number + 1)) for number, stamp in enumerate(stamps)]
    archive = zipped(("f.csv", [FORECAST_HEADER, *lines]), time=time)
    return source.parse_forecast(archive, region=region, origin="f.zip")


def test_a_forecast_is_known_from_when_its_file_was_written(nyiso: Region) -> None:
    rows = parse_forecast(nyiso, "07/02/2019 13:00", time=(2019, 7, 1, 7, 5, 4))
    assert set(rows["series"]) == set(nyiso.series)
    assert rows["written"].unique().to_list() == [datetime(2019, 7, 1, 11, 5, 4, tzinfo=UTC)]
    assert rows["at"].unique().to_list() == [datetime(2019, 7, 2, 17, tzinfo=UTC)]
    by_name = dict(rows.select("series", "value").iter_rows())
    assert (by_name["CAPITL"], by_name["HUD VL"], by_name["NYCA"]) == (1000.0, 1004.0, 1011.0)


def test_the_hour_that_autumn_repeats_stands_twice_in_order(nyiso: Region) -> None:
    stamps = ("11/03/2019 00:00", "11/03/2019 01:00", "11/03/2019 01:00", "11/03/2019 02:00")
    rows = parse_forecast(nyiso, *stamps, time=(2019, 11, 2, 7, 5, 0)).filter(pl.col("series") == "NYCA")
    assert [time.hour for time in rows["at"]] == [4, 5, 6, 7]
    assert rows["value"].to_list() == [1011.0, 2011.0, 3011.0, 4011.0]


def test_the_hour_that_spring_skips_is_missing(nyiso: Region) -> None:
    stamps = ("03/10/2019 01:00", "03/10/2019 03:00", "03/10/2019 02:00")
    rows = parse_forecast(nyiso, *stamps, time=(2019, 3, 9, 7, 5, 0)).filter(pl.col("series") == "NYCA")
    assert rows["at"].to_list() == [datetime(2019, 3, 10, 6, tzinfo=UTC), datetime(2019, 3, 10, 7, tzinfo=UTC), None]


def test_a_forecast_of_other_zones_is_refused(nyiso: Region) -> None:
    archive = zipped(("f.csv", [FORECAST_HEADER.replace("West", "East"), forecast_line("03/09/2019 01:00")]))
    with pytest.raises(SourceFormatError, match="East"):
        source.parse_forecast(archive, region=nyiso, origin="f.zip")


REPORTS = b"""utc,temp_c,dew_point_c,relative_humidity_pct,wind_speed_ms,cloud_code
2018-01-01 00:51:00,-10.56,-18.33,54.0,6.71,FEW
2018-01-01 01:51:00,,-18.33,54.0,x,???
"""


def test_reports_become_one_series_a_variable() -> None:
    rows = source.parse_reports(gzip.compress(REPORTS), station="KLGA", origin="k.csv.gz").sort("at", "series")
    assert rows["series"].to_list()[:4] == [
        f"KLGA.{name}" for name in ("cloud_cover", "dew_point_c", "temperature_c", "wind_speed_ms")
    ]
    assert rows["value"].to_list() == [0.1875, -18.33, -10.56, 6.71, None, -18.33, None]
    assert rows["text"].to_list() == [None, None, None, None, "???", None, "x"], "an empty cell is no report"
    assert rows["at"][0] == datetime(2018, 1, 1, 0, 51, tzinfo=UTC)


@pytest.mark.parametrize("file", [gzip.compress(REPORTS)[:-9], b"utc,temp_c\n2018-01-01 00:51:00,1\n", b""])
def test_what_is_no_report_is_refused(file: bytes) -> None:
    with pytest.raises(SourceFormatError):
        source.parse_reports(file, station="KLGA", origin="k.csv.gz")


def test_the_folder_must_be_named_and_hold_archives(nyiso: Region, tmp_path: Path) -> None:
    archives = NyisoArchives()
    with pytest.raises(ConfigurationError, match="--data"):
        list(archives.deliveries(Request(nyiso, Table.POWER, nyiso.power)))
    power = with_source(nyiso, "nyiso", folder=str(tmp_path)).power
    with pytest.raises(MissingDataError, match=r"mis\.nyiso\.com"):
        list(archives.deliveries(Request(nyiso, Table.POWER, power)))
    assert list(archives.deliveries(Request(nyiso, Table.FORECAST, power))) == []
    with pytest.raises(ConfigurationError, match="no weather_forecast"):
        list(archives.deliveries(Request(nyiso, Table.WEATHER_FORECAST, power)))


def test_excerpts_of_the_publishers_own_files_are_read(nyiso: Region, bench_data: Path) -> None:
    for table in (Table.POWER, Table.FORECAST, Table.WEATHER):
        spec = with_source(nyiso, "nyiso", folder=str(bench_data / "nyiso")).power
        request = Request(nyiso, table, spec)
        first = next(NyisoArchives().deliveries(request))
        rows = NyisoArchives().parse(first.read(), request, first.origin)
        assert rows["at"].null_count() == 0
        assert len(rows) > 1000
