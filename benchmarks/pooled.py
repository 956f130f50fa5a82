"""One model of all zones: it learns the rows of every zone, scaled by the zone's mean ramp, and the zone's number."""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from power_nowcast.bundle.calibration import Calibration
from power_nowcast.bundle.train import fit_and_judge
from power_nowcast.contracts import Floats, Progress
from power_nowcast.models.examples import Examples
from power_nowcast.models.kinds import create
from power_nowcast.models.pooled import ZONE, stacked_examples
from power_nowcast.regions import Region


def unit_of(train: Examples) -> NDArray[np.float64]:
    """Mean absolute ramp of each series in MW, shape (series,)."""
    return np.asarray(np.nanmean(np.abs(train.ramps), axis=(0, 2)))


def stacked(known: Examples, unit: NDArray[np.float64]) -> Examples:
    """Rows of all series as rows of one series, scaled, with the number of the series as a further feature."""
    rows, series = stacked_examples(known, unit), len(known.block.series)
    block = rows.block
    code = np.tile(np.arange(series, dtype=np.float32), len(known.block.issue_times))[:, None, None]
    x = np.concatenate([block.x, code], axis=-1)
    return replace(rows, block=replace(block, names=(*block.names, "zone"), horizons=(*block.horizons, 0), x=x))


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
    model = create(kind, ZONE, knots, **options)
    start = fit_and_judge(region, model, train, valid, executor=executor, progress=progress).calibration
    shape = parts[2].block.origin_mw.shape
    quantiles = model.predict(judged.block).reshape(*shape, len(knots), -1)
    series = parts[2].block.series
    base, hourly = (np.repeat(values, len(series), axis=0) for values in (start.base, start.hourly))
    return quantiles, replace(start, series=series, base=base, hourly=hourly)
