"""Features of recent hours and past days against figures that are known."""

import numpy as np
import pytest

from power_nowcast.features.build_features import build
from tests.features.history import SPEC, bulk, past, region


def test_ramps_and_windows_by_hand() -> None:
    panel = bulk(past(31, gaps=0, late=0, corrections=0))
    slot = 11 * 48
    block = build(panel, region(), panel.times[[slot]], SPEC, series=["A"])
    row = dict(zip(block.names, block.x[0, 0], strict=True))
    load = panel.power.values[:, 1]
    assert row["ramp_60m"] == np.float32(load[slot] - load[slot - 2])
    assert row["mean_180m"] == pytest.approx(np.mean(load[slot - 5 : slot + 1] - load[slot]), rel=1e-5)
    assert row["spread_180m"] == pytest.approx(np.std(load[slot - 5 : slot + 1]), rel=1e-3)
    day = load[slot - 47 : slot + 1] - load[slot]
    assert row["range_lowest_1440m"] == np.float32(day.min())
    assert row["range_highest_1440m"] == np.float32(day.max())
    assert row["range_mean_1440m"] == pytest.approx(day.mean(), rel=1e-5)
    assert row["range_spread_1440m"] == pytest.approx(day.std(), rel=1e-5)
    assert row["range_lowest_360m"] == np.float32((load[slot - 11 : slot + 1] - load[slot]).min())
    assert row["ramp_60m[B]"] == np.float32(panel.power.values[slot, 2] - panel.power.values[slot - 2, 2])
    smooth = [np.mean(load[n - 1 : n + 2]) for n in (slot + 6 - 96, slot + 4 - 96)]
    # Two days before, New York's clock stood an hour behind: the same local time lies an hour later in UTC.
    local = {n: np.mean(load[n - 1 : n + 2]) for n in (slot - 96 + 2, slot - 96 + 4)}
    shifted = panel.times[slot] - np.timedelta64(2, "D") < np.datetime64("2024-03-10T07:00")
    assert shifted
    assert row["day2_ramp_h60"] == pytest.approx(local[slot - 92] - local[slot - 94], abs=1e-3), smooth
