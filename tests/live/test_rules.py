"""rules: what is read beyond the ends of a series is unknown."""

import numpy as np

from power_nowcast.contracts import MEDIAN, QUANTILES
from power_nowcast.live.rules import at, conformal


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
