"""Metrics of nowcasts, for the whole package: arrays in MW go in, plain figures and tables come out.

A pair is one truth and one nowcast of it. Without a truth there is no pair. A pair is `missing` if its nowcast is not
finite in every quantile; such a pair counts in no other metric. A metric without any pair, or one that would divide by
zero, is NaN from the functions and null in the tables. An error is nowcast minus truth: positive is too high.

MAPE is in percent and taken over truths other than 0. The CRPS is estimated from the quantiles, see `crps_weights`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from power_nowcast.contracts import QUANTILES, Floats
from power_nowcast.errors import ConfigurationError, SourceFormatError

BANDS: dict[int, tuple[float, float]] = {50: (0.25, 0.75), 80: (0.1, 0.9), 90: (0.05, 0.95)}
"""Central bands by their nominal coverage in percent, each with the two levels that bound it."""

KEYS = ("series", "issue_time", "horizon_min")
PROTOCOL_QUANTILES = (0.1, 0.5, 0.9)


def label(level: float) -> str:
    """A level as column names write it.

    >>> label(0.05)
    '05'
    """
    return f"{round(100 * level):02d}"


def mae(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute error, in the values' unit."""
    y, p = _pairs(actual, predicted)
    return _mean(np.abs(p - y))


def rmse(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Root of the mean squared error, in the values' unit."""
    y, p = _pairs(actual, predicted)
    return float(np.sqrt(_mean((p - y) ** 2)))


def mape(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute error in percent of the truth, over truths other than 0."""
    y, p = _pairs(actual, predicted)
    some = y != 0
    return 100 * _mean(np.abs(p[some] - y[some]) / np.abs(y[some]))


def bias(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Mean of nowcast minus truth: positive where the nowcast is too high."""
    y, p = _pairs(actual, predicted)
    return _mean(p - y)


def pinball(actual: ArrayLike, values: ArrayLike, levels: Sequence[float] = QUANTILES) -> NDArray[np.float64]:
    """Mean pinball loss of each level; `values` has one axis more than `actual`, the last one, of the levels."""
    y, q = _quantile_pairs(actual, values, levels)
    return np.array([_mean(column) for column in pinball_losses(y, q, levels).T])


def pinball_losses(actual: Floats, values: Floats, levels: Sequence[float]) -> NDArray[np.float64]:
    """Pinball loss of every pair and level, in the shape of `values`; NaN where either is."""
    excess = actual[..., None] - values
    taus = np.asarray(levels)
    losses: NDArray[np.float64] = np.maximum(taus * excess, (taus - 1) * excess)
    return losses


def crps(actual: ArrayLike, values: ArrayLike, levels: Sequence[float] = QUANTILES) -> float:
    """Continuous ranked probability score, estimated from the quantiles (see `crps_weights`), in the values' unit."""
    return 2 * float(pinball(actual, values, levels) @ crps_weights(levels))


def crps_weights(levels: Sequence[float]) -> NDArray[np.float64]:
    """Share of (0, 1) that each level stands for: the part that is nearer to it than to another level.

    The CRPS is twice the integral of the pinball loss over all levels; this is its midpoint rule on uneven levels. With
    levels symmetric about .5 a forecast without any spread then scores its absolute error, as the exact CRPS does.

    >>> crps_weights((0.1, 0.5, 0.9)).round(2).tolist()
    [0.3, 0.4, 0.3]
    """
    taus = np.asarray(levels, np.float64)
    return np.diff(np.concatenate([[0.0], (taus[:-1] + taus[1:]) / 2, [1.0]]))


@dataclass(frozen=True)
class Coverage:
    """Shares of truths inside a band, below and above it, and its mean width in the values' unit."""

    inside: float
    below: float
    above: float
    width: float


def coverage(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> Coverage:
    """Coverage of a band by the truths; a truth on the edge is inside."""
    y, bounds = _quantile_pairs(actual, np.stack(np.broadcast_arrays(lower, upper), axis=-1), (0.0, 1.0))
    low, high = bounds[:, 0], bounds[:, 1]
    return Coverage(_mean((y >= low) & (y <= high)), _mean(y < low), _mean(y > high), _mean(high - low))


def crossing(values: ArrayLike) -> float:
    """Share of nowcasts with a quantile crossing: a quantile above a higher one. The last axis is the levels."""
    q = np.asarray(values, np.float64)
    q = q[np.isfinite(q).all(axis=-1)]
    return _mean((np.diff(q, axis=-1) < 0).any(axis=-1))


def skill(loss: float, baseline: float) -> float:
    """Skill: the share of the baseline's loss that is saved. 1 is perfect, 0 is no better, negative is worse."""
    return 1 - loss / baseline if np.isfinite(baseline) and baseline > 0 else float("nan")


def losses(
    keys: pl.DataFrame,
    actual: ArrayLike,
    values: ArrayLike,
    levels: Sequence[float] = QUANTILES,
    baselines: Mapping[str, Floats] | None = None,
) -> pl.DataFrame:
    """Losses of each pair, for `summarise`: one row for each pair with a truth, in the order of `keys`.

    Args:
        keys: one row a pair; its columns are kept.
        actual: truth in MW, shape (pair,) once flattened.
        values: quantiles in MW, shape (pair, level) once flattened.
        levels: must hold .5; bands whose levels are missing are left out.
        baselines: quantiles of other nowcasts of the same pairs and levels.
    """
    y = np.asarray(actual, np.float64).ravel()
    q = np.asarray(values, np.float64).reshape(-1, len(levels))
    has_truth = np.isfinite(y)
    y, q = y[has_truth], q[has_truth]
    answered = np.isfinite(q).all(axis=1)
    middle = _index(levels, 0.5)
    error = q[:, middle] - y
    columns: dict[str, NDArray[np.float64]] = {
        "error": error,
        "absolute": np.abs(error),
        "square": error**2,
        "relative": np.divide(100 * np.abs(error), np.abs(y), out=np.full(len(y), np.nan), where=y != 0),
    }
    own = pinball_losses(y, q, levels)
    columns |= {f"pinball_{label(level)}": own[:, i] for i, level in enumerate(levels)}
    columns["crps"] = 2 * own @ crps_weights(levels)
    columns["crossing"] = (np.diff(q, axis=1) < 0).any(axis=1).astype(np.float64)
    for percent, (low, high) in BANDS.items():
        if low in levels and high in levels:
            lower, upper = q[:, _index(levels, low)], q[:, _index(levels, high)]
            columns |= {
                f"coverage_{percent}": ((y >= lower) & (y <= upper)).astype(np.float64),
                f"below_{percent}": (y < lower).astype(np.float64),
                f"above_{percent}": (y > upper).astype(np.float64),
                f"width_{percent}": upper - lower,
            }
    for column in columns.values():
        column[~answered] = np.nan
    for name, other in (baselines or {}).items():
        b = np.asarray(other, np.float64).reshape(-1, len(levels))[has_truth]
        # A skill is fair only over pairs that both nowcasts answer.
        both = answered & np.isfinite(b).all(axis=1)
        theirs = pinball_losses(y, b, levels).mean(axis=1)
        columns |= {
            f"absolute:{name}": np.where(both, columns["absolute"], np.nan),
            f"pinball:{name}": np.where(both, own.mean(axis=1), np.nan),
            f"absolute of {name}": np.where(both, np.abs(b[:, middle] - y), np.nan),
            f"pinball of {name}": np.where(both, theirs, np.nan),
        }
    return pl.concat(
        [keys.filter(pl.Series(has_truth)), pl.DataFrame(columns).fill_nan(None), pl.DataFrame({"answered": answered})],
        how="horizontal",
    )


def summarise(pairs: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Metrics of each group of `losses`, in order of first appearance.

    Columns: `n` pairs scored and `missing`, `MAE`, `RMSE`, `MAPE` (%), `bias`, `pinball` (mean of the levels), `CRPS`,
    `pinball_<level>`, and of each band `coverage_`, `below_`, `above_` (shares) and `width_`, `crossing`, and for each
    baseline `MAE_<name>`, `skill_<name>` (in MAE) and `pinball_skill_<name>`. MW where no other unit is named.
    """
    taus = [name for name in pairs.columns if name.startswith("pinball_")]
    bands = [name for name in pairs.columns if name.startswith(("coverage_", "below_", "above_", "width_"))]
    names = [name.removeprefix("absolute of ") for name in pairs.columns if name.startswith("absolute of ")]
    measures = [
        pl.col("answered").sum().cast(pl.Int64).alias("n"),
        (~pl.col("answered")).sum().cast(pl.Int64).alias("missing"),
        pl.col("absolute").mean().alias("MAE"),
        pl.col("square").mean().sqrt().alias("RMSE"),
        pl.col("relative").mean().alias("MAPE"),
        pl.col("error").mean().alias("bias"),
        pl.mean_horizontal(pl.col(taus).mean()).alias("pinball"),
        pl.col("crps").mean().alias("CRPS"),
        *(pl.col(name).mean() for name in taus),
        *(pl.col(name).mean() for name in bands),
        pl.col("crossing").mean(),
    ]
    for name in names:
        measures += [
            pl.col(f"absolute of {name}").mean().alias(f"MAE_{name}"),
            _skill(f"absolute:{name}", f"absolute of {name}").alias(f"skill_{name}"),
            _skill(f"pinball:{name}", f"pinball of {name}").alias(f"pinball_skill_{name}"),
        ]
    return pairs.group_by(by, maintain_order=True).agg(measures)


def protocol_table(predictions: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """The table of the public protocols (nyiso-2019h2, victoria-2014, elia-solar-2023): a row a series and horizon.

    Args:
        predictions: `contracts.PREDICTIONS`, of which q10, q50 and q90 are read.
        expected: series, issue_time, horizon_min, y and y_issue in MW; `capacity` adds `nMAE` in percent of it.

    Raises:
        SourceFormatError: predictions hold a (series, issue_time, horizon_min) twice.
    """
    joined = _join(predictions, expected, "left")
    values = _quantiles_of(joined)
    persistence = np.repeat(joined["y_issue"].to_numpy()[:, None], len(PROTOCOL_QUANTILES), axis=1)
    pairs = losses(joined, joined["y"].to_numpy(), values, PROTOCOL_QUANTILES, {"persistence": persistence})
    by = ["series", "horizon_min"]
    renamed = {"skill_persistence": "skill", **{f"{name}_80": name for name in ("coverage", "below", "above", "width")}}
    order = [*by, "n", "missing", "MAE", "RMSE", "MAPE", "bias", *(["nMAE"] if "capacity" in expected.columns else [])]
    order += ["skill", "pinball", "coverage", "below", "above", "width", "crossing"]
    table = summarise(pairs, by).rename(renamed)
    if "capacity" in expected.columns:
        normalised = (100 * pl.col("absolute") / pl.col("capacity")).mean().alias("nMAE")
        table = table.join(pairs.group_by(by).agg(normalised), on=by, how="left", maintain_order="left")
    return table.select(order)


def coverage_cells(predictions: pl.DataFrame, expected: pl.DataFrame, timezone: str) -> dict[str, pl.DataFrame]:
    """Coverage of the 10-90 band by local `month` and by 4-hour `block` of the target: a row a series and horizon.

    Months with fewer than 1000 pairs are the edges of the period and left out.
    """
    joined = _join(predictions, expected, "inner")
    q, y = _quantiles_of(joined), joined["y"].to_numpy()
    target = pl.col("issue_time") + pl.duration(minutes=pl.col("horizon_min"))
    local = target.dt.convert_time_zone(timezone)
    cells = joined.select(
        "series",
        "horizon_min",
        inside=pl.Series((y >= q[:, 0]) & (y <= q[:, 2])),
        month=local.dt.strftime("%Y-%m"),
        block=(local.dt.hour() // 4 * 4).cast(pl.String),
    )
    whole_months = cells.filter(pl.len().over("month") >= 1000)
    return {
        name: rows.sort(pl.col(name).cast(pl.Int64, strict=False), name)
        .pivot(name, index=["series", "horizon_min"], values="inside", aggregate_function="mean")
        .sort("series", "horizon_min")
        for name, rows in (("month", whole_months), ("block", cells))
    }


def _join(predictions: pl.DataFrame, expected: pl.DataFrame, how: str) -> pl.DataFrame:
    unit = expected.schema["issue_time"]
    mine = predictions.select(
        "series", pl.col("issue_time").cast(unit), pl.col("horizon_min").cast(pl.Int64), "q10", "q50", "q90"
    )
    if mine.select(pl.struct(KEYS).is_duplicated().any()).item():
        raise SourceFormatError(
            "The predictions hold a (series, issue_time, horizon_min) twice.", remedy="Write each of them once."
        )
    rows = expected.with_columns(pl.col("horizon_min").cast(pl.Int64))
    if how == "left":
        return rows.join(mine, on=KEYS, how="left", maintain_order="left")
    return rows.join(mine, on=KEYS, how="inner", maintain_order="left")


def _quantiles_of(joined: pl.DataFrame) -> NDArray[np.float64]:
    return joined.select(pl.col("q10", "q50", "q90").cast(pl.Float64).fill_null(np.nan)).to_numpy()


def _skill(mine: str, theirs: str) -> pl.Expr:
    total = pl.col(theirs).sum()
    return pl.when(total > 0).then(1 - pl.col(mine).sum() / total)


def _index(levels: Sequence[float], level: float) -> int:
    if level not in levels:
        raise ConfigurationError(
            f"The level {level} is not among {tuple(levels)}.",
            remedy="Score nowcasts that hold the median.",
            level=level,
        )
    return list(levels).index(level)


def _pairs(actual: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, p = np.broadcast_arrays(np.asarray(actual, np.float64), np.asarray(predicted, np.float64))
    both = np.isfinite(y) & np.isfinite(p)
    return y[both], p[both]


def _quantile_pairs(
    actual: ArrayLike, values: ArrayLike, levels: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y = np.asarray(actual, np.float64).ravel()
    q = np.asarray(values, np.float64).reshape(-1, len(levels))
    both = np.isfinite(y) & np.isfinite(q).all(axis=1)
    return y[both], q[both]


def _mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> float:
    return float(values.mean()) if values.size else float("nan")
