"""families: every column that can be built belongs to one, whatever a region asks for."""

from itertools import product

import pytest

from power_nowcast.features.build_features import Layout
from power_nowcast.features.families import FAMILIES, OTHER, families_of, family_of, without_horizon
from power_nowcast.regions import Region
from tests.features.history import SPEC, bulk, rich_past, rich_region, weighed_region

BUILT = {
    "lags": {"recent hours", "other series"},
    "ranges": {"range of past hours"},
    "days": {"same time, past days", "level against past days"},
    "calendar": {"time and kind of day", "sun and season"},
    "forecast": {"operator's forecast"},
    "generation": {"output under a clear sky", "operator's forecast", "recent hours"},
    "weather": {"weather"},
    "weather_forecast": {"weather forecast"},
    "quality": {"quality of the data"},
    "holidays": {"time and kind of day"},
}


def rich_plants() -> Region:
    values = rich_region().model_dump()
    for zone in values["zones"]:
        zone["kind"] = "solar"
    return Region.model_validate(values)


@pytest.mark.parametrize("region", [rich_region(), weighed_region(), rich_plants()], ids=["rich", "weighed", "plants"])
def test_every_column_belongs_to_a_family(region: Region) -> None:
    frames, quarantine = rich_past(1)
    layout = Layout.of(bulk(frames, of=region, quarantine=quarantine), region, SPEC)
    for built, columns in layout.slices.items():
        assert {family_of(name) for name in layout.names[columns]} == BUILT[built]
    assert OTHER not in families_of(layout.names)
    assert len(families_of(layout.names)) <= len(FAMILIES)


def test_a_name_without_a_family_is_another() -> None:
    assert family_of("moon") == OTHER
    assert families_of(["moon", "sun", "ramp_5m"]) == ("recent hours", "sun and season", OTHER)


def test_horizons_do_not_matter() -> None:
    for name, knot in product(("analog_ramp", "operator_ramp", "K.temperature_c_forecast_change"), (5, 60)):
        assert family_of(f"{name}_h{knot}") == family_of(name) != OTHER
        assert without_horizon(f"{name}_h{knot}") == name
