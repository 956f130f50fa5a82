from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.contracts import Table
from power_nowcast.errors import ConfigurationError, MissingDataError, SourceFormatError
from power_nowcast.ingest import fetch
from power_nowcast.regions import Region, SourceSpec
from tests.ingest.conftest import read_file as read
from tests.ingest.conftest import reasons_of as reasons


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my load.csv"


def test_wide_and_long_files_hold_the_same(victoria: Region, file: Path) -> None:
    wide = read(victoria, file, "valid_at,VIC\n2014-01-01T00:00:00Z,4000\n2014-01-01 00:30+00:00,4100.5\n")
    long = read(
        victoria,
        file,
        "time;zone;mw\n".replace(";", ",")
        + "2014-01-01T10:00+10:00,Victoria,4000\n2014-01-01T00:30:00.0Z,VIC,4100.5\n",
        columns={"valid_at": "time", "series": "zone", "value": "mw"},
        series={"Victoria": "VIC"},
    )
    assert wide.rows.equals(long.rows)
    assert wide.rows["value"].to_list() == [4000.0, 4100.5]
    assert wide.rows["valid_at"].to_list() == [datetime(2014, 1, 1, 0, minute, tzinfo=UTC) for minute in (0, 30)]


def test_titles_may_be_renamed_and_the_total_is_not_read(nyiso: Region, file: Path) -> None:
    zones = [zone.name for zone in nyiso.zones]
    header = ",".join(["valid_at", "Sum", *zones[1:], "capital"])
    text = f"{header}\n2019-03-01T00:00Z,99999,{','.join(['700'] * 11)}\n"
    batch = read(nyiso, file, text, series={"capital": "CAPITL", "Sum": "NYCA"})
    assert sorted(batch.rows["series"]) == sorted(zones)
    assert batch.rows["value"].unique().to_list() == [700.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,VIC\n1,2\n", "missing: valid_at; unknown: time"),
        ("valid_at,VIC,TAS\n2014-01-01T00:00Z,1,2\n", "expected valid_at with VIC.*unknown: TAS"),
        ("valid_at\n2014-01-01T00:00Z\n", "missing: VIC"),
        ("", "no CSV"),
    ],
)
def test_wrong_columns_are_named(victoria: Region, file: Path, text: str, message: str) -> None:
    with pytest.raises(SourceFormatError, match=message):
        read(victoria, file, text)


@pytest.mark.parametrize(("unit", "value"), [("GW", "4.1"), ("kW", "4100000"), ("MW", "4100")])
def test_units_are_converted(victoria: Region, file: Path, unit: str, value: str) -> None:
    assert read(victoria, file, f"valid_at,VIC\n2014-01-01T00:00Z,{value}\n", unit=unit).rows["value"][
        0
    ] == pytest.approx(4100)


def test_a_file_is_in_the_unit_of_its_region(victoria: Region, file: Path) -> None:
    region = victoria.model_copy(update={"unit": "kW"})
    text = "valid_at,VIC\n2014-01-01T00:00Z,4100000\n"
    assert read(region, file, text).rows["value"].to_list() == [4100]
    assert read(region, file, text.replace("000\n", "\n"), unit="MW").rows["value"].to_list() == [4100]


def test_the_only_column_beside_the_stamps_is_the_only_series(victoria: Region, file: Path) -> None:
    text = "from the meter\nvalid_at,Load (mean)\n2014-01-01T00:00Z,4100\n"
    batch = read(victoria, file, text)
    assert batch.rows["series"].to_list() == ["VIC"]
    assert batch.rows["value"].to_list() == [4100]


def test_of_two_unknown_columns_neither_is_taken(victoria: Region, file: Path) -> None:
    with pytest.raises(SourceFormatError, match="unknown: Load, Spare"):
        read(victoria, file, "valid_at,Load,Spare\n2014-01-01T00:00Z,4100,1\n")


def test_another_unit_than_said_is_found(victoria: Region, file: Path) -> None:
    lines = "".join(f"2014-01-01T{slot // 2:02d}:{slot % 2 * 30:02d}Z,{4 + slot / 10}\n" for slot in range(20))
    with pytest.raises(SourceFormatError, match=r'look like GW.*unit = "GW"'):
        read(victoria, file, f"valid_at,VIC\n{lines}")


def test_values_that_are_none_are_quarantined(victoria: Region, file: Path) -> None:
    rows = "".join(
        f"2014-01-01T0{slot // 2}:{slot % 2 * 30:02d}Z,{value}\n"
        for slot, value in enumerate(("nan", "inf", "", "n/a", "-5", "4000", "1e9"))
    )
    batch = read(victoria, file, f"valid_at,VIC\n{rows}")
    assert batch.rows["value"].to_list() == [4000.0]
    assert reasons(batch) == ["not a number"] * 4 + ["negative", "implausible"]
    assert batch.quarantined["value"].to_list()[:4] == ["nan", "inf", "", "n/a"]


def test_stamps_that_cannot_be_read_are_quarantined(victoria: Region, file: Path) -> None:
    batch = read(
        victoria, file, "valid_at,VIC\nyesterday,4000\n2014-02-30T00:00Z,4000\n,4000\n2014-01-01T00:00Z,4000\n"
    )
    assert reasons(batch) == ["unreadable stamp"] * 3
    assert batch.quarantined["stamp"].to_list() == ["yesterday", "2014-02-30T00:00Z", ""]
    assert len(batch.rows) == 1


def test_naive_stamps_need_a_time_zone(victoria: Region, file: Path) -> None:
    text = "valid_at,VIC\n2014-01-01 10:00,4000\n"
    with pytest.raises(SourceFormatError, match=r"2014-01-01 10:00 has no offset.*time_zone"):
        read(victoria, file, text)
    batch = read(victoria, file, text, time_zone="Australia/Brisbane")
    assert batch.rows["valid_at"].to_list() == [datetime(2014, 1, 1, 0, 0, tzinfo=UTC)]


def test_naive_stamps_at_the_clock_changes(victoria: Region, file: Path) -> None:
    # Melbourne repeats 02:00..03:00 on 6 April 2014 and skips it on 5 October.
    stamps = ("2014-04-06 01:30", "2014-04-06 02:30", "2014-04-06 03:00", "2014-10-05 02:30", "2014-04-06T02:30+10:00")
    text = "valid_at,VIC\n" + "".join(f"{stamp},{4000 + number}\n" for number, stamp in enumerate(stamps))
    batch = read(victoria, file, text, time_zone="Australia/Melbourne")
    assert dict(batch.quarantined.select("stamp", "reason").iter_rows()) == {
        "2014-04-06 02:30": "ambiguous stamp",
        "2014-10-05 02:30": "unreadable stamp",
    }
    assert sorted(batch.rows["value"]) == [4000.0, 4002.0, 4004.0]


def test_the_repeated_hour_may_be_said_to_be_the_first(victoria: Region, file: Path) -> None:
    text = "valid_at,VIC\n2014-04-06 02:30,4000\n"
    for side, hour in (("earliest", 15), ("latest", 16)):
        batch = read(victoria, file, text, time_zone="Australia/Melbourne", ambiguous=side)
        assert batch.rows["valid_at"].to_list() == [datetime(2014, 4, 5, hour, 30, tzinfo=UTC)]
        assert batch.quarantined.is_empty()


def test_columns_that_are_none_of_the_tables_may_be_left_out(victoria: Region, file: Path) -> None:
    text = "SETTLEMENTDATE,TOTALDEMAND,RRP\n2014/01/01 00:30:00,4000,51.8\n"
    batch = read(
        victoria,
        file,
        text,
        columns={"valid_at": "SETTLEMENTDATE"},
        series={"TOTALDEMAND": "VIC"},
        ignore="others",
        stamp_format="%Y/%m/%d %H:%M:%S",
        time_zone="Etc/GMT-10",
    )
    assert batch.rows.select("valid_at", "value").row(0) == (datetime(2013, 12, 31, 14, 30, tzinfo=UTC), 4000.0)


def test_a_series_may_be_named_by_several_columns(victoria: Region, file: Path) -> None:
    batch = read(
        victoria,
        file,
        "valid_at,where,who,value\n2014-01-01T00:00Z,South,Grid,4000\n",
        columns={"series": ["where", "who"]},
        series={"South Grid": "VIC"},
    )
    assert batch.rows["series"].to_list() == ["VIC"]


def test_a_forecast_by_schedule_is_known_from_its_hour(victoria: Region, file: Path) -> None:
    """Midnight in Melbourne ends the day before: 2014-01-01 13:00 UTC is 2014-01-02 00:00 there."""
    file.write_text("valid_at,VIC\n2014-01-01T13:00Z,4000\n2014-01-01T13:30Z,4100\n")
    spec = SourceSpec.model_validate(
        {"source": "files", "schedule": {"time": "18:00", "days_before": 1}, "options": {"files": str(file)}}
    )
    (batch,) = fetch(victoria.model_copy(update={"forecast": spec}), tables=[Table.FORECAST])
    assert batch.rows["basis"].to_list() == ["schedule"] * 2
    known = [datetime(2013, 12, 31, 7, tzinfo=UTC), datetime(2014, 1, 1, 7, tzinfo=UTC)]
    assert batch.rows.sort("valid_at")["available_at"].to_list() == known


def test_other_stamp_formats(victoria: Region, file: Path) -> None:
    local = read(
        victoria,
        file,
        "valid_at,VIC\n01/02/2014 10h00,4000\n",
        stamp_format="%d/%m/%Y %Hh%M",
        time_zone="Australia/Brisbane",
    )
    aware = read(victoria, file, "valid_at,VIC\n01/02/2014 10h00 +1000,4000\n", stamp_format="%d/%m/%Y %Hh%M %z")
    assert local.rows.equals(aware.rows)
    assert local.rows["valid_at"][0] == datetime(2014, 2, 1, tzinfo=UTC)


def test_unknown_zones_of_a_long_file_are_quarantined(victoria: Region, file: Path) -> None:
    batch = read(victoria, file, "valid_at,series,value\n2014-01-01T00:00Z,TAS,1000\n2014-01-01T00:00Z,VIC,4000\n")
    assert reasons(batch) == ["unknown zone"]


def test_duplicates_with_other_values_are_quarantined(victoria: Region, file: Path) -> None:
    text = (
        "valid_at,VIC\n2014-01-01T00:00Z,4000\n2014-01-01T00:00Z,4001\n2014-01-01T00:30Z,4002\n2014-01-01T00:30Z,4002\n"
    )
    batch = read(victoria, file, text)
    assert reasons(batch) == ["duplicate"]
    assert (batch.rows["value"].to_list(), batch.repeated) == ([4001.0, 4002.0], 1)


def test_forecasts_carry_when_they_were_written(victoria: Region, file: Path) -> None:
    text = "valid_at,written,VIC\n2014-01-02T00:00Z,2014-01-01T06:00Z,4000\n2014-01-02T00:30Z,2014-01-01T06:00Z,\n"
    row = read(victoria, file, text, Table.FORECAST).rows.row(0, named=True)
    assert (row["available_at"], row["basis"]) == (datetime(2014, 1, 1, 6, tzinfo=UTC), "written")


def test_lines_with_more_fields_than_titles_are_read_where_the_region_says_so(victoria: Region, file: Path) -> None:
    # As Elia writes a bid of minus 42,900 in the last column.
    text = "valid_at,VIC,bid\n2014-01-01T00:00Z,4000,-42,900\n2014-01-01T00:30Z,4100,\n"
    with pytest.raises(SourceFormatError, match="more fields"):
        read(victoria, file, text, ignore="others")
    batch = read(victoria, file, text, ignore="others", extra_fields="drop")
    assert batch.rows["value"].to_list() == [4000.0, 4100.0]


def test_weather_has_its_variables_as_columns(victoria: Region, file: Path) -> None:
    batch = read(victoria, file, "valid_at,X.temperature_c\n2014-01-01T00:10Z,20.5\n", Table.WEATHER, unit="GW")
    assert batch.rows.select("series", "value").rows() == [("X.temperature_c", 20.5)]
    assert batch.rows["valid_at"][0] == datetime(2014, 1, 1, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no files"),
        ({"files": "x", "untis": "GW"}, "no option 'untis'"),
        ({"files": "x", "unit": "PS"}, "unit is 'PS'"),
        ({"files": "x", "ambiguous": "first"}, "ambiguous is 'first'"),
        ({"files": "x", "extra_fields": "keep"}, "extra_fields is 'keep'"),
    ],
)
def test_wrong_options_are_named(victoria: Region, options: dict[str, object], message: str) -> None:
    region = victoria.model_copy(update={"power": SourceSpec(source="files", options=options)})
    with pytest.raises(ConfigurationError, match=message):
        list(fetch(region, tables=[Table.POWER]))


def test_files_are_found_by_patterns(victoria: Region, tmp_path: Path) -> None:
    for day in (2, 1):
        (tmp_path / f"{day}.csv").write_text(f"valid_at,VIC\n2014-01-0{day}T00:00Z,4000\n")
    spec = SourceSpec(source="files", options={"files": [str(tmp_path / "*.csv")]})
    region = victoria.model_copy(update={"power": spec})
    assert [batch.origin for batch in fetch(region, tables=[Table.POWER])] == ["1.csv", "2.csv"]
    nothing = victoria.model_copy(update={"power": SourceSpec(source="files", options={"files": str(tmp_path / "x")})})
    with pytest.raises(MissingDataError, match="Check the path"):
        list(fetch(nothing, tables=[Table.POWER]))
    (tmp_path / "3.csv").mkdir()
    with pytest.raises(MissingDataError, match=r"3\.csv cannot be read"):
        list(fetch(region, tables=[Table.POWER]))


def test_a_file_that_is_empty_but_for_its_header(victoria: Region, file: Path) -> None:
    batch = read(victoria, file, "valid_at,VIC\n")
    assert batch.rows.is_empty()
    assert batch.quarantined.is_empty()
    assert batch.rows.schema["valid_at"] == pl.Datetime("us", "UTC")
