"""wallclock: which pass of a repeated hour a time is of, and which end of an interval exists in the skipped one."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.contracts import Reason
from power_nowcast.ingest.parsing.wallclock import to_utc

BERLIN, CHICAGO = "Europe/Berlin", "America/Chicago"
AMBIGUOUS = Reason.AMBIGUOUS_STAMP.value


def locals_of(*clocks: str, day: str = "2024-10-27") -> pl.Series:
    return pl.Series([datetime.fromisoformat(f"{day} {clock}") for clock in clocks], dtype=pl.Datetime("us"))


def read(
    local: pl.Series, zone: str = BERLIN, *, series: list[str] | None = None, **options: str | None
) -> list[str | None]:
    """UTC hours and minutes, None where the row is at fault."""
    sequence = pl.Series(series or ["A"] * len(local))
    told = to_utc(local, zone, sequence=sequence, **options)  # type: ignore[arg-type]
    assert (told["fault"].is_not_null() <= told["at"].is_null()).all()
    return told["at"].dt.strftime("%H:%M").to_list()


def test_two_passes_in_order_are_told_apart() -> None:
    local = locals_of("01:30", "02:00", "02:30", "02:00", "02:30", "03:00")
    right = ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00"]
    assert read(local) == right
    assert read(local, ambiguous="earliest") == right, "what is said of hours that stand there once changes nothing"
    assert read(local, ambiguous="latest") == right
    assert read(local[::-1]) == right[::-1], "sorted from new to old"


def test_values_missing_in_either_pass_change_nothing() -> None:
    assert read(locals_of("01:45", "02:15", "02:30", "02:00", "02:15", "02:45", "03:00")) == [
        *("23:45", "00:15", "00:30"),
        *("01:00", "01:15", "01:45", "02:00"),
    ]


def test_series_that_alternate_are_read_each_by_itself() -> None:
    clocks = [clock for clock in ("01:30", "02:00", "02:30", "02:00", "02:30", "03:00") for _ in "AB"]
    right = [time for time in ("23:30", "00:00", "00:30", "01:00", "01:30", "02:00") for _ in "AB"]
    assert read(locals_of(*clocks), series=list("AB" * 6)) == right


def test_hours_that_stand_side_by_side() -> None:
    local = locals_of("00:00", "01:00", "02:00", "02:00", "03:00")
    assert read(local) == ["22:00", "23:00", "00:00", "01:00", "02:00"]
    assert read(local[2:4]) == [None, None], "two rows alone do not tell whether they run forward or back"


def test_an_hour_that_stands_there_once_needs_to_be_said() -> None:
    local = locals_of("01:30", "02:00", "02:30", "03:00")
    assert read(local) == ["23:30", None, None, "02:00"]
    assert read(local, ambiguous="earliest") == ["23:30", "00:00", "00:30", "02:00"]
    assert read(local, ambiguous="latest") == ["23:30", "01:00", "01:30", "02:00"]


@pytest.mark.parametrize("side", [None, "earliest", "latest"])
def test_without_a_clear_order_no_value_gets_the_time_of_the_other_pass(side: str | None) -> None:
    pairs = locals_of("01:30", "02:00", "02:00", "02:30", "02:30", "03:00")
    assert read(pairs, ambiguous=side) == ["23:30", None, None, None, None, "02:00"]
    three = locals_of("01:30", *["02:00", "02:30"] * 3, "03:00")
    assert read(three, ambiguous=side)[1:-1] == [None] * 6
    apart = locals_of("02:00", "02:30", "05:00", "05:30", "06:00", "02:00", "02:30", "03:00")
    assert read(apart, ambiguous=side)[:2] == [None, None]


def test_the_end_of_an_interval_may_be_the_first_moment_of_the_skipped_hour() -> None:
    local = locals_of("01:45", "02:00", "02:15", "03:00", "03:15", day="2024-03-10")
    assert read(local, CHICAGO, label="end") == ["07:45", "08:00", None, "08:00", "08:15"]
    assert read(local, CHICAGO, label="start")[:3] == ["07:45", None, None]
    assert read(local, CHICAGO, label="instant")[:3] == ["07:45", None, None]


def test_the_end_of_the_first_pass_may_be_labelled_by_the_end_of_its_hour() -> None:
    # As hour-ending columns have it: the hour from one to two stands there twice, both times as 02:00.
    hours = locals_of("01:00", "02:00", "02:00", "03:00", day="2024-11-03")
    assert read(hours, CHICAGO, label="end") == ["06:00", "07:00", "08:00", "09:00"]
    quarters = locals_of("00:45", "01:00", "01:30", "02:00", "01:30", "02:00", "02:30", day="2024-11-03")
    assert read(quarters, CHICAGO, label="end") == ["05:45", "06:00", "06:30", "07:00", "07:30", "08:00", "08:30"]
    instants = locals_of("00:30", "01:00", "01:30", "01:00", "01:30", "02:00", "02:30", day="2024-11-03")
    assert read(instants, CHICAGO, label="end") == ["05:30", "06:00", "06:30", "07:00", "07:30", "08:00", "08:30"]


def test_a_row_that_stands_there_twice_is_no_second_pass() -> None:
    local = locals_of("01:30", "01:45", "02:00", "02:00", "02:15", day="2024-11-03")
    assert read(local, CHICAGO, label="end", ambiguous="latest") == ["07:30", "07:45", "08:00", "08:00", "08:15"]


@given(
    year=st.integers(2000, 2030),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Melbourne", "Australia/Lord_Howe", "UTC"]),
    step=st.sampled_from([5, 10, 15, 30]),
    newest_first=st.booleans(),
    label=st.sampled_from(["instant", "start", "end"]),
)
def test_wall_clocks_of_a_whole_year_in_order_are_read_back(
    year: int, zone: str, step: int, newest_first: bool, label: str
) -> None:
    """Against zoneinfo: the days around each change of a year, written as wall clock and read back."""
    first = datetime(year, 1, 1, tzinfo=UTC)
    hours = [first + timedelta(hours=number) for number in range(0, 8784, 6)]
    changes = [
        one
        for one, two in pairwise(hours)
        if one.astimezone(ZoneInfo(zone)).utcoffset() != two.astimezone(ZoneInfo(zone)).utcoffset()
    ]
    for change in changes:
        instants = [change + timedelta(minutes=step * number) for number in range(-60, 180)]
        instants = instants[::-1] if newest_first else instants
        local = pl.Series(
            [one.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for one in instants], dtype=pl.Datetime("us")
        )
        told = to_utc(local, zone, sequence=pl.Series([0] * len(local)), label=label)
        assert told["at"].to_list() == instants
        assert told["fault"].null_count() == len(instants)


def test_where_order_says_nothing_every_time_stands_there_once() -> None:
    told = to_utc(locals_of("02:15", "02:15"), BERLIN, ambiguous="latest")
    assert told["at"].dt.strftime("%H:%M").to_list() == ["01:15", "01:15"]
    assert to_utc(locals_of("02:15"), BERLIN)["fault"].to_list() == [AMBIGUOUS]
