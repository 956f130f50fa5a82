"""Baselines for a nowcast: persistence, the value of a week ago, and persistence plus last week's ramp.

Values of past days are smoothed over a few minutes, so these baselines are slightly stronger than the textbook forms.
"""

import json
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import QUANTILES, FeatureBlock, Floats, Progress
from power_nowcast.models.base import FitReport, Model
from power_nowcast.models.examples import Examples
from power_nowcast.models.files import Folder, finite


class Baseline(Model):
    """A rule for the centre, with the quantiles of the rule's own residuals in training around it."""

    median_step = 0.0  # a rule does not adapt

    def __init__(self, series: tuple[str, ...], knots: tuple[int, ...], errors: Floats | None = None) -> None:
        super().__init__(series, knots)
        self.errors = np.zeros((len(series), len(knots), len(QUANTILES))) if errors is None else errors

    def centre(self, block: FeatureBlock) -> Floats:
        """The rule: MW at each knot, shape (issue, series, knot)."""
        raise NotImplementedError

    def fit(
        self,
        train: Examples,
        valid: Examples,
        *,
        executor: Executor | None = None,  # noqa: ARG002 - a rule needs no workers
        progress: Progress = lambda _: None,  # noqa: ARG002
    ) -> tuple[FitReport, Floats]:
        error = (train.outcome_mw - self.centre(train.block)) / train.block.scale_mw[..., None]
        known = np.isfinite(error).any(axis=0)
        error = np.where(known, error, 0.0)  # a series without data keeps a width of zero
        self.errors = np.moveaxis(np.nanquantile(error, QUANTILES, axis=0), 0, -1)
        self.errors -= self.errors[..., [len(QUANTILES) // 2]]
        return FitReport(), self.predict(valid.block)

    def predict(self, block: FeatureBlock) -> NDArray[np.float64]:
        widths = self.errors * block.scale_mw[..., None, None]
        return np.asarray(self.centre(block)[..., None] + widths, np.float64)

    def save(self, folder: Path) -> None:
        (folder / "errors.json").write_text(json.dumps(self.errors.tolist()))

    @classmethod
    def load(cls, folder: Folder, series: tuple[str, ...], knots: tuple[int, ...]) -> Self:
        errors = json.loads((folder / "errors.json").read_text())
        return cls(series, knots, finite(errors, (len(series), len(knots), len(QUANTILES))))

    @property
    def params(self) -> dict[str, Any]:
        return {"model": self.kind}

    def _week_ago(self, block: FeatureBlock) -> Floats:
        columns = [block.names.index(f"day7_ramp_h{knot}") for knot in self.knots]
        return block.x[..., columns].astype(np.float64) * block.scale_mw[..., None]


class Persistence(Baseline):
    """The last known value."""

    kind = "persistence"

    def centre(self, block: FeatureBlock) -> Floats:
        return np.repeat(block.origin_mw[..., None], len(self.knots), axis=-1)


class SeasonalNaive(Baseline):
    """The value of the same time a week ago."""

    kind = "seasonal_naive"

    def centre(self, block: FeatureBlock) -> Floats:
        level = block.x[..., block.names.index("level_day7")].astype(np.float64) * block.scale_mw
        return (block.origin_mw - level)[..., None] + self._week_ago(block)


class PersistenceRamp(Baseline):
    """The last known value plus the ramp at the same time a week ago."""

    kind = "persistence_ramp"

    def centre(self, block: FeatureBlock) -> Floats:
        return block.origin_mw[..., None] + self._week_ago(block)
