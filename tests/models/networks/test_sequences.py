"""sequences: steps are differences of ramps, and what is exported is the LSTM that was trained."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra neural is not installed")

import torch

from power_nowcast.models.networks.sequences import Past
from tests.models.networks.rows import INPUTS, OWN, SERIES, places


def test_steps_are_what_the_series_moved_by_from_time_to_time() -> None:
    where = places()
    level = np.array([[7.0, 3.0, 5.0, 1.0], [70.0, 30.0, 50.0, 10.0]])  # at the origin, 30, 60 and 120 minutes before
    ramps = level[:, :1] - level[:, 1:]
    x = np.zeros((1, INPUTS))
    for s in range(SERIES):
        x[0, s * OWN + np.array(where.past)] = (ramps[s] - where.past_mean[s]) / where.past_spread[s]
    steps = Past(where)(torch.tensor(x, dtype=torch.float32)).numpy()
    # The oldest first, in the spread of ramps of that length: 60, 30 and 30 minutes.
    moved = np.diff(level[:, ::-1], axis=1) / where.past_spread[:, [1, 0, 0]]
    np.testing.assert_allclose(steps[0, ..., 0], moved, rtol=1e-5)
    np.testing.assert_allclose(steps[0, ..., 1], np.broadcast_to(moved.mean(axis=0), moved.shape), rtol=1e-5)
