"""training: persistence for late data has the spread that training showed, whatever the cadence and the delay."""

import numpy as np
import pytest

from power_nowcast.bundle.train import examples, fallback, train_bundle
from power_nowcast.errors import MissingDataError
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.kinds import create
from tests.toy import toy_panel, toy_region


@pytest.mark.parametrize("every", [1, 3, 7])
@pytest.mark.parametrize("delay", [0, 30])
def test_the_fallback_widens_with_the_lead(every: int, delay: int) -> None:
    region = toy_region()
    panel = toy_panel(region)
    spec = FeatureSpec.for_interval(30)
    known = examples(panel, region, panel.times[44 * 48 :: every], spec, delay_minutes=delay)

    model = fallback(known, spec.knots)

    assert model.knots[: len(spec.knots)] == spec.knots
    assert max(model.knots) >= 240
    width = model.errors[..., -1] - model.errors[..., 0]
    assert (np.diff(width[:, [model.knots.index(spec.knots[0]), -1]], axis=1) > 0).all()
    assert (width > 0).all()


def test_the_fallback_of_a_lead_has_the_errors_of_persistence_at_that_lead() -> None:
    region = toy_region()
    panel = toy_panel(region)
    spec = FeatureSpec.for_interval(30)
    issues = panel.times[44 * 48 :]
    model = fallback(examples(panel, region, issues, spec), spec.knots)

    total = panel.power.values[:, region.series.index("ALL")]
    start = len(panel.times) - len(issues)
    errors = total[start + 8 :] - total[start:-8]
    low, centre, high = np.quantile(errors, [0.05, 0.5, 0.95])
    found = model.errors[region.series.index("ALL"), model.knots.index(240)]
    np.testing.assert_allclose(found[[0, -1]], [low - centre, high - centre])


def test_a_series_without_outcomes_is_named() -> None:
    region = toy_region()
    panel = toy_panel(region)
    spec = FeatureSpec.for_interval(30)
    known = examples(panel, region, panel.times[44 * 48 :], spec)
    known.outcome_mw[:, region.series.index("N.E.")] = np.nan
    with pytest.raises(MissingDataError, match=r"nothing to train on for N\.E\."):
        train_bundle(region, spec, create("persistence", region.series, spec.knots), known, known)


def test_only_a_served_model_has_a_ladder_and_limits_of_the_watch() -> None:
    region = toy_region()
    panel = toy_panel(region)
    spec = FeatureSpec.for_interval(30)
    issues = panel.times[44 * 48 :: 3]
    known, border = examples(panel, region, issues, spec), issues[len(issues) * 2 // 3]
    parts = known.during(issues[0], border, 90), known.during(border, issues[-1], 90)
    served, compared = (
        train_bundle(region, spec, create("persistence_ramp", region.series, spec.knots), *parts, is_served=one)[0]
        for one in (True, False)
    )
    assert served.ladder is not None
    assert served.watch is not None
    assert (compared.ladder, compared.watch) == (None, None)
    np.testing.assert_array_equal(
        served.replay(panel, issues[-20:])[0].values, compared.replay(panel, issues[-20:])[0].values
    )
