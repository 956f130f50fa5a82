"""What every model is: fitted on features and outcomes, it gives quantiles at its knots and is kept in native files."""

from abc import ABC, abstractmethod
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import FeatureBlock, Floats, Progress
from power_nowcast.models.examples import Examples
from power_nowcast.models.files import Folder

MEDIAN_STEP = 0.005
"""Share of an hour's balance that the newest outcome replaces: online calibration remembers 200 of them."""


@dataclass(frozen=True)
class FitReport:
    """What training left to look at.

    `curves` maps "series/knot/slice" to the loss per boosting round or epoch, `metrics` single figures by name.
    """

    curves: dict[str, list[float]] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


class Model(ABC):
    """One family of models. Stateless until `fit` or `load`; `predict` never changes it."""

    kind: ClassVar[str]
    joint: ClassVar[bool] = False
    """Series are learnt together, so that a model of a few of them is another model."""
    median_step: ClassVar[float] = MEDIAN_STEP
    """How fast online calibration moves the median; 0 leaves it where the model has it."""
    checkpoints: Path | None = None
    """Folder in which a long training keeps its state, to go on after a kill; what trains quickly needs none."""

    def __init__(self, series: tuple[str, ...], knots: tuple[int, ...]) -> None:
        self.series = series
        self.knots = knots

    @classmethod
    def missing(cls) -> tuple[str, ...]:
        """Packages that training needs and that are not installed; answering needs none of them."""
        return ()

    @property
    def libraries(self) -> tuple[str, ...]:
        """Distributions that answering needs, beside those that every model needs."""
        return ()

    @abstractmethod
    def fit(
        self, train: Examples, valid: Examples, *, executor: Executor | None = None, progress: Progress = lambda _: None
    ) -> tuple[FitReport, Floats]:
        """Learn from `train`, stop early and learn the spread on the later `valid`.

        Returns:
            The report, and quantiles for `valid` (issue, series, knot, quantile) in MW that were made without having
            seen the outcome they are for: what calibration starts from.
        """

    @abstractmethod
    def predict(self, block: FeatureBlock) -> NDArray[np.float64]:
        """Quantiles in MW, shape (issue, series, knot, quantile), before calibration; NaN where there is no origin."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write native files into `folder`, which exists."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Folder, series: tuple[str, ...], knots: tuple[int, ...]) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelError: the files hold what no training writes.
        """

    @property
    @abstractmethod
    def params(self) -> dict[str, Any]:
        """The configuration, for the tracking server."""

    @property
    def configuration(self) -> dict[str, Any]:
        """Every option with its value, given or default; empty where there is nothing to choose."""
        return {}

    def importance(self) -> dict[str, float]:
        """Share of each feature in what the model uses, empty where that has no meaning."""
        return {}
