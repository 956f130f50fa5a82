from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.ingest.web.times import LONGEST_PATIENCE, doubled, http_date, retry_after

NOON = datetime(2025, 2, 19, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "time"),
    [
        ("Wed, 19 Feb 2025 11:45:00 GMT", datetime(2025, 2, 19, 11, 45, tzinfo=UTC)),
        ("Wed, 19 Feb 2025 12:45:00 +0100", datetime(2025, 2, 19, 11, 45, tzinfo=UTC)),
        ("Wed, 19 Feb 2025 11:45:00 -0000", datetime(2025, 2, 19, 11, 45, tzinfo=UTC)),
        ("Wednesday, 19-Feb-25 11:45:00 GMT", datetime(2025, 2, 19, 11, 45, tzinfo=UTC)),
        ("Wed, 19 Feb 9999999 11:45:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("Wed, 30 Feb 2025 11:45:00 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_dates_are_read_where_a_clock_can_hold_them(told: str | None, time: datetime | None) -> None:
    assert http_date(told) == time


NUMBERS = st.integers(-(10**20), 10**20)
DATES = st.builds("Wed, {} Feb {} {}:00:00 {:+d}".format, NUMBERS, NUMBERS, NUMBERS, NUMBERS)


@given(st.text(max_size=60) | NUMBERS.map(str) | DATES)
def test_whatever_a_header_says_a_wait_is_possible(told: str) -> None:
    wait = retry_after(told, NOON)
    assert wait is None or timedelta(0) <= wait <= LONGEST_PATIENCE


def test_a_date_that_has_passed_asks_for_no_wait() -> None:
    assert retry_after("Wed, 19 Feb 2025 11:00:00 GMT", NOON) == timedelta(0)
    assert retry_after(" 7 ", NOON) == timedelta(seconds=7)
    assert retry_after("²", NOON) is None, "a digit in Unicode is none in HTTP"


@given(st.integers(0, 10**9))
def test_a_distance_that_grows_ends_at_its_longest(times: int) -> None:
    wait = doubled(timedelta(minutes=5), times, timedelta(minutes=15))
    assert wait == timedelta(minutes=(5, 10, 15)[min(times, 2)])
