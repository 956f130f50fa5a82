import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.contracts import Table
from power_nowcast.errors import ConfigurationError, MissingDataError, SourceFormatError
from power_nowcast.ingest import Batch, fetch
from power_nowcast.regions import Region, SourceSpec


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my load.csv"


def read(region: Region, file: Path, text: str, table: Table = Table.POWER, **options: object) -> Batch:
    file.write_text(text)
    spec = SourceSpec(source="files", options={"files": str(file), **options})
    if table is Table.WEATHER:
        spec = spec.model_copy(update={"variables": ("X.temperature_c",)})
    changed = region.model_copy(update={table.value: spec})
    (batch,) = fetch(changed, tables=[table])
    assert batch.origin == "my load.csv"
    return batch


def reasons(batch: Batch) -> list[str]:
    return batch.quarantined["reason"].to_list()


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


def test_another_unit_than_said_is_found(victoria: Region, file: Path) -> None:
    lines = "".join(f"2014-01-01T{hour:02d}:00Z,{4 + hour / 10}\n" for hour in range(20))
    with pytest.raises(SourceFormatError, match=r'look like GW.*unit = "GW"'):
        read(victoria, file, f"valid_at,VIC\n{lines}")


def test_values_that_are_none_are_quarantined(victoria: Region, file: Path) -> None:
    rows = "".join(
        f"2014-01-01T0{hour}:00Z,{value}\n" for hour, value in enumerate(("nan", "inf", "", "n/a", "-5", "4000", "1e9"))
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


MELBOURNE = "Australia/Melbourne"
TWICE = ("01:30", "02:00", "02:30", "02:00", "02:30", "03:00")
"""Melbourne repeats 02:00..03:00 on 6 April 2014."""
IN_ORDER = [datetime(2014, 4, 5, 14, 30, tzinfo=UTC) + timedelta(minutes=30 * number) for number in range(6)]


def pairs(batch: Batch) -> list[tuple[datetime, float]]:
    return sorted(batch.rows.select("valid_at", "value").iter_rows())


@pytest.mark.parametrize("ambiguous", [None, "earliest", "latest"])
@pytest.mark.parametrize("newest_first", [False, True])
def test_a_repeated_hour_that_stands_there_twice_is_both(
    victoria: Region, file: Path, ambiguous: str | None, newest_first: bool
) -> None:
    rows = [f"2014-04-06 {clock},{4000 + number}" for number, clock in enumerate(TWICE)]
    rows = rows[::-1] if newest_first else rows
    options = {} if ambiguous is None else {"ambiguous": ambiguous}
    batch = read(victoria, file, "\n".join(["valid_at,VIC", *rows, ""]), time_zone=MELBOURNE, **options)
    assert pairs(batch) == [(at, 4000.0 + number) for number, at in enumerate(IN_ORDER)]
    assert batch.quarantined.is_empty()


@pytest.mark.parametrize("by_series", [False, True])
def test_a_repeated_hour_of_a_long_file(nyiso: Region, file: Path, by_series: bool) -> None:
    """New York repeats 01:00..02:00 on 3 November 2019; series stand side by side, or one after the other."""
    clocks = ("00:55", "01:00", "01:30", "01:00", "01:30", "02:00")
    zones = [zone.name for zone in nyiso.zones]
    rows = [(zone, clock, number) for number, clock in enumerate(clocks) for zone in zones]
    rows = sorted(rows, key=lambda row: row[0]) if by_series else rows
    lines = [f"2019-11-03 {clock},{zone},{600 + number}" for zone, clock, number in rows]
    batch = read(nyiso, file, "\n".join(["valid_at,series,value", *lines, ""]), time_zone="America/New_York")
    first = batch.rows.filter(series="NORTH").sort("valid_at")
    assert first["valid_at"].dt.strftime("%H:%M").to_list() == ["04:55", "05:00", "05:30", "06:00", "06:30", "07:00"]
    assert first["value"].to_list() == [600.0, 601.0, 602.0, 603.0, 604.0, 605.0]
    assert len(batch.rows) == 6 * len(zones)


def test_each_vintage_of_a_forecast_has_its_own_repeated_hour(victoria: Region, file: Path) -> None:
    lines = [
        f"2014-04-06 {clock},{written},{4000 + 10 * day + number}"
        for day, written in enumerate(("2014-04-04T00:00Z", "2014-04-05T00:00Z"))
        for number, clock in enumerate(TWICE)
    ]
    batch = read(victoria, file, "\n".join(["valid_at,written,VIC", *lines, ""]), Table.FORECAST, time_zone=MELBOURNE)
    assert batch.quarantined.is_empty()
    assert pairs(batch)[2:6] == [
        (IN_ORDER[1], 4001.0),
        (IN_ORDER[1], 4011.0),
        (IN_ORDER[2], 4002.0),
        (IN_ORDER[2], 4012.0),
    ]


def test_files_of_an_archive_have_each_their_own_order(victoria: Region, tmp_path: Path) -> None:
    """The same hour in two files is no second pass."""
    text = "valid_at,VIC\n2014-04-06 02:00,4000\n2014-04-06 02:30,4001\n2014-04-06 03:00,4002\n"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("1.csv", text)
        archive.writestr("2.csv", text)
    spec = SourceSpec(source="files", options={"files": str(tmp_path / "a.zip"), "time_zone": MELBOURNE})
    (batch,) = fetch(victoria.model_copy(update={"power": spec}), tables=[Table.POWER])
    assert reasons(batch) == ["ambiguous stamp"] * 4


def test_the_first_moment_of_a_skipped_hour_ends_an_interval(victoria: Region, file: Path) -> None:
    # Melbourne skips 02:00..03:00 on 5 October 2014.
    file.write_text("valid_at,VIC\n2014-10-05 01:30,4000\n2014-10-05 02:00,4001\n2014-10-05 02:30,4002\n")
    for label, kept in (("end", 2), ("start", 1)):
        spec = SourceSpec.model_validate(
            {"source": "files", "label": label, "options": {"files": str(file), "time_zone": MELBOURNE}}
        )
        (batch,) = fetch(victoria.model_copy(update={"power": spec}), tables=[Table.POWER])
        assert len(batch.rows) == kept
        assert set(reasons(batch)) == {"unreadable stamp"}
        if label == "end":
            assert pairs(batch)[1] == (datetime(2014, 10, 4, 16, tzinfo=UTC), 4001.0)


def test_the_date_and_the_hour_may_stand_in_two_columns(victoria: Region, file: Path) -> None:
    lines = "".join(f"2014-01-01, {hour},{4000 + hour}\n" for hour in range(1, 25))
    batch = read(
        victoria,
        file,
        f"Date,Hour Ending,VIC\n{lines}",
        columns={"valid_at": ["Date", "Hour Ending"]},
        time_zone="Etc/GMT-10",
    )
    assert batch.quarantined.is_empty()
    assert pairs(batch)[-1] == (datetime(2014, 1, 1, 14, tzinfo=UTC), 4024.0)


@pytest.mark.parametrize(
    "name", ["20140101.csv", "load_20140101.csv", "load-2014-01-01-final.csv", "20140101_20140102.csv"]
)
def test_the_date_stands_anywhere_in_the_name(victoria: Region, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("Time,VIC\n00:30,4000\n23:30,4001\n00:00,4002\n")
    form = "%Y-%m-%d" if "-01-" in name else "%Y%m%d"
    options = {"files": str(tmp_path / name), "date_in_name": form, "columns": {"valid_at": "Time"}, "time_zone": "UTC"}
    region = victoria.model_copy(update={"power": SourceSpec(source="files", options=options)})
    (batch,) = fetch(region, tables=[Table.POWER])
    assert pairs(batch)[-1] == (datetime(2014, 1, 2, tzinfo=UTC), 4002.0)


@pytest.mark.parametrize(
    ("name", "message"),
    [("demand.csv", "has no date like %Y%m%d"), ("x20140101_20140102.csv", "has several dates")],
)
def test_a_name_without_one_date_is_refused(victoria: Region, tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_text("valid_at,VIC\n00:30,4000\n")
    options = {"files": str(tmp_path / name), "date_in_name": "%Y%m%d", "time_zone": "UTC"}
    region = victoria.model_copy(update={"power": SourceSpec(source="files", options=options)})
    with pytest.raises(SourceFormatError, match=message):
        list(fetch(region, tables=[Table.POWER]))


def test_a_publish_time_that_cannot_be_read_is_a_fault_of_its_row(victoria: Region, file: Path) -> None:
    lines = ("2014-04-06 02:15", "2014-04-05 08:00:00+10", "05/04/2014 08:00", "")
    text = "".join(f"2014-04-08T0{number}:00Z,{written},4000\n" for number, written in enumerate(lines))
    batch = read(
        victoria,
        file,
        f"valid_at,published,VIC\n{text}",
        Table.FORECAST,
        columns={"written": "published"},
        time_zone=MELBOURNE,
    )
    assert batch.rows.select("available_at", "basis").rows() == [
        (datetime(2014, 4, 5, 16, 15, tzinfo=UTC), "written"),
        (datetime(2014, 4, 4, 22, 0, tzinfo=UTC), "written"),
        (datetime(2014, 4, 8, 3, 0, tzinfo=UTC), "delay"),
    ]
    assert batch.quarantined.select("stamp", "reason").rows() == [
        ("2014-04-08T02:00Z published 05/04/2014 08:00", "unreadable stamp")
    ]


def test_a_european_csv(victoria: Region, file: Path) -> None:
    text = "\ufeffValid at; VIC \r\n01.01.2014 00:30;4000,5\r\n01.01.2014 24:00;4.100,25\r\n"
    batch = read(
        victoria,
        file,
        text,
        columns={"valid_at": "Valid at"},
        stamp_format="%d.%m.%Y %H:%M",
        time_zone="UTC",
    )
    assert pairs(batch) == [
        (datetime(2014, 1, 1, 0, 30, tzinfo=UTC), 4000.5),
        (datetime(2014, 1, 2, tzinfo=UTC), 4100.25),
    ]


def test_thousands_with_points_are_refused_until_an_option_says_what_they_are(victoria: Region, file: Path) -> None:
    text = "valid_at,VIC\n2014-01-01T00:00Z,992\n2014-01-01T00:30Z,1.001\n"
    with pytest.raises(SourceFormatError, match=r'VIC has values such as 1.001 beside 992.*thousands = "."'):
        read(victoria, file, text)
    assert read(victoria, file, text, thousands=".").rows["value"].to_list() == [992.0, 1001.0]
    assert read(victoria, file, text, decimal=".").rows["value"].to_list() == [992.0, 1.001]


def test_a_load_in_thousands_alone_is_refused_by_its_plausible_maximum(victoria: Region, file: Path) -> None:
    with pytest.raises(SourceFormatError, match="4001 or 4.001"):
        read(victoria, file, "valid_at,VIC\n2014-01-01T00:00Z,4.001\n2014-01-01T00:30Z,4.100\n")
    batch = read(victoria, file, "valid_at,VIC\n2014-01-01T00:00Z,4.001\n2014-01-01T00:30Z,4.100\n", unit="GW")
    assert batch.rows["value"].to_list() == pytest.approx([4001.0, 4100.0])


def test_names_have_no_spaces_around_them_and_one_normal_form(victoria: Region, file: Path) -> None:
    zone = victoria.zones[0].model_copy(update={"name": "M\u00e9lbourne"})
    region = victoria.model_copy(update={"zones": (zone,)})
    wide = read(region, file, "\n\nReport, of May\n valid_at , Me\u0301lbourne ,\n2014-01-01T00:00Z, 4000 ,\n")
    long = read(region, file, "valid_at,series,value\n2014-01-01T00:00Z,Me\u0301lbourne\u00a0,4000\n")
    renamed = read(region, file, "valid_at,Me\u0301l\n2014-01-01T00:00Z,4000\n", series={"M\u00e9l": "Me\u0301lbourne"})
    for batch in (wide, long, renamed):
        assert batch.rows.select("series", "value").rows() == [("M\u00e9lbourne", 4000.0)]


def test_a_footer_stays_in_quarantine(victoria: Region, file: Path) -> None:
    batch = read(victoria, file, "valid_at,VIC\n2014-01-01T00:00Z,4000\n\nTotal,98765\n")
    assert reasons(batch) == ["unreadable stamp"]
    assert len(batch.rows) == 1


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("valid_at,VIC, VIC\n2014-01-01T00:00Z,4000,5\n", {}),
        ("valid_at,VIC,v\n2014-01-01T00:00Z,1,2\n", {"series": {"v": "VIC"}}),
    ],
)
def test_two_columns_of_one_series_are_refused(
    victoria: Region, file: Path, text: str, options: dict[str, object]
) -> None:
    with pytest.raises(SourceFormatError, match="several columns for VIC"):
        read(victoria, file, text, ignore="others", **options)


def test_a_message_lists_ten_names_at_most(victoria: Region, file: Path) -> None:
    titles = ",".join(f"c{number}" for number in range(200))
    with pytest.raises(SourceFormatError, match="and 19. more") as caught:
        read(victoria, file, f"valid_at,VIC,{titles}\n")
    assert len(str(caught.value)) < 700


def test_members_may_have_their_columns_in_another_order(victoria: Region, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("1.csv", "valid_at,VIC\n2014-01-01T00:00Z,4000\n")
        archive.writestr("2.csv", "VIC,valid_at\n4001,2014-01-01T00:30Z\n")
    (tmp_path / "a.zip").write_bytes(buffer.getvalue())
    region = victoria.model_copy(
        update={"power": SourceSpec(source="files", options={"files": str(tmp_path / "a.zip")})}
    )
    (batch,) = fetch(region, tables=[Table.POWER])
    assert batch.rows["value"].to_list() == [4000.0, 4001.0]
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("3.csv", "valid_at,TAS\n2014-01-01T00:00Z,4000\n")
    with pytest.raises(SourceFormatError, match=r"3\.csv has the columns valid_at, TAS, 1\.csv has valid_at, VIC"):
        list(fetch(region, tables=[Table.POWER]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": ";;"}, "separator is ';;'"),
        ({"decimal": ";"}, "decimal is ';'"),
        ({"decimal": 5}, "decimal is 5"),
        ({"thousands": ".", "decimal": "."}, "thousands is '.'.*another sign than decimal"),
        ({"time_zone": "Berlin"}, "time_zone is 'Berlin'.*Europe/Berlin"),
        ({"stamp_format": "DD.MM.YYYY"}, "stamp_format is 'DD.MM.YYYY'"),
        ({"date_in_name": "YYYYMMDD"}, "date_in_name is 'YYYYMMDD'"),
        ({"columns": "time"}, "columns is 'time'"),
        ({"columns": {"time": "valid_at"}}, "columns has 'time'"),
        ({"series": ["VIC"]}, r"series is \['VIC'\]"),
        ({"ignore": 5}, "ignore is 5"),
        ({"files": 5}, "files is 5"),
    ],
)
def test_options_of_the_wrong_kind_are_named(victoria: Region, options: dict[str, object], message: str) -> None:
    region = victoria.model_copy(update={"power": SourceSpec(source="files", options={"files": "x", **options})})
    with pytest.raises(ConfigurationError, match=message):
        list(fetch(region, tables=[Table.POWER]))
