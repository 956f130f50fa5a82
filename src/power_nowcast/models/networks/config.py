"""The input and the progress of a training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TrainingConfig:
    """The usual parameters; residuals of the median beyond `huber` units count linearly.

    Training keeps the best epoch on hold-out rows and stops `early_stopping` epochs after it. With `refit` it trains
    the served network once more, on train and valid together, for as many epochs. With `networks` > 1 it trains so many
    networks with different seeds, and their mean is served. The network does not read the families of features in
    `without`: the range of past hours does not improve a joint network.
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
    """The result of an epoch: losses on training and hold-out rows (NaN without any), and the estimated time left."""

    number: int
    loss: float
    held_out: float
    seconds_left: float


@dataclass(frozen=True)
class Rows:
    """Inputs (row, input) and outcomes (row, series, knot) in the ramps' units, NaN if unknown."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
