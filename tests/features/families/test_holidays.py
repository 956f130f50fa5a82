from datetime import datetime

import numpy as np

from power_nowcast.features.families import holidays
from power_nowcast.features.family import Scope
from tests.features.history import SPEC, region

NAMES = holidays.Holidays().common_names(Scope(region(), SPEC, region().series))


def at(*local: str) -> np.ndarray:
    """Local times of New York as UTC."""
    zone = region().tz
    stamps = [datetime.fromisoformat(text).replace(tzinfo=zone) for text in local]
    return np.array([(time - time.utcoffset()).replace(tzinfo=None) for time in stamps], "datetime64[m]")  # type: ignore[operator]


def test_each_kind_of_day_is_told() -> None:
    days = ("2024-07-03T12:00", "2024-07-04T00:00", "2024-07-04T23:30", "2024-07-05T12:00", "2024-07-08T12:00")
    found = holidays.of_slots(region(), at(*days))
    assert found.tolist() == [[0, 1, 0, 24], [1, 0, 0, 24], [1, 0, 0, 24], [0, 0, 1, 24], [0, 0, 0, 24]]


def test_days_of_a_clock_change_are_shorter_or_longer() -> None:
    times = at("2024-03-09T23:00", "2024-03-10T00:00", "2024-03-10T23:30", "2024-11-03T12:00", "2024-12-31T12:00")
    found = holidays.of_slots(region(), times)
    assert found[:, NAMES.index("day_hours")].tolist() == [24, 23, 23, 25, 24]
    assert found[-1, NAMES.index("is_holiday_tomorrow")] == 1, "of the year after"


def test_a_part_of_a_country_has_its_own() -> None:
    of = region().model_copy(update={"timezone": "Australia/Melbourne"})
    cup = {"country": "AU", "subdivision": "VIC"}
    noon = np.array(["2014-11-04T01:00"], "datetime64[m]")
    victoria = of.model_validate(of.model_dump() | {"holidays": cup})
    sydney = of.model_validate(of.model_dump() | {"holidays": cup | {"subdivision": "NSW"}})
    assert holidays.of_slots(victoria, noon)[0, 0] == 1
    assert holidays.of_slots(sydney, noon)[0, 0] == 0
