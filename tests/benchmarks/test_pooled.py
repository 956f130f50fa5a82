"""pooled: rows of all series as those of one, in units, and back."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from pooled import fit_pooled, stacked, unit_of

from power_nowcast.bundle.train import examples
from power_nowcast.contracts import MEDIAN, QUANTILES
from power_nowcast.features.spec import FeatureSpec
from tests.toy import toy_panel, toy_region


def test_rows_of_all_series_are_in_their_own_units() -> None:
    region = toy_region()
    panel = toy_panel(region)
    known = examples(panel, region, panel.times[44 * 48 : 46 * 48], FeatureSpec.for_interval(30))
    unit = unit_of(known)
    made = stacked(known, unit)
    series = len(known.block.series)
    assert made.block.origin_mw.shape == (series * len(known.block.issue_times), 1)
    assert np.allclose(made.scaled_ramps[1::series, 0], known.ramps[:, 1] / unit[1], equal_nan=True)
    assert np.allclose(np.nanmean(np.abs(made.scaled_ramps)), 1)
    column = known.block.names.index("ramp_60m")
    assert np.allclose(made.block.x[1::series, 0, column], known.block.x[:, 1, column] / unit[1], rtol=1e-6)
    assert np.array_equal(made.block.x[:series, 0, -1], np.arange(series))


def test_one_model_answers_for_every_series_in_mw() -> None:
    region = toy_region()
    panel = toy_panel(region)
    spec = FeatureSpec.for_interval(30)
    known = examples(panel, region, panel.times[44 * 48 :], spec)
    times = known.block.issue_times
    first, second, third, last = times[[0, len(times) // 2, 3 * len(times) // 4, -1]]
    reach = max(spec.knots)
    parts = (
        known.during(first, second, reach),
        known.during(second, third, reach),
        known.during(third, last, reach),
    )
    small = {"n_estimators": 60, "learning_rate": 0.1, "num_leaves": 7, "early_stopping": 5}
    with ThreadPoolExecutor(1) as pool:
        quantiles, start = fit_pooled(region, "lightgbm", small, parts, spec.knots, pool, lambda _: None)
    judged = parts[2]
    assert quantiles.shape == (*judged.outcome_mw.shape, len(QUANTILES))
    assert start.series == judged.block.series
    assert start.base.shape[0] == start.hourly.shape[0] == len(start.series)
    off = np.nanmean(np.abs(quantiles[..., MEDIAN] - judged.outcome_mw), axis=(0, 2))
    assert (off < np.nanmean(np.abs(judged.ramps), axis=(0, 2))).all(), "better than persistence, in each one's MW"
