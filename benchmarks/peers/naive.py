"""Forecasts without a library: what any other must beat. Bands are quantiles of their own errors in training,
less the median."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from peers.base import LEVELS, Grid, Job, Peer, local_time, rows


class Naive(Peer):
    """A median by index arithmetic; the band is that of its errors at the same local hour of the training time."""

    def fit(self, grid: Grid) -> None:
        issues = grid.times[self.job.week + 1 : -max(self.job.steps)]
        hour = hours(issues, self.job)
        self.widths = {}
        for series in self.job.series:
            y = grid.load(series)
            at = grid.rows(issues)
            told = np.stack([self.median(grid.filled(series), at, step) for step in self.job.steps], axis=1)
            actual = np.stack([y[at + step] for step in self.job.steps], axis=1)
            error = actual - told
            found = np.stack([np.nanquantile(error[hour == h], LEVELS, axis=0).T for h in range(24)])
            self.widths[series] = found - found[..., 1:2]  # the median stays what the method says

    def predict(self, grid: Grid, issues: NDArray[np.datetime64]) -> pl.DataFrame:
        hour = hours(issues, self.job)
        at = grid.rows(issues)
        values = {}
        for series in self.job.series:
            y = grid.filled(series)
            told = np.stack([self.median(y, at, step) for step in self.job.steps], axis=1)
            values[series] = told[..., None] + self.widths[series][hour]
        return rows(self.job, issues, values)

    def median(self, y: NDArray[np.float64], at: NDArray[np.int64], step: int) -> NDArray[np.float64]:
        """Forecast `step` rows after each row of `at`."""
        raise NotImplementedError


class Persistence(Naive):
    title = "persistence"
    inputs = "a"

    def median(self, y: NDArray[np.float64], at: NDArray[np.int64], step: int) -> NDArray[np.float64]:  # noqa: ARG002
        return y[at]


class LastWeek(Naive):
    title = "last week's slot"
    inputs = "a"

    def median(self, y: NDArray[np.float64], at: NDArray[np.int64], step: int) -> NDArray[np.float64]:
        return y[at + step - self.job.week]


class LastWeeksRamp(Naive):
    title = "persistence + last week's ramp"
    inputs = "a"

    def median(self, y: NDArray[np.float64], at: NDArray[np.int64], step: int) -> NDArray[np.float64]:
        return y[at] + y[at + step - self.job.week] - y[at - self.job.week]


def hours(times: NDArray[np.datetime64], job: Job) -> NDArray[np.int64]:
    """Local hour of each time."""
    return local_time(times, job.timezone).dt.hour().to_numpy().astype(np.int64)


__all__: Sequence[str] = ["LastWeek", "LastWeeksRamp", "Persistence"]
