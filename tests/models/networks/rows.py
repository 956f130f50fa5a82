"""Made-up inputs of two series at three knots, their places in a row, and outcomes that follow from them."""

import numpy as np

from power_nowcast.models.linear import Linear
from power_nowcast.models.networks.config import Rows
from power_nowcast.models.networks.encoding import Places

SERIES, KNOTS, OWN, SHARED = 2, 3, 12, 4
INPUTS = SERIES * OWN + SHARED
SPANS = (30, 60, 120)


def places() -> Places:
    return Places(
        series=SERIES,
        knots=KNOTS,
        own=OWN,
        spans=SPANS,
        past=(2, 1, 0),
        past_mean=np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
        past_spread=np.array([[1.0, 2.0, 4.0], [10.0, 20.0, 40.0]]),
        present=(0, 1, 2, 3, 4, 5),
        future=((6, 7), (8, 9), (10, 11)),
    )


def start() -> Linear:
    return Linear(np.zeros((INPUTS, SERIES * KNOTS)), np.zeros(SERIES * KNOTS))


def rows(count: int, seed: int) -> Rows:
    """Outcomes are bent functions of the inputs with some noise; some are not known."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, INPUTS)).astype(np.float32)
    y = np.abs(x[:, : SERIES * KNOTS]) + x[:, -SERIES * KNOTS :] + 0.1 * rng.normal(size=(count, SERIES * KNOTS))
    y[rng.random(y.shape) < 0.05] = np.nan
    return Rows(x, y.reshape(count, SERIES, KNOTS).astype(np.float32))
