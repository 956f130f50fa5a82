"""One booster for all zones: it learns the rows of every zone in units of the zone's own ramps.

A model of each zone does not go to thousands of zones. The rows of all zones, each divided by the zone's mean ramp,
are rows of one zone; a zone costs the model one number. What is particular to a zone is left to its calibration.
"""

import json
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import FeatureBlock, Floats, Progress
from power_nowcast.features.families import family_of
from power_nowcast.models.base import FitReport, Model
from power_nowcast.models.boosters.lgbm import LightGBM
from power_nowcast.models.examples import Examples
from power_nowcast.models.files import Folder, finite

ZONE = ("ZONE",)
"""The one series of the booster."""
IN_MW = (
    "recent hours",
    "range of past hours",
    "other series",
    "same time, past days",
    "level against past days",
    "operator's forecast",
)
"""Families whose features are in units of the zone, as its ramps are."""
LEAST = 1e-3
"""Least unit of a zone, as a share of its largest value: a zone that stood still is no divisor."""
UNITS, SHARED = "units.json", "zone"


def units_of(train: Examples) -> NDArray[np.float64]:
    """Mean absolute ramp of each series in its block's `scale_mw`, shape (series,); 1 for a series without values."""
    ramps, levels = np.abs(train.scaled_ramps), np.abs(train.block.origin_mw / train.block.scale_mw)
    known = np.isfinite(ramps)
    unit = np.where(known, ramps, 0.0).sum(axis=(0, 2)) / np.maximum(known.sum(axis=(0, 2)), 1)
    least = LEAST * np.where(np.isfinite(levels), levels, 0.0).max(axis=0, initial=0.0)
    found = np.maximum(unit, least)
    return np.asarray(np.where(found > 0, found, 1.0))


def stacked(block: FeatureBlock, units: Floats) -> FeatureBlock:
    """Rows of all series as rows of one series, issue time by issue time, in units of each series."""
    issues, series = block.origin_mw.shape
    x = block.x.copy()
    columns = [n for n, name in enumerate(block.names) if family_of(name) in IN_MW]
    x[:, :, columns] /= units[:, None].astype(np.float32)

    def one(values: NDArray[Any]) -> NDArray[Any]:
        return values.reshape(issues * series, 1, *values.shape[2:])

    return FeatureBlock(
        np.repeat(block.issue_times, series),
        ZONE,
        block.names,
        block.horizons,
        one(x),
        one(block.origin_mw),
        one(block.age_minutes),
        one(units * block.scale_mw),
    )


def stacked_examples(known: Examples, units: Floats) -> Examples:
    """The same of examples."""
    rows, knots = known.outcome_mw[..., 0].size, known.outcome_mw.shape[-1]
    return Examples(stacked(known.block, units), known.outcome_mw.reshape(rows, 1, knots))


class Pooled(Model):
    """LightGBM on the rows of all series; `units` (series,) as of `units_of`."""

    kind = "pooled"

    def __init__(self, series: tuple[str, ...], knots: tuple[int, ...], zone: LightGBM, units: Floats) -> None:
        super().__init__(series, knots)
        self.zone = zone
        self.units = np.asarray(units, np.float64)

    @classmethod
    def of(cls, series: tuple[str, ...], knots: tuple[int, ...], **options: Any) -> Self:
        """An untrained model with the known options that are not None."""
        return cls(series, knots, LightGBM.of(ZONE, knots, **options), np.ones(len(series)))

    def for_series(self, series: tuple[str, ...], units: Floats) -> "Pooled":
        """The same booster for other series."""
        return Pooled(series, self.knots, self.zone, units)

    @property
    def libraries(self) -> tuple[str, ...]:
        return LightGBM.libraries

    def fit(
        self, train: Examples, valid: Examples, *, executor: Executor | None = None, progress: Progress = lambda _: None
    ) -> tuple[FitReport, Floats]:
        self.units = units_of(train)
        rows, held_out = stacked_examples(train, self.units), stacked_examples(valid, self.units)
        report, quantiles = self.zone.fit(rows, held_out, executor=executor, progress=progress)
        return report, quantiles.reshape(*valid.outcome_mw.shape, -1)

    def predict(self, block: FeatureBlock) -> NDArray[np.float64]:
        units = self.units[[self.series.index(name) for name in block.series]]
        return self.zone.predict(stacked(block, units)).reshape(*block.origin_mw.shape, len(self.knots), -1)

    def save(self, folder: Path) -> None:
        (folder / UNITS).write_text(json.dumps(self.units.tolist()))
        (folder / SHARED).mkdir()
        self.zone.save(folder / SHARED)

    @classmethod
    def load(cls, folder: Folder, series: tuple[str, ...], knots: tuple[int, ...]) -> Self:
        units = finite(json.loads((folder / UNITS).read_text()), (len(series),))
        return cls(series, knots, LightGBM.load(folder / SHARED, ZONE, knots), units)

    @property
    def params(self) -> dict[str, Any]:
        return self.zone.params | {"model": self.kind}

    @property
    def configuration(self) -> dict[str, Any]:
        return self.zone.configuration

    def importance(self) -> dict[str, float]:
        return self.zone.importance()
