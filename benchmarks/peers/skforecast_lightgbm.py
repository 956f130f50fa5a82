"""skforecast: recursive LightGBM on differences, with bootstrapped residuals.

After its guides "Recursive multi-step forecasting", "Time series differentiation", "Window and custom features" and
"Probabilistic forecasting: bootstrapped residuals"; the model is not refit, `last_window` brings it to the issue time.
"""

import numpy as np
import pandas as pd
import polars as pl
from lightgbm import LGBMRegressor
from numpy.typing import NDArray
from skforecast.preprocessing import RollingFeatures
from skforecast.recursive import ForecasterRecursive

from peers.base import LEVELS, Grid, Peer, calendar, lags, rows

BOOTS = 100


class Skforecast(Peer):
    title = "skforecast"
    libraries = ("skforecast", "lightgbm")

    def fit(self, grid: Grid) -> None:
        self.models = {}
        hour = max(2, self.job.span(60))
        for series in self.job.series:
            model = ForecasterRecursive(
                estimator=LGBMRegressor(
                    n_estimators=300,
                    learning_rate=0.1,
                    num_leaves=31,
                    min_child_samples=50,
                    subsample=0.8,
                    subsample_freq=1,
                    colsample_bytree=0.6,
                    n_jobs=self.job.threads,
                    verbose=-1,
                    random_state=0,
                ),
                lags=lags(self.job),
                window_features=RollingFeatures(stats=["mean", "mean"], window_sizes=[hour, self.job.day]),
                differentiation=1,
            )
            y, outer = self.frame(grid, series)
            model.fit(y=y, exog=outer, store_in_sample_residuals=True, suppress_warnings=True)
            self.models[series] = model

    def predict(self, grid: Grid, issues: NDArray[np.datetime64]) -> pl.DataFrame:
        return rows(self.job, issues, {series: self.one(grid, series, issues) for series in self.job.series})

    def one(self, grid: Grid, series: str, issues: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Values of a series, shape (issue, horizon, level)."""
        model, steps = self.models[series], max(self.job.steps)
        y, outer = self.frame(grid, series)
        picked = np.array(self.job.steps) - 1
        values = np.empty((len(issues), len(picked), len(LEVELS)))
        for i, at in enumerate(grid.rows(issues)):
            told = model.predict_interval(
                steps=steps,
                last_window=y.iloc[at + 1 - model.window_size : at + 1],
                exog=outer.iloc[at + 1 : at + 1 + steps],
                method="bootstrapping",
                interval=[LEVELS[0], LEVELS[-1]],
                n_boot=BOOTS,
                suppress_warnings=True,
            )
            values[i] = told[["lower_bound", "pred", "upper_bound"]].to_numpy()[picked]
        return values

    def frame(self, grid: Grid, series: str) -> tuple[pd.Series, pd.DataFrame]:
        """The series, and what is known ahead of it."""
        index = pd.DatetimeIndex(grid.times.astype("datetime64[ns]"), freq=f"{self.job.interval_min}min")
        outer = calendar(grid.times, self.job)
        if self.job.inputs == "b":
            outer |= grid.inputs(series)
        return pd.Series(grid.filled(series), index=index, name="y"), pd.DataFrame(outer, index=index)
