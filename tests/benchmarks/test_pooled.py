"""pooled: rows of all series as those of one, in units, and back."""

import numpy as np
from pooled import stacked, unit_of

from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.training import examples
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
