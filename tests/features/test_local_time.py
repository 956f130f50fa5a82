"""Local time of slots, by the time zone database."""

from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from power_nowcast.features import local_time


@pytest.mark.parametrize(
    ("zone", "before", "after"), [("America/New_York", -300, -240), ("Australia/Melbourne", 660, 600)]
)
def test_local_time_follows_the_clock(zone: str, before: int, after: int) -> None:
    change = {"America/New_York": "2024-03-10T07:00", "Australia/Melbourne": "2024-04-06T16:00"}[zone]
    times = np.datetime64(change, "m") + np.array([-1, 0], "timedelta64[m]")
    assert local_time.offsets_minutes(times, zone).tolist() == [before, after]


@given(
    st.integers(60 * 24 * 366 * 10, 60 * 24 * 365 * 69),
    st.sampled_from(["America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
)
@settings(deadline=None)
def test_local_time_is_that_of_the_time_zone_database(minute: int, zone: str) -> None:
    time = np.datetime64(minute, "m")
    local = time.astype("datetime64[us]").item().replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    seconds = local.utcoffset().total_seconds()
    assert local_time.offsets_minutes(np.array([time]), zone).tolist() == [seconds // 60]
