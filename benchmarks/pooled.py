"""One model of all zones: it learns the rows of every zone, each scaled by the zone's mean ramp."""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.train import fit_and_judge
from power_nowcast.contracts import FeatureBlock, Floats, Progress
from power_nowcast.features.families import family_of
from power_nowcast.models.examples import Examples
from power_nowcast.models.kinds import create
from power_nowcast.regions import Region

NAME = ("ZONE",)
IN_MW = (
    "recent hours",
    "range of past hours",
    "other series",
    "same time, past days",
    "level against past days",
    "operator's forecast",
)
"""Families whose features are scaled by the zone's unit, too."""


def unit_of(train: Examples) -> NDArray[np.float64]:
    """Mean absolute ramp of each series in MW, shape (series,)."""
    return np.asarray(np.nanmean(np.abs(train.ramps), axis=(0, 2)))


def stacked(known: Examples, unit: NDArray[np.float64]) -> Examples:
    """Rows of all series as rows of one series, scaled, with the number of the series as a further feature."""
    block = known.block
    issues, series = block.origin_mw.shape
    x = block.x.copy()
    columns = [n for n, name in enumerate(block.names) if family_of(name) in IN_MW]
    x[:, :, columns] /= unit[:, None].astype(np.float32)
    code = np.broadcast_to(np.arange(series, dtype=np.float32)[:, None], (issues, series, 1))

    def one(values: NDArray[Any]) -> NDArray[Any]:
        return values.reshape(issues * series, 1, *values.shape[2:])

    made = FeatureBlock(
        np.repeat(block.issue_times, series),
        NAME,
        (*block.names, "zone"),
        (*block.horizons, 0),
        one(np.concatenate([x, code], axis=-1)),
        one(block.origin_mw),
        one(block.age_minutes),
        one(np.broadcast_to(unit, block.scale_mw.shape)),
    )
    return Examples(made, one(known.outcome_mw))


def fit_pooled(
    region: Region,
    kind: str,
    options: Mapping[str, Any],
    parts: tuple[Examples, Examples, Examples],
    knots: tuple[int, ...],
    executor: Executor,
    progress: Progress,
) -> tuple[Floats, Calibration]:
    """Fit one model of all series on the first two `parts`.

    Returns:
        Its quantiles of the third part, shape (issue, series, knot, quantile), and the calibration to begin with.
    """
    unit = unit_of(parts[0])
    train, valid, judged = (stacked(part, unit) for part in parts)
    model = create(kind, NAME, knots, **options)
    start = fit_and_judge(region, model, train, valid, executor=executor, progress=progress).calibration
    shape = parts[2].block.origin_mw.shape
    quantiles = model.predict(judged.block).reshape(*shape, len(knots), -1)
    series = parts[2].block.series
    base, hourly = (np.repeat(values, len(series), axis=0) for values in (start.base, start.hourly))
    return quantiles, replace(start, series=series, base=base, hourly=hourly)
