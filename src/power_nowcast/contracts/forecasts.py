"""Quantiles, blocks of features and nowcasts: the input and the output of models."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.contracts.panel import Floats
from power_nowcast.contracts.times import UTC, Times

QUANTILES: tuple[float, ...] = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Levels of every nowcast: the median and the bands of 50, 80 and 90 %."""

MEDIAN = QUANTILES.index(0.5)


@dataclass(frozen=True)
class FeatureBlock:
    """Features of many issue times and series, with the origin and the scale of their predictions.

    Shapes: `x` (issue, series, feature) float32; `origin_mw`, `age_minutes` and `scale_mw` (issue, series).
    `origin_mw` is the last known value and `age_minutes` its age at the issue time; both are NaN for a series without
    a recent value. Features describe the time of the origin, not the issue time.
    `scale_mw` is the unit of features and ramps: 1 MW for load, the recent peak for wind and solar power.
    `horizons` holds for each feature its knot in minutes, 0 if the feature serves every horizon.
    """

    issue_times: Times
    series: tuple[str, ...]
    names: tuple[str, ...]
    horizons: tuple[int, ...]
    x: NDArray[np.float32]
    origin_mw: Floats
    age_minutes: Floats
    scale_mw: Floats

    def take(self, issues: NDArray[np.int64] | NDArray[np.bool_]) -> "FeatureBlock":
        """The block of some issue times, by index or mask."""
        return FeatureBlock(
            self.issue_times[issues],
            self.series,
            self.names,
            self.horizons,
            self.x[issues],
            self.origin_mw[issues],
            self.age_minutes[issues],
            self.scale_mw[issues],
        )

    def only(self, series: Sequence[str]) -> "FeatureBlock":
        """The block of some series, in this order."""
        places = [self.series.index(name) for name in series]
        return FeatureBlock(
            self.issue_times,
            tuple(series),
            self.names,
            self.horizons,
            self.x[:, places],
            self.origin_mw[:, places],
            self.age_minutes[:, places],
            self.scale_mw[:, places],
        )


@dataclass(frozen=True)
class Nowcasts:
    """Quantiles in MW of many issue times: `values` has shape (issue, series, step, quantile), never crossing.

    `steps_minutes` counts from the issue time. Values are NaN where the data did not allow an answer.
    """

    region: str
    issue_times: Times
    series: tuple[str, ...]
    steps_minutes: tuple[int, ...]
    values: Floats
    quantiles: tuple[float, ...] = QUANTILES


PREDICTIONS = pl.Schema(
    {
        "series": pl.String(),
        "issue_time": UTC,
        "horizon_min": pl.Int64(),
        **{f"q{round(100 * level):02d}": pl.Float64() for level in QUANTILES},
    }
)
"""Nowcasts as a table. Backtests export it as Parquet, and the accuracy protocols score it."""


def to_table(nowcasts: Nowcasts) -> pl.DataFrame:
    """Nowcasts as rows of `PREDICTIONS`; rows without an answer are left out."""
    n, s, h, q = nowcasts.values.shape
    flat = nowcasts.values.reshape(-1, q)
    frame = pl.DataFrame(
        {
            "series": np.tile(np.repeat(np.array(nowcasts.series), h), n),
            "issue_time": np.repeat(nowcasts.issue_times.astype("datetime64[us]"), s * h),
            "horizon_min": np.tile(np.array(nowcasts.steps_minutes, np.int64), n * s),
            **{f"q{round(100 * level):02d}": flat[:, i] for i, level in enumerate(nowcasts.quantiles)},
        }
    )
    answered = np.isfinite(flat).all(axis=1)
    return frame.with_columns(pl.col("issue_time").dt.replace_time_zone("UTC")).filter(pl.Series(answered))


def from_table(
    frame: pl.DataFrame,
    region: str,
    *,
    issue_times: Times | None = None,
    series: tuple[str, ...] | None = None,
    steps_minutes: tuple[int, ...] | None = None,
) -> Nowcasts:
    """Nowcasts from rows as `to_table` makes them; cells without a row are NaN.

    Without a given grid, the grid of the rows is used. The columns (`q05` and so on) name the levels. Without given
    series, the series have the order in which they first appear.
    """
    issues = np.unique(_minutes(frame["issue_time"])) if issue_times is None else issue_times
    names = tuple(frame["series"].unique(maintain_order=True)) if series is None else series
    steps = tuple(sorted(frame["horizon_min"].unique())) if steps_minutes is None else steps_minutes
    columns = sorted(name for name in frame.columns if name[0] == "q" and name[1:].isdigit())
    rows = frame.filter(pl.col("series").is_in(names) & pl.col("horizon_min").is_in(steps))
    when = _minutes(rows["issue_time"])
    place = np.searchsorted(issues, when)
    on_grid = (place < len(issues)) & (issues[np.minimum(place, len(issues) - 1)] == when)
    values = np.full((len(issues), len(names), len(steps), len(columns)), np.nan)
    number = {name: i for i, name in enumerate(names)}
    column = rows["series"].replace_strict(number, return_dtype=pl.Int64).to_numpy()[on_grid]
    step = np.searchsorted(np.array(steps), rows["horizon_min"].to_numpy())[on_grid]
    values[place[on_grid], column, step] = rows.select(pl.col(columns).cast(pl.Float64)).to_numpy()[on_grid]
    return Nowcasts(region, issues, names, steps, values, tuple(int(name[1:]) / 100 for name in columns))


def _minutes(times: pl.Series) -> Times:
    """Times of a table in the type of arrays."""
    return times.dt.replace_time_zone(None).dt.cast_time_unit("us").to_numpy().astype("datetime64[m]")
