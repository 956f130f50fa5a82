"""What a training is given and what it tells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TrainingConfig:
    """Customary parameters; errors of the median beyond `huber` units count linearly.

    The best epoch on held-out rows is kept, and training stops `early_stopping` epochs after it. With `refit` the
    network that is served is trained once more, on train and valid together, for as many epochs; with more than one of
    `networks` so many are, each from another seed, and their mean is served. Families of features in `without` are not
    read: the range of past hours gives a joint network nothing.
    """

    epochs: int = 4
    batch_size: int = 1024
    early_stopping: int = 2
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    huber: float = 0.5
    clip_norm: float = 1.0
    refit: bool = True
    networks: int = 1
    without: tuple[str, ...] = ("range of past hours",)
    seed: int = 1


@dataclass(frozen=True)
class Epoch:
    """What an epoch left: losses of training and held-out rows (NaN without any), and how long the rest may take."""

    number: int
    loss: float
    held_out: float
    seconds_left: float


@dataclass(frozen=True)
class Rows:
    """Inputs (row, input) and outcomes (row, series, knot) in the ramps' units, NaN where nothing is to be learnt."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
