"""stamp_forms: times as databases, statistics packages, spreadsheets and columnar files write them."""

from datetime import datetime, timedelta

import pytest

from power_nowcast.ingest.parsing.stamp_forms import Stamp, offset_of, read_clock, read_excel, read_stamp, why_not


def local(*parts: int) -> datetime:
    """Wall clock."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - that is what it is


QUARTER = local(2024, 5, 1, 0, 15)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("2024-05-01 00:15:00+00", 0),  # PostgreSQL, TimescaleDB
        ("2024-05-01 00:15:00.000-05", -5),
        ("2024-05-01 00:15:00+05:30", 5.5),
        ("2024-05-01 00:15+0530", 5.5),
        ("2024-05-01 00:15:00 UTC", 0),  # BigQuery
        ("2024-05-01 00:15:00.0000000 +02:00", 2),  # SQL Server, datetimeoffset
        ("2024-05-01 00:15:00.000 +0000", 0),  # Snowflake
        ("2024-05-01T00:15:00.123456789Z", 0),
        ("2024-05-01T00:15+02:00[Europe/Berlin]", 2),  # Java
        ("2024-05-01 00:15 \N{MINUS SIGN}05:00", -5),
        ("2024-05-01 00:15 UTC+2", 2),
        ("20240501T001500Z", 0),
        ("01-MAY-24 12.15.00.000000 AM +02:00", 2),  # Oracle
        ("Wed, 01 May 2024 00:15:00 GMT", 0),
        ("1714522500", 0),  # Unix time: seconds, thousandths, millionths, billionths
        ("1714522500.0", 0),
        ("1714522500000", 0),
        ("1714522500000000", 0),
        ("1714522500000000000", 0),
    ],
)
def test_times_with_an_offset(text: str, offset: float) -> None:
    stamp = read_stamp(text)
    assert stamp is not None
    assert stamp.local.replace(microsecond=0) == QUARTER
    assert stamp.offset == timedelta(hours=offset)


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-01 00:15",
        "2024-05-01 00:15:00.0000000",  # SQL Server, datetime2
        "2024-05-01 00:15:00,000",
        "2024/5/1 0:15",
        "2024.05.01 00:15",
        "2024-05-01 12:15 AM",
        "2024-05-01 12:15:00 a.m.",
        "20240501 0015",
        "202405010015",
        "20240501001500",
        "2024-05-01-00.15.00.000000",  # DB2
        "01-MAY-24 12.15.00.000000 AM",  # Oracle
        "01-MAY-2024 00:15:00",
        "01MAY2024:00:15:00",  # SAS
        "01MAY24:00:15:00.000",
        "01may2024 00:15:00",  # Stata
        "May  1 2024 12:15AM",  # SQL Server
        "May  1 2024 12:15:00:000AM",
        "May 1, 2024, 12:15 AM",
        "1 May 2024 00:15",
        "2024-May-01 00:15",
        "Wed May  1 00:15:00 2024",  # C
    ],
)
def test_times_without_an_offset(text: str) -> None:
    assert read_stamp(text) == Stamp(QUARTER)


@pytest.mark.parametrize(
    "text", ["2024-05-01 24:00", "2024-05-01 24:00:00", "2024-05-01T24:00:00.000", "2024-05-01 24"]
)
def test_the_end_of_a_day(text: str) -> None:
    assert read_stamp(text) == Stamp(local(2024, 5, 2))


@pytest.mark.parametrize(
    "text",
    [
        *("2024-05-01 24:01", "2024-05-01 25:00", "2024-05-01 00:60", "2024-05-01 00:00:60", "2024-02-30 00:00"),
        *("2024-05-01 13:15 PM", "2024-05-01 0:15 AM", "2024-05-01 00:15 +25:00", "2024-05-01 00:15 +02:75"),
        *("01/05/2024 00:15", "13/05/2024 00:15", "01.05.2024 00:15", "24-05-01 00:15", "5/1/24 0:15"),
        *("00:15", "45413", "45413.0104166667", "1.71452E+09", "2024050100", "17145225"),
        *("yesterday", "", "1 mai 2024 00:15", "2024-05-01-05", "2024", "2024-05", "Total"),
    ],
)
def test_what_is_no_time_or_may_be_several(text: str) -> None:
    stamp = read_stamp(text)
    assert stamp is None
    why, remedy = why_not(text)
    assert why
    assert remedy.endswith(".")


@pytest.mark.parametrize("text", ["2024-05-01", "20240501", "01-MAY-24", "May 1, 2024"])
def test_a_date_alone(text: str) -> None:
    assert read_stamp(text) == Stamp(local(2024, 5, 1), has_clock=False)


@pytest.mark.parametrize(
    ("text", "zone", "hours"),
    [
        ("2024-01-15 12:00 EST", "America/New_York", -5),
        ("2024-07-15 12:00 EDT", "America/New_York", -4),
        ("2024-11-03 01:30 EDT", "America/New_York", -4),
        ("2024-11-03 01:30 EST", "America/New_York", -5),
        ("2024-07-15 12:00 EST", "America/New_York", None),  # may be meant for the whole year
        ("2024-01-15 12:00 EST", "Europe/Berlin", None),
        ("2024-01-15 12:00 CST", "Asia/Shanghai", 8),
        ("2024-01-15 12:00 CST", "America/Chicago", -6),
        ("2024-07-15 12:00 MESZ", "Europe/Berlin", 2),
        ("2024-03-10 02:30 EST", "America/New_York", None),  # skipped
    ],
)
def test_a_name_means_what_it_means_in_the_regions_time_zone(text: str, zone: str, hours: int | None) -> None:
    stamp = read_stamp(text)
    assert stamp is not None
    assert offset_of(stamp, zone) == (None if hours is None else timedelta(hours=hours))


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("45413", local(2024, 5, 1)),
        ("45413.0104166667", QUARTER),
        ("45413.01042", local(2024, 5, 1, 0, 15)),
        ("45413.5", local(2024, 5, 1, 12)),
        ("45413.01", None),  # 14 minutes and 24 seconds, or a quarter hour cut to two digits
        ("4541", None),
        ("2024-05-01", None),
    ],
)
def test_serial_numbers_of_spreadsheets(text: str, time: datetime | None) -> None:
    assert read_excel(text) == time


def test_times_of_day() -> None:
    assert read_clock("0:05") == timedelta(minutes=5)
    assert read_clock("24:00") == timedelta(days=1)
    assert read_clock("12:15 PM") == timedelta(hours=12, minutes=15)
    assert read_clock("7") == timedelta(hours=7)
    assert read_clock("24:30") is None


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("01/05/2024 00:15", 'stamp_format = "%d/%m/%Y %H:%M" or stamp_format = "%m/%d/%Y %H:%M"'),
        ("13/05/2024 00:15:00", 'option stamp_format = "%d/%m/%Y %H:%M:%S".'),
        ("5.1.24 2:15 PM", 'stamp_format = "%d.%m.%y %I:%M %p"'),
        ("00:15", "date_in_name"),
        ("45413.0104166667", 'stamp_format = "excel"'),
        ("2024050100", 'stamp_format = "%Y%m%d%H"'),
        ("1.71452E+09", "as text"),
        ("2024-07-15 12:00 EST", "Etc/GMT+5"),
        ("2024-05-01", "the column of times"),
        ("yesterday", "stamp_format"),
    ],
)
def test_the_remedy_says_what_to_write(text: str, remedy: str) -> None:
    assert remedy in why_not(text)[1]
