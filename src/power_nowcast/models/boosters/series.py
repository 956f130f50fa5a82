"""The training of one series' boosters: a booster of the ramp at every knot, and two boosters of the residuals' spread.

It runs in a worker process, so a job names functions and arrays only.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from power_nowcast.contracts import QUANTILES, Floats
from power_nowcast.models.boosters.config import BoostingConfig
from power_nowcast.models.boosters.start import Start

# Quantiles of the standard Laplace distribution in units of its mean absolute deviation: the usual shape of residuals
# of load.
SHAPE = np.array([np.sign(level - 0.5) * -np.log(1 - 2 * abs(level - 0.5)) for level in QUANTILES])
SIDES = {"below": 0.1, "above": 0.9}
"""Names of the boosters of the sides, and the quantile of the residuals that each learns."""
SIDE_PARAMS = {"n_estimators": 150, "num_leaves": 15, "max_depth": 4, "learning_rate": 0.05, "min_child": 200}
ROWS_A_ROUND = 300
"""Boosters of the sides use at most one round for so many residuals: with few residuals they overfit early."""
REACH = SHAPE[QUANTILES.index(SIDES["above"])]
FLOOR = 0.1
"""Minimum unit of `SHAPE` on each side, as a share of the mean absolute error."""


@dataclass(frozen=True)
class Fitted:
    """One trained booster in its library's native bytes, with its losses by round."""

    payload: bytes
    rounds: int
    curves: dict[str, list[float]]


type BinOne = Callable[[BoostingConfig, NDArray[np.float32], Any], Any]
type FitOne = Callable[[BoostingConfig, Any, Floats, tuple[Any, Floats] | None, int | None, float | None], Fitted]
type PredictOne = Callable[[bytes, NDArray[np.float32]], Floats]


@dataclass(frozen=True)
class SeriesJob:
    """The input of a worker that trains one series; arrays are (row, feature) and (row, knot)."""

    config: BoostingConfig
    bins: BinOne
    fit: FitOne
    predict: PredictOne
    knots: tuple[int, ...]
    columns: tuple[NDArray[np.int64], ...]
    shared: NDArray[np.int64]
    train_x: NDArray[np.float32]
    train_ramp: Floats
    valid_x: NDArray[np.float32]
    valid_ramp: Floats


@dataclass(frozen=True)
class SeriesFit:
    """The worker's result: the linear fit, if there is one, boosters of the knots and of the sides, and their joint
    `quantiles` (row, knot, quantile) on the valid rows.
    """

    start: Start | None
    ramps: tuple[Fitted, ...]
    sides: tuple[Fitted, ...]
    quantiles: Floats


@dataclass(frozen=True)
class Tables:
    """Binned features of training time, of hold-out time and of both, and their `rows` among those of both.

    Binning takes as long as a hundred rounds, so all boosters that read the same rows and columns share it.
    """

    train: Any
    valid: Any
    both: Any
    rows: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]

    @classmethod
    def of(cls, job: SeriesJob, x: NDArray[np.float32], used: NDArray[np.bool_], columns: NDArray[np.int64]) -> Self:
        """The tables of the `used` rows, thinned, and these columns; `x` has training time and then hold-out time."""
        config, border, every = job.config, len(job.train_x), np.flatnonzero(used)
        train, valid = every[every < border], every[every >= border]
        thin = _thinned(len(train), config.max_rows)
        rows = train[thin], valid[thin], every[_thinned(len(every), config.max_rows)]
        learnt = job.bins(config, _picked(x, rows[0], columns), None)
        held_out = job.bins(config, _picked(x, rows[1], columns), learnt)
        both = job.bins(config, _picked(x, rows[2], columns), None) if config.refit else None
        return cls(learnt, held_out, both, rows)


def _picked(x: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.int64]) -> NDArray[np.float32]:
    """The rows and columns of `x`; no copy of rows side by side with all their columns, which may be gigabytes."""
    is_together = len(rows) > 0 and rows[-1] - rows[0] + 1 == len(rows)
    part = x[rows[0] : rows[-1] + 1] if is_together else x[rows]
    return part if np.array_equal(columns, np.arange(x.shape[1])) else part[:, columns]


def fit_series(job: SeriesJob) -> SeriesFit:
    """Train one series: a booster for each knot, then the boosters of the sides on out-of-sample residuals."""
    config, border = job.config, len(job.train_x)
    x, ramps = joined(job.train_x, job.valid_x), np.concatenate([job.train_ramp, job.valid_ramp])
    start = _start(job, x[:border], ramps[:border])
    refitted = _start(job, x, ramps) if config.refit else start
    line, refitted_line = _line(start, x, ramps), _line(refitted, x, ramps)
    shared = Tables.of(job, x, np.ones(len(x), np.bool_), job.columns[0]) if config.linear else None
    boosters: list[Fitted] = []
    centre = np.full(job.valid_ramp.shape, np.nan)
    for k, columns in enumerate(job.columns):
        tables = shared or Tables.of(job, x, np.isfinite(ramps[:, k]), columns)
        train, valid, both = tables.rows
        left = ramps[:, k] - line[:, k]
        scale = float(np.nanstd(left[train])) or 1.0
        held_out = tables.valid, left[valid] / scale
        booster = job.fit(config, tables.train, left[train] / scale, held_out, None, None)
        centre[:, k] = line[border:, k] + job.predict(booster.payload, job.valid_x[:, columns]) * scale
        if config.refit:
            left = (ramps[both, k] - refitted_line[both, k]) / scale
            more = job.fit(config, tables.both, left, None, booster.rounds, None)
            booster = replace(more, curves=booster.curves)
        boosters.append(replace(booster, payload=with_scale(booster.payload, scale)))
    del shared  # binned rows take as much memory as the rows of the sides
    sides, unit = _fit_sides(job, job.valid_ramp - centre)
    return SeriesFit(refitted, tuple(boosters), sides, quantiles_around(centre, unit))


def joined(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows of both; no copy where they lie side by side in one table, as the gigabytes of a large sample do."""
    whole = first.base if first.base is second.base else None
    if whole is not None and whole.flags.c_contiguous and whole.shape[1:] == first.shape[1:] == second.shape[1:]:
        begin, after = ((one.ctypes.data - whole.ctypes.data) // whole.strides[0] for one in (first, second))
        part: NDArray[np.float32] = whole[begin : after + len(second)]
        if after == begin + len(first) and first.strides == second.strides == whole.strides:
            return part
    return np.concatenate([first, second])


def _start(job: SeriesJob, x: NDArray[np.float32], ramps: Floats) -> Start | None:
    thin = _thinned(len(x), job.config.max_rows)
    return Start.of(x[thin], ramps[thin]) if job.config.linear else None


def _line(start: Start | None, x: NDArray[np.float32], ramps: Floats) -> Floats:
    """The ramps that boosters start from, shape (row, knot)."""
    return np.zeros(ramps.shape) if start is None else start.ramps(x)


def _fit_sides(job: SeriesJob, errors: Floats) -> tuple[tuple[Fitted, ...], Floats]:
    """The boosters of the sides from out-of-sample residuals (row, knot), and the out-of-sample units of `SHAPE` (row,
    knot, side) of the same rows.
    """
    config = BoostingConfig.of(**(asdict(job.config) | SIDE_PARAMS))
    rows = with_knot(job.valid_x[:, job.shared], job.knots)
    error = errors.ravel()
    scale = float(np.nanmean(np.abs(error))) or 1.0
    # Thinning drops whole issue times, so that every knot keeps its share.
    learnt = np.zeros(len(job.valid_ramp), bool)
    most = job.config.max_rows
    learnt[_thinned(len(learnt), max(1, most // len(job.knots)) if most else None)] = True
    known = np.isfinite(error) & learnt.repeat(len(job.knots))
    # Alternate weeks: the sides of each half come from the other half, so calibration starts from out-of-sample widths.
    half = (np.arange(len(job.valid_ramp)) * 8 // max(1, len(job.valid_ramp)) % 2).repeat(len(job.knots))
    told = np.full((len(error), len(SIDES)), np.nan)
    sides: list[Fitted] = []
    rounds = max(1, min(config.n_estimators, int(known.sum()) // ROWS_A_ROUND))
    parts = [known & (half != 0), known & (half != 1), known]
    tables = [job.bins(config, rows[part], None) for part in parts]
    for n, level in enumerate(SIDES.values()):
        one, other, whole = (
            job.fit(config, table, error[part] / scale, None, rounds, level)
            for table, part in zip(tables, parts, strict=True)
        )
        for part, booster in enumerate((one, other)):
            told[half == part, n] = job.predict(booster.payload, rows[half == part])
        sides.append(replace(whole, payload=with_scale(whole.payload, scale)))
    return tuple(sides), units(told).reshape(*errors.shape, len(SIDES)) * scale


def units(sides: Floats) -> Floats:
    """The unit of `SHAPE` below and above (row, side) from the .1 and .9 quantiles of the residuals."""
    return np.asarray(np.maximum(sides * np.array([-1.0, 1.0]) / REACH, FLOOR))


def quantiles_around(centre: Floats, unit: Floats) -> NDArray[np.float64]:
    """Quantiles (row, knot, quantile) around a centre (row, knot), with the unit of each side (row, knot, side)."""
    return np.asarray(centre[..., None] + np.where(SHAPE < 0, unit[..., [0]], unit[..., [1]]) * SHAPE)


def _thinned(rows: int, max_rows: int | None) -> slice:
    return slice(None, None, -(-rows // max_rows) if max_rows else 1)


def with_knot(x: NDArray[np.float32], knots: tuple[int, ...]) -> NDArray[np.float32]:
    """Rows (row * knot, feature + 1): every row once for each knot, with the knot in the last column."""
    repeated = np.repeat(x, len(knots), axis=0)
    return np.column_stack([repeated, np.tile(np.array(knots, np.float32), len(x))])


def with_scale(payload: bytes, scale: float) -> bytes:
    return np.float64(scale).tobytes() + payload


def without_scale(payload: bytes) -> tuple[float, bytes]:
    return float(np.frombuffer(payload[:8], np.float64)[0]), payload[8:]
