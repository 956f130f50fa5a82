"""stamps: text of a file as UTC, whatever its form; publish times; times of day with the date of their file."""

from datetime import UTC, date, datetime
from io import BytesIO

import polars as pl
import pytest

from power_nowcast.contracts import Reason
from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest.parsing.stamps import publish_times, times, with_dates
from power_nowcast.ingest.parsing.tabular import table

BERLIN = "Europe/Berlin"
UNREADABLE = Reason.UNREADABLE_STAMP.value


def local(*parts: int) -> datetime:
    """Wall clock."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - that is what it is


def read(*stamps: str | None, timezone: str = BERLIN, **options: object) -> list[str | None]:
    at, _ = times(pl.Series("time", stamps, pl.String), options, "a.csv", timezone=timezone)
    assert at.dtype == pl.Datetime("us", "UTC")
    return at.dt.strftime("%d %H:%M").to_list()


def test_forms_may_alternate_within_a_file() -> None:
    stamps = ("2024-05-01T00:00Z", "2024-05-01 00:15:00+00", "2024-05-01 02:30 CEST", None, "Total", "1714524300")
    assert read(*stamps) == ["01 00:00", "01 00:15", "01 00:30", None, None, "01 00:45"]


def test_seconds_and_minutes_of_sixty_are_none() -> None:
    assert read("2024-05-01T00:00:60Z", "2024-05-01T00:60Z", "2024-05-01T00:00:59Z") == [None, None, "01 00:00"]


def test_the_last_interval_of_a_day_ends_at_24() -> None:
    stamps = ("2024-05-01 23:45", "2024-05-01 24:00", "2024-05-02 00:15", "2024-05-01 24:15")
    assert read(*stamps, time_zone=BERLIN) == ["01 21:45", "01 22:00", "01 22:15", None]


@pytest.mark.parametrize(
    ("form", "stamp"),
    [
        ("%d.%m.%Y %H:%M", "30.04.2024 24:00"),
        ("%d/%m/%Y %H:%M:%S", "30/04/2024 24:00:00"),
        ("%d.%m.%Y %H.%M Uhr", "30.04.2024 24.00 Uhr"),
        ("%m/%d/%Y %H%M", "04/30/2024 2400"),
        ("%Y%m%d%H", "2024050100"),
    ],
)
def test_the_publishers_own_form(form: str, stamp: str) -> None:
    assert read(stamp, stamp_format=form, time_zone="UTC") == ["01 00:00"]


def test_an_own_form_with_offsets() -> None:
    stamps = ("30.04.2024 24:00 +0200", "01.05.2024 00:15 +02", "01.05.2024 00:30 UTC", "01.05.2024 00:45 +02:00")
    assert read(*stamps, stamp_format="%d.%m.%Y %H:%M %z") == ["30 22:00", "30 22:15", "01 00:30", "30 22:45"]


def test_serial_numbers_where_the_region_says_so() -> None:
    assert read("45413.0104166667", "45413", "x", stamp_format="excel", time_zone="UTC") == [
        "01 00:15",
        "01 00:00",
        None,
    ]


def test_a_date_is_midnight_only_among_times() -> None:
    """R writes midnight without its time; a column of dates alone says no time."""
    among = ("2024-05-01", "2024-05-01 00:15", "2024-05-01 00:30")
    assert read(*among, time_zone="UTC") == ["01 00:00", "01 00:15", "01 00:30"]
    assert read("2024-05-01", "2024-05-02", time_zone="UTC") == [None, None]


def test_a_time_without_an_offset_names_its_column() -> None:
    with pytest.raises(
        SourceFormatError, match=r"2024/05/01 0:15 has no offset from UTC, in the column time.*time_zone"
    ):
        read("2024/05/01 0:15")


def test_a_name_of_an_offset_follows_the_option_before_the_region() -> None:
    assert read("2024-01-15 12:00 CST", timezone="America/Chicago") == ["15 18:00"]
    assert read("2024-01-15 12:00 CST", timezone="America/Chicago", time_zone="Asia/Shanghai") == ["15 04:00"]


def test_parquet_has_times_of_every_kind() -> None:
    naive = local(2024, 5, 1, 0, 15)
    columns = {
        "ns": pl.Series([naive], dtype=pl.Datetime("ns")),
        "ms": pl.Series([naive], dtype=pl.Datetime("ms")),
        "zone": pl.Series([naive], dtype=pl.Datetime("us")).dt.replace_time_zone(BERLIN),
        "text": pl.Series(["2024-05-01 00:15"]).cast(pl.Categorical),
        "unix": pl.Series([1714522500]),
        "float": pl.Series([1714522500.0]),
        "day": pl.Series([date(2024, 5, 1)]),
        "clock": pl.Series([naive.time()]),
    }
    buffer = BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    rows = table(buffer.getvalue(), "a.parquet")
    right = {name: ["01 00:15"] for name in columns} | {"zone": ["30 22:15"], "day": ["01 00:00"], "clock": [None]}
    assert {name: read(*rows[name], time_zone="UTC") for name in columns} == right


def published(*stamps: str | None, **options: object) -> tuple[list[str | None], list[str | None]]:
    at, fault = publish_times(pl.Series("written", stamps, pl.String), options, "a.csv", timezone=BERLIN)
    return at.dt.strftime("%d %H:%M").to_list(), fault.to_list()


def test_of_the_repeated_hour_a_publish_time_is_the_later() -> None:
    assert published("2024-10-27 02:15", time_zone=BERLIN, ambiguous="earliest") == (["27 01:15"], [None])


def test_a_publish_time_that_is_there_and_cannot_be_read_is_a_fault() -> None:
    stamps = (None, "", "2024-10-27 08:00:00+00", "27/10/2024 08:00", "2024-03-31 02:30", "2024-10-27 24:30")
    at, fault = published(*stamps, time_zone=BERLIN)
    assert at == [None, None, "27 08:00", None, None, None]
    assert fault == [None, None, None, UNREADABLE, UNREADABLE, UNREADABLE]


def test_the_day_of_publication_alone_is_no_time() -> None:
    assert published("2024-10-27", time_zone=BERLIN) == ([None], [UNREADABLE])


def test_publish_times_may_be_of_the_files_form_or_of_one_that_is_clear() -> None:
    stamps = ("26/10/2024 08:00", "2024-10-26T08:00Z")
    assert published(*stamps, time_zone="UTC", stamp_format="%d/%m/%Y %H:%M") == (["26 08:00"] * 2, [None, None])


def dated(*clocks: str, sequence: list[int] | None = None) -> list[str]:
    days = pl.Series([date(2024, 10, 27)] * len(clocks))
    return with_dates(pl.Series(clocks), days, pl.Series(sequence or [0] * len(clocks))).to_list()


def test_midnight_after_a_day_is_the_next_days() -> None:
    assert dated("0:15", "23:45", "0:00") == ["2024-10-27 00:15", "2024-10-27 23:45", "2024-10-28 00:00"]
    assert dated("0:00", "23:45", "23:30", "0:15") == [
        *("2024-10-28 00:00", "2024-10-27 23:45", "2024-10-27 23:30", "2024-10-27 00:15")
    ], "sorted from new to old"
    assert dated("23:45", "24:00", "00:15") == ["2024-10-27 23:45", "2024-10-27 24:00", "2024-10-28 00:15"]


def test_an_hour_that_is_repeated_is_of_the_same_day() -> None:
    assert {stamp[:10] for stamp in dated("01:45", "02:00", "02:45", "02:00", "02:45", "03:00")} == {"2024-10-27"}


def test_each_series_has_its_own_midnight() -> None:
    assert [stamp[:10] for stamp in dated("23:45", "00:00", "23:45", "00:00", sequence=[0, 0, 1, 1])] == [
        *("2024-10-27", "2024-10-28") * 2
    ]


def test_what_has_a_date_or_is_no_time_stays_as_it_is() -> None:
    assert dated("2024-10-26T00:15Z", "Total", "00:15") == ["2024-10-26T00:15Z", "Total", "2024-10-27 00:15"]


def test_a_day_file_across_the_change_is_read_right() -> None:
    clocks = ("01:30", "02:00", "02:30", "02:00", "02:30", "03:00")
    one = pl.Series([0] * len(clocks))
    at, _ = times(pl.Series(dated(*clocks)), {"time_zone": BERLIN}, "a.csv", timezone=BERLIN, sequence=one)
    assert at[0] == datetime(2024, 10, 26, 23, 30, tzinfo=UTC)
    assert at.diff().drop_nulls().dt.total_minutes().to_list() == [30] * 5
