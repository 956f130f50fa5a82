"""The register: every column that can be built has a label, and a family is one file and one line."""

from itertools import product

import numpy as np
import pytest

from power_nowcast.features.build_features import Layout, build, layout
from power_nowcast.features.families import FAMILIES, LABELS, OTHER, families_of, family_of, labels, without_horizon
from power_nowcast.features.family import Family, Scope, View
from power_nowcast.features.spec import FeatureSpec
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
    assert len(families_of(layout.names)) <= len(LABELS)


def test_labels_are_told_in_their_order() -> None:
    assert list(LABELS) == [
        "recent hours",
        "range of past hours",
        "other series",
        "same time, past days",
        "level against past days",
        "time and kind of day",
        "sun and season",
        "operator's forecast",
        "output under a clear sky",
        "weather forecast",
        "weather",
        "quality of the data",
    ]
    assert family_of("K.wind_speed_ms_forecast_now") == "weather", "by its end"
    assert family_of("roughness_120m") == "recent hours", "of plants as of loads"


class Moon(Family):
    """A toy: how bright the moon is at the origin, and the output that a plant of moonlight would have then."""

    name = "moon"
    labels = {"moon and tides": r"moon(_output)?"}
    in_mw = True

    def applies(self, scope: Scope) -> bool:
        return scope.spec.smoothing > 0

    def common_names(self, scope: Scope) -> list[str]:
        return ["moon"]

    def knot_names(self, scope: Scope) -> list[str]:
        return ["moon_output"]

    def fill(self, out: np.ndarray, view: View) -> None:
        origin = view.rows.origin
        out[..., 0] = np.where(origin >= 0, origin % 59, np.nan)
        out[..., 1:] = out[..., :1] + view.knots


@pytest.mark.parametrize("region", [rich_region(), rich_plants()], ids=["load", "plants"])
def test_a_family_is_one_object_and_one_line(region: Region) -> None:
    frames, quarantine = rich_past(1)
    panel = bulk(frames, of=region, quarantine=quarantine)
    register = (*FAMILIES, Moon())
    scope, issues = Scope.of(panel, region, SPEC), panel.times[500:560]
    plain, more = layout(scope, FAMILIES), layout(scope, register)
    assert more.names[: len(plain.names)] == plain.names
    assert more.names[len(plain.names) :] == ("moon", *(f"moon_output_h{knot}" for knot in SPEC.knots))
    assert more.horizons[len(plain.names) :] == (0, *SPEC.knots)

    before, block = build(panel, region, issues, SPEC), build(panel, region, issues, SPEC, families=register)
    np.testing.assert_array_equal(block.x[..., : len(plain.names)], before.x)
    assert (block.names, block.horizons) == (more.names, more.horizons)
    moon = block.x[..., more.slices["moon"]]
    slot = panel.power.slots(issues[:, None] - np.nan_to_num(block.age_minutes).astype("timedelta64[m]"))
    expected = np.where(block.age_minutes >= 0, slot % 59 / block.scale_mw, np.nan)
    np.testing.assert_allclose(moon[..., 0], expected, rtol=1e-6)

    known = labels(register)
    assert list(known)[-1] == "moon and tides"
    assert {family_of(name, known) for name in more.names[len(plain.names) :]} == {"moon and tides"}
    assert family_of("moon") == OTHER, "where it is not registered"


def test_a_family_that_does_not_apply_has_no_column() -> None:
    scope = Scope(rich_region(), SPEC, rich_region().series)
    rough = Scope(scope.region, FeatureSpec.from_json({**SPEC.to_json(), "smoothing": 0}), scope.series)
    assert "moon" in layout(scope, (Moon(),)).slices
    assert layout(rough, (Moon(),)).names == ()


def test_a_name_without_a_family_is_another() -> None:
    assert family_of("moon") == OTHER
    assert families_of(["moon", "sun", "ramp_5m"]) == ("recent hours", "sun and season", OTHER)


def test_horizons_do_not_matter() -> None:
    for name, knot in product(("analog_ramp", "operator_ramp", "K.temperature_c_forecast_change"), (5, 60)):
        assert family_of(f"{name}_h{knot}") == family_of(name) != OTHER
        assert without_horizon(f"{name}_h{knot}") == name
