from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.contracts.times import aware, minute

TIMES = st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1), timezones=st.timezones())  # noqa: DTZ001


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (datetime(2019, 11, 3, 5, 59, 59, 999_999, UTC), "2019-11-03T05:59"),
        (datetime(2019, 11, 3, 1, 30, tzinfo=timezone(timedelta(hours=-5))), "2019-11-03T06:30"),
        (datetime(1969, 12, 31, 23, 59, 30, tzinfo=UTC), "1969-12-31T23:59"),
    ],
)
def test_a_minute_is_the_one_that_has_begun(time: datetime, expected: str) -> None:
    assert str(minute(time)) == expected


@given(TIMES)
def test_a_time_comes_back_to_the_minute(time: datetime) -> None:
    assert timedelta(0) <= time.astimezone(UTC) - aware(minute(time)) < timedelta(minutes=1)
    assert minute(time).dtype == np.dtype("datetime64[m]")
