"""rules: what is read beyond the ends of a series is unknown, and a rule with too few errors does not answer."""

import numpy as np
import pytest

from power_nowcast.contracts import MEDIAN, QUANTILES, Grid, Panel
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.live.rules import Rules, at, conformal
from tests.toy import START, toy_region


def test_values_beyond_the_ends_are_unknown() -> None:
    found = at(np.array([1.0, 2.0, 3.0]), np.array([[-4, -1, 0], [2, 3, 9]]))
    np.testing.assert_array_equal(found, [[np.nan, np.nan, 1.0], [3.0, np.nan, np.nan]])


def test_quantiles_of_few_errors_are_wider_than_their_levels() -> None:
    errors = np.arange(-9.0, 10.0)  # 19 errors: the next one has 20 places among them
    found = conformal(errors)
    assert found[MEDIAN] == 0.0
    np.testing.assert_allclose(found, -found[::-1])
    expected = np.quantile(errors, 0.5 + (np.array(QUANTILES) - 0.5) * 20 / 19)
    np.testing.assert_allclose(found, expected)
    assert (np.abs(found) >= np.abs(np.quantile(errors, QUANTILES))).all()


@pytest.mark.parametrize(("days", "is_known"), [(18, False), (20, True)])
def test_many_errors_of_few_days_are_no_width(days: int, is_known: bool) -> None:
    """Values of every five minutes: a usual change from two weeks on, and 37 errors of each further day."""
    region, slots = toy_region(), days * 288
    values = np.tile(np.arange(slots, dtype=np.float64)[:, None], len(region.series))
    power = Grid(START, 5, region.series, values.copy(order="F"))
    empty = Grid(START, 5, (), np.empty((slots, 0)))
    panel = Panel(region.name, power.times[-1], power, empty, empty)
    found = Rules(panel, region, FeatureSpec.for_interval(5), power.times[-1]).seasonal(0, 4)
    assert (found is not None) == is_known
    if found is not None:
        np.testing.assert_allclose(found[:, MEDIAN], slots - 1 + np.array(region.steps_minutes) / 5)
