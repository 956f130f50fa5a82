"""The base class of models: they learn from features and outcomes, give quantiles at knots, and have native files."""

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
"""Share of an hour's balance that the newest outcome replaces: online calibration remembers about 200 outcomes."""


@dataclass(frozen=True)
class FitReport:
    """The report of a training.

    `curves` maps "series/knot/slice" to the loss per boosting round or epoch, `metrics` single figures by name.
    """

    curves: dict[str, list[float]] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)


class Model(ABC):
    """One kind of model. It has no state until `fit` or `load`; `predict` never changes it."""

    kind: ClassVar[str]
    joint: ClassVar[bool] = False
    """Whether the series are learnt jointly: then a model of some of the series is a different model."""
    median_step: ClassVar[float] = MEDIAN_STEP
    """Step with which online calibration moves the median; 0 keeps the model's median."""
    checkpoints: Path | None = None
    """Folder for the state of a long training, to resume it after a kill; a fast training needs none."""

    def __init__(self, series: tuple[str, ...], knots: tuple[int, ...]) -> None:
        self.series = series
        self.knots = knots

    @classmethod
    def of(cls, series: tuple[str, ...], knots: tuple[int, ...], **options: Any) -> Self:  # noqa: ARG003
        """An untrained model with the options that are not None; a kind without options ignores them."""
        return cls(series, knots)

    @classmethod
    def missing(cls) -> tuple[str, ...]:
        """Missing packages that training needs; answering needs none of them."""
        return ()

    @property
    def libraries(self) -> tuple[str, ...]:
        """Distributions that this model needs to answer, in addition to those that every model needs."""
        return ()

    @abstractmethod
    def fit(
        self, train: Examples, valid: Examples, *, executor: Executor | None = None, progress: Progress = lambda _: None
    ) -> tuple[FitReport, Floats]:
        """Learn from `train`; stop early and learn the spread on the later `valid`.

        Returns:
            The report, and out-of-sample quantiles for `valid` (issue, series, knot, quantile) in MW, from which
            calibration starts.
        """

    @abstractmethod
    def predict(self, block: FeatureBlock) -> NDArray[np.float64]:
        """Quantiles in MW, shape (issue, series, knot, quantile), before calibration; NaN without an origin."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write native files into the existing `folder`."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Folder, series: tuple[str, ...], knots: tuple[int, ...]) -> Self:
        """Read the files that `save` wrote.

        Raises:
            ModelError: the files have content that no training writes.
        """

    @property
    @abstractmethod
    def params(self) -> dict[str, Any]:
        """The configuration, for the tracking server."""

    @property
    def configuration(self) -> dict[str, Any]:
        """Every option with its value, given or default; empty if there are no options."""
        return {}

    def importance(self) -> dict[str, float]:
        """Importance of each feature as a share; empty if the model has no such measure."""
        return {}
