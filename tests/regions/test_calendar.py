from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from power_nowcast import regions
from power_nowcast.regions.calendar import CALENDAR, days

NEW_YORK = regions.load("nyiso")
VICTORIA = regions.load("victoria")


def types(first: str, last: str) -> list[str]:
    return days(NEW_YORK, date.fromisoformat(first), date.fromisoformat(last))["day_type"].to_list()


def test_a_week_with_a_holiday_and_its_bridge() -> None:
    # Independence Day 2019 fell on a Thursday.
    found = days(NEW_YORK, date(2019, 7, 1), date(2019, 7, 7))
    assert found.schema == CALENDAR
    assert found["day_type"].to_list() == ["workday"] * 3 + ["holiday", "bridge", "saturday", "sunday"]
    assert found["holiday"].to_list() == [None] * 3 + ["Independence Day"] + [None] * 3
    assert found["is_bridge"].to_list() == [False] * 4 + [True, False, False]
    assert found["weekday"].to_list() == [1, 2, 3, 4, 5, 6, 7]


def test_a_region_without_holidays_has_none() -> None:
    keys = NEW_YORK.model_dump(mode="json", exclude_unset=True)
    del keys["holidays"]
    found = days(regions.files.of(keys, "own.toml"), date(2019, 7, 1), date(2019, 7, 7))
    assert found["day_type"].to_list() == ["workday"] * 5 + ["saturday", "sunday"]


def test_a_monday_before_a_tuesday_holiday_is_a_bridge() -> None:
    assert types("2018-12-31", "2019-01-01") == ["bridge", "holiday"]


def test_a_holiday_on_a_weekend_is_a_holiday() -> None:
    assert types("2020-07-04", "2020-07-05") == ["holiday", "sunday"]


@pytest.mark.parametrize(
    ("region", "day", "hours"),
    [
        (NEW_YORK, date(2019, 3, 10), 23),
        (NEW_YORK, date(2019, 11, 3), 25),
        (NEW_YORK, date(2019, 3, 11), 24),
        (VICTORIA, date(2014, 4, 6), 25),
        (VICTORIA, date(2014, 10, 5), 23),
    ],
)
def test_clock_changes_make_days_of_23_and_25_hours(region: regions.Region, day: date, hours: int) -> None:
    assert days(region, day, day)["hours"].to_list() == [hours]


@settings(max_examples=30)
@given(st.dates(date(2010, 1, 1), date(2030, 12, 31)), st.integers(1, 100))
def test_every_day_has_one_row_whatever_the_range(first: date, count: int) -> None:
    found = days(VICTORIA, first, first + timedelta(days=count - 1))
    assert found["date"].to_list() == [first + timedelta(days=n) for n in range(count)]
    assert set(found["day_type"]) <= {"workday", "bridge", "saturday", "sunday", "holiday"}
    # A day does not change with the range in which it is asked for.
    assert found.tail(1).equals(days(VICTORIA, found["date"][-1], found["date"][-1]))


def test_no_day_between_is_no_row() -> None:
    assert len(days(NEW_YORK, date(2019, 7, 2), date(2019, 7, 1))) == 0


def test_holidays_bridges_and_clock_changes() -> None:
    york = regions.load("nyiso")
    found = {row["date"]: row for row in days(york, date(2019, 3, 1), date(2019, 11, 30)).to_dicts()}
    assert found[date(2019, 7, 4)]["day_type"] == "holiday"
    assert found[date(2019, 7, 5)]["day_type"] == "bridge"
    assert found[date(2019, 7, 6)]["day_type"] == "saturday"
    assert found[date(2019, 7, 8)]["day_type"] == "workday"
    assert found[date(2019, 3, 10)]["hours"] == 23
    assert found[date(2019, 11, 3)]["hours"] == 25
    cup = days(regions.load("victoria"), date(2014, 11, 3), date(2014, 11, 4))
    assert cup["day_type"].to_list() == ["bridge", "holiday"]
