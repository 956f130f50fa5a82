"""files: the forms in which publishers write them, each with the values that it means."""

import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from power_nowcast.contracts import Batch, Table
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.ingest import fetch
from power_nowcast.regions import Region, SourceSpec
from tests.ingest.conftest import read_file as read
from tests.ingest.conftest import reasons_of as reasons

MELBOURNE = "Australia/Melbourne"
TWICE = ("01:30", "02:00", "02:30", "02:00", "02:30", "03:00")
"""Melbourne repeats 02:00..03:00 on 6 April 2014."""
IN_ORDER = [datetime(2014, 4, 5, 14, 30, tzinfo=UTC) + timedelta(minutes=30 * number) for number in range(6)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my load.csv"


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
    hour = [f"01:{minute:02d}" for minute in range(0, 60, 5)]
    clocks = ("00:55", *hour, *hour, "02:00")
    zones = [zone.name for zone in nyiso.zones]
    rows = [(zone, clock, number) for number, clock in enumerate(clocks) for zone in zones]
    rows = sorted(rows, key=lambda row: row[0]) if by_series else rows
    lines = [f"2019-11-03 {clock},{zone},{600 + number + number % 2}" for zone, clock, number in rows]
    batch = read(nyiso, file, "\n".join(["valid_at,series,value", *lines, ""]), time_zone="America/New_York")
    first = batch.rows.filter(series="NORTH").sort("valid_at")
    begin = datetime(2019, 11, 3, 4, 55, tzinfo=UTC)
    assert first["valid_at"].to_list() == [begin + timedelta(minutes=5 * number) for number in range(26)]
    assert first["value"].to_list() == [600.0 + number + number % 2 for number in range(26)]
    assert len(batch.rows) == 26 * len(zones)


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
        victoria.model_copy(update={"interval_minutes": 60}),
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
    points = read(victoria, file, text, decimal=".")
    assert points.rows["value"].to_list() == [992.0], "a thousand times less is no value of this series"
    assert points.quarantined["value"].to_list() == ["1.001"]


def test_a_load_in_thousands_alone_is_refused_by_its_plausible_maximum(victoria: Region, file: Path) -> None:
    with pytest.raises(SourceFormatError, match=r"4001 or 4\.001"):
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
    with pytest.raises(SourceFormatError, match=r"and 19\d more") as caught:
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
        ({"decimal": 5}, "decimal .* is 5. Write it as text"),
        ({"thousands": ".", "decimal": "."}, "thousands is '.'.*another sign than decimal"),
        ({"time_zone": "Berlin"}, "time_zone is 'Berlin'.*Europe/Berlin"),
        ({"stamp_format": "DD.MM.YYYY"}, "stamp_format is 'DD.MM.YYYY'"),
        ({"date_in_name": "YYYYMMDD"}, "date_in_name is 'YYYYMMDD'"),
        ({"columns": "time"}, 'columns .* is "time". Write it as a table'),
        ({"columns": {"time": "valid_at"}}, "columns has 'time'"),
        ({"series": ["VIC"]}, r'series .* is \["VIC"\]. Write it as a table'),
        ({"ignore": 5}, "ignore .* is 5. Write it as text"),
        ({"files": 5}, "files .* is 5. Write it as text"),
    ],
)
def test_options_of_the_wrong_kind_are_named(victoria: Region, options: dict[str, object], message: str) -> None:
    region = victoria.model_copy(update={"power": SourceSpec(source="files", options={"files": "x", **options})})
    with pytest.raises(ConfigurationError, match=message):
        list(fetch(region, tables=[Table.POWER]))
