import numpy as np
import polars as pl
import pytest

from power_nowcast.contracts import Table
from power_nowcast.features import stations
from power_nowcast.features.build_features import build
from power_nowcast.regions import Region
from tests.features.history import SPEC, bulk, past, region, rich_past, rich_region, weighed_region

VARIABLES = ("K.temperature_c", "L.temperature_c", "L.wind_speed_ms")


def test_weights_and_distances() -> None:
    of = weighed_region()
    assert stations.groups(of, VARIABLES) == ("temperature_c", "wind_speed_ms")
    shares = stations.weights(of, ("ALL", "A", "B"), VARIABLES)
    assert shares[1].tolist() == [[0.75, 0.25, 0], [0, 0, 0.25]]
    near, far = 1 / 66.7, 1 / 233.6  # of B at 40.6 N to L at 40.0 and K at 42.7
    assert shares[2, 0, 1] == pytest.approx(near / (near + far), rel=0.01)
    assert shares[0] == pytest.approx((shares[1] + shares[2]) / 2), "zones of one size count alike"


def test_no_station_outweighs_all_others_by_its_place() -> None:
    places = [{"name": name, "latitude": 42.6, "longitude": east} for name, east in (("K", -73.7), ("L", -73.6))]
    shares = stations.weights(rich_region(stations=places), ("A",), VARIABLES)
    assert shares[0, 0, :2].tolist() == [0.5, 0.5], "both are nearer than ten kilometres"


def test_means_are_of_what_is_there() -> None:
    each = np.array([[[1, 10, 3, 30]], [[np.nan, 10, 3, np.nan]], [[np.nan, np.nan, np.nan, 30]]], np.float32)
    out = np.full((3, 1, 2), np.nan, np.float32)
    stations.combine(out, each, np.array([[[0.75, 0.25]]]))
    assert out[0, 0].tolist() == [1.5, 15]
    assert out[1, 0].tolist() == [3, 10]
    assert np.isnan(out[2, 0, 0])
    assert out[2, 0, 1] == 30


def test_a_zone_has_the_weather_of_its_stations() -> None:
    frames, quarantine = rich_past(5)
    issues = bulk(frames).times[500:700:7]
    apart, weighed = (
        build(bulk(frames, of=of, quarantine=quarantine), of, issues, SPEC, series=["A"])
        for of in (rich_region(), weighed_region())
    )
    for kind in ("_now", "_mean_1440m", "_forecast", "_forecast_change_h60"):
        one, other = (apart.x[:, 0, apart.names.index(f"{name}.temperature_c{kind}")].astype(float) for name in "KL")
        both = 0.75 * one + 0.25 * other
        expected = np.where(np.isnan(one), other, np.where(np.isnan(other), one, both))
        found = weighed.x[:, 0, weighed.names.index(f"temperature_c{kind}")]
        assert found == pytest.approx(expected, rel=1e-6, nan_ok=True)
        assert np.isfinite(found).any()


def test_a_region_without_places_and_weights_is_as_it_was() -> None:
    of = region()
    assert stations.groups(of, VARIABLES) == VARIABLES
    panel = bulk(past(6))
    block = build(panel, of, panel.times[[600]], SPEC)
    assert "K.temperature_c_now" in block.names
    report = panel.weather.values[600, 0]
    assert block.x[0, :, block.names.index("K.temperature_c_now")].tolist() == [np.float32(report)] * 3


def test_a_silent_station_leaves_the_other() -> None:
    frames, _ = rich_past(7)
    of = Region.model_validate(weighed_region().model_dump() | {"features": [], "weather_forecast": None})
    frames[Table.WEATHER] = frames[Table.WEATHER].filter(pl.col("series") != "K.temperature_c")
    panel = bulk(frames, of=of)
    block = build(panel, of, panel.times[600:640], SPEC)
    column = panel.weather.names.index("L.temperature_c")
    found = block.x[:, 1, block.names.index("temperature_c_now")]
    fresh = block.age_minutes[:, 1] == 0
    assert found[fresh] == pytest.approx(panel.weather.values[600:640, column][fresh], rel=1e-6, nan_ok=True)
