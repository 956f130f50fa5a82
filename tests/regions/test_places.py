from zoneinfo import available_timezones

import pytest

from power_nowcast.regions.places import Place, place_of


@pytest.mark.parametrize(
    ("timezone", "place"),
    [
        ("Europe/Berlin", Place("Berlin", "DE", 52.5, 13.37)),
        ("America/New_York", Place("New York", "US", 40.71, -74.01)),  # with seconds in the table
        ("America/Argentina/Buenos_Aires", Place("Buenos Aires", "AR", -34.6, -58.45)),
        ("UTC", None),
        ("Etc/GMT+5", None),
    ],
)
def test_a_time_zone_has_its_town(timezone: str, place: Place | None) -> None:
    assert place_of(timezone) == place


def test_every_place_is_one() -> None:
    found = [place for zone in available_timezones() if (place := place_of(zone)) is not None]
    assert len(found) > 400
    assert all(abs(one.latitude) <= 90 and abs(one.longitude) <= 180 and len(one.country) == 2 for one in found)
