from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from power_nowcast.regions import Region
from power_nowcast.regions.sun import DARK_DEGREES, dark, elevations, fill_nights, known_until, solar
from tests.checks.made_up import region

MIDNIGHT = np.datetime64("2024-05-01T00:00", "m")


def quarter_hours(count: int) -> np.ndarray:
    return MIDNIGHT + np.arange(count) * np.timedelta64(15, "m")


def test_the_sun_at_fifty_degrees_north_in_may() -> None:
    height = elevations(quarter_hours(96), 50.0, 8.0)
    assert height.argmax() * 15 == pytest.approx(11.4 * 60, abs=15), "noon at 8 degrees east, in UTC"
    assert height.max() == pytest.approx(90 - 50 + 15.2, abs=0.5)
    night = dark(quarter_hours(96), 50.0, 8.0, 15)
    assert night[:14].all()
    assert not night[17:75].any(), "sunrise is at 4:06, sunset at 18:44"
    assert night[79:].all()
    assert (height[1:][night[1:]] < DARK_DEGREES).all()


def test_nights_of_solar_zones_are_nothing_and_days_stay_unknown() -> None:
    of = region("solar")
    power = np.full((96, 3), np.nan)
    power[3, 1] = 5.0
    fill_nights(power, of, MIDNIGHT)
    night = dark(quarter_hours(96), 50.0, 8.0, 15)
    assert power[3, 1] == 5.0, "what was measured stays"
    assert (np.isnan(power[:, 2]) == ~night).all()
    assert (power[night, 2] == 0).all()
    assert np.isnan(power[:, 0]).all(), "the total is another's matter"
    load = np.full((96, 3), np.nan)
    fill_nights(load, region(), MIDNIGHT)
    assert np.isnan(load).all()


def test_a_silent_night_goes_on_until_the_next_value_is_due() -> None:
    dusk, of = datetime(2024, 5, 1, 18, 15, tzinfo=UTC), region("solar")
    assert known_until(of, dusk, dusk + timedelta(hours=4)) == dusk + timedelta(hours=4)
    dawn = known_until(of, dusk, dusk + timedelta(hours=20))
    assert datetime(2024, 5, 2, 3, 15, tzinfo=UTC) <= dawn <= datetime(2024, 5, 2, 4, 15, tzinfo=UTC)
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert known_until(of, noon, noon + timedelta(hours=12)) == noon, "it was missing already when night fell"
    assert known_until(region(), dusk, dusk + timedelta(hours=4)) == dusk
    assert known_until(of, dusk, dusk - timedelta(hours=1)) == dusk


def test_zones_of_other_kinds_are_not_silent() -> None:
    zones = (region("solar").zones[0], region("wind").zones[1])
    mixed: Region = region().model_copy(update={"zones": zones})
    dusk = datetime(2024, 5, 1, 19, tzinfo=UTC)
    assert known_until(mixed, dusk, dusk + timedelta(hours=2)) == dusk


def _minute(text: str) -> float:
    return float(np.datetime64(text, "m").astype(np.int64))


@pytest.mark.parametrize(
    ("when", "latitude", "longitude", "elevation"),
    [
        ("2019-03-20T12:07", 0.0, 0.0, 90.0),  # equinox, noon on the equator
        ("2019-06-21T12:02", 51.48, 0.0, 61.96),  # solstice, noon in Greenwich: 90 - 51.48 + 23.44
        ("2019-12-22T11:58", 51.48, 0.0, 15.08),  # 90 - 51.48 - 23.44
        ("2019-06-21T00:02", 51.48, 0.0, -15.08),
    ],
)
def test_the_sun_stands_where_it_should(when: str, latitude: float, longitude: float, elevation: float) -> None:
    found, _ = solar(_minute(when), latitude, longitude)
    assert found == pytest.approx(elevation, abs=0.6)


def test_days_are_long_in_summer() -> None:
    assert solar(_minute("2019-03-20T12:00"), 45.0, 0.0)[1] == pytest.approx(12, abs=0.1)
    assert solar(_minute("2019-06-21T12:00"), 45.0, 0.0)[1] == pytest.approx(15.43, abs=0.1)
