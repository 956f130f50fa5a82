"""pooled: rows of all zones as those of one, in units of each, and back."""

from dataclasses import replace

import numpy as np
import pytest

from power_nowcast.bundle.train import examples
from power_nowcast.contracts import MEDIAN
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.examples import Examples
from power_nowcast.models.pooled import IN_MW, Pooled, stacked, stacked_examples, units_of
from tests.toy import toy_panel, toy_region

SPEC = FeatureSpec.for_interval(30, neighbour_lags=())
SMALL = {"n_estimators": 30, "learning_rate": 0.1, "num_leaves": 7, "early_stopping": 5, "refit": False}


@pytest.fixture(scope="module")
def known() -> Examples:
    region = toy_region()
    panel = toy_panel(region)
    return examples(panel, region, panel.times[44 * 48 :], SPEC)


@pytest.fixture(scope="module")
def model(known: Examples) -> Pooled:
    times, reach = known.block.issue_times, max(SPEC.knots)
    border = times[len(times) * 2 // 3]
    made = Pooled.of(known.block.series, SPEC.knots, **SMALL)
    made.fit(known.during(times[0], border, reach), known.during(border, times[-1], reach))
    return made


def test_rows_are_in_the_units_of_their_zone(known: Examples) -> None:
    units = units_of(known)
    made = stacked_examples(known, units)
    series = len(units)
    assert np.allclose(np.nanmean(np.abs(made.scaled_ramps.reshape(-1, series, len(SPEC.knots))), axis=(0, 2)), 1)
    column = known.block.names.index("ramp_60m")
    assert np.allclose(made.block.x[1::series, 0, column], known.block.x[:, 1, column] / units[1], rtol=1e-6)


def test_a_zone_of_ten_times_the_size_gets_ten_times_the_answer(known: Examples, model: Pooled) -> None:
    """Nothing but the unit tells the booster which zone a row is of."""
    block = known.block
    from power_nowcast.features.families import family_of

    columns = [n for n, name in enumerate(block.names) if family_of(name) in IN_MW]
    x = block.x.copy()
    x[..., columns] *= 8
    larger = replace(block, x=x, origin_mw=block.origin_mw * 8)
    answer = model.for_series(model.series, model.units * 8).predict(larger)
    assert np.allclose(answer, 8 * model.predict(block), rtol=1e-9)


def test_it_is_better_than_the_last_value(known: Examples, model: Pooled) -> None:
    late = known.during(known.block.issue_times[-300], known.block.issue_times[-1], max(SPEC.knots))
    off = np.nanmean(np.abs(model.predict(late.block)[..., MEDIAN] - late.outcome_mw), axis=(0, 2))
    assert (off < np.nanmean(np.abs(late.ramps), axis=(0, 2))).all()


def test_some_of_the_zones_get_the_answers_that_they_get_among_all(known: Examples, model: Pooled) -> None:
    some = known.block.only(known.block.series[1:])
    assert np.array_equal(model.predict(some), model.predict(known.block)[:, 1:])


def test_a_zone_that_stands_still_has_a_unit(known: Examples) -> None:
    block = known.block
    still = Examples(replace(block, origin_mw=np.full_like(block.origin_mw, 4.0)), np.full_like(known.outcome_mw, 4.0))
    assert np.allclose(units_of(still), 0.004)
    nothing = Examples(
        replace(block, origin_mw=np.full_like(block.origin_mw, np.nan)), np.full_like(known.outcome_mw, np.nan)
    )
    assert np.array_equal(units_of(nothing), np.ones(len(block.series)))
    assert np.isfinite(stacked(still.block, units_of(nothing)).x[..., 0]).any()
