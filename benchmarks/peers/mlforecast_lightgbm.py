"""mlforecast: recursive LightGBM on differences, with conformal intervals.

After its pages "Electricity load forecast", "Target transformations", "Lag transformations" and "Probabilistic
forecasting": differences as the target, lags and means of lags, date features, one model a series; the model is not
refit, `update` brings the observations up to the issue time.
"""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from lightgbm import LGBMRegressor
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean, SeasonalRollingMean
from mlforecast.target_transforms import Differences
from mlforecast.utils import PredictionIntervals
from numpy.typing import NDArray

from peers.base import Grid, Peer, calendar, lags, rows

CONFORMAL_WINDOWS = 500
PAST_DAYS = 30
"""Days of rows that the model keeps: more than its furthest lag."""


class MLForecastPeer(Peer):
    title = "mlforecast"
    libraries = ("mlforecast", "lightgbm")

    def fit(self, grid: Grid) -> None:
        self.models = {}
        day, week = self.job.day, self.job.week
        hour = max(2, self.job.span(60))
        for series in self.job.series:
            model = MLForecast(
                models={"lgbm": booster(self.job.threads)},
                freq=f"{self.job.interval_min}min",
                lags=lags(self.job),
                lag_transforms={
                    1: [
                        RollingMean(hour),
                        RollingMean(3 * hour),
                        SeasonalRollingMean(day, 7),
                        SeasonalRollingMean(week, 4),
                    ],
                },
                target_transforms=[Differences([1])],
                num_threads=self.job.threads,
            )
            frame = self.frame(grid, series)
            self.models[series] = model.fit(
                frame,
                static_features=[],
                keep_last_n=PAST_DAYS * day,
                prediction_intervals=PredictionIntervals(n_windows=CONFORMAL_WINDOWS, h=max(self.job.steps)),
            )

    def predict(self, grid: Grid, issues: NDArray[np.datetime64]) -> pl.DataFrame:
        return rows(self.job, issues, {series: self.one(grid, series, issues) for series in self.job.series})

    def one(self, grid: Grid, series: str, issues: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Values of a series, shape (issue, horizon, level)."""
        model, frame, steps = self.models[series], self.frame(grid, series), max(self.job.steps)
        picked = np.array(self.job.steps) - 1
        values = np.empty((len(issues), len(picked), 3))
        seen = grid.row(self.job.train_end)
        outer = frame.drop(columns="y")
        for i, at in enumerate(grid.rows(issues)):
            if at >= seen:
                model.update(frame.iloc[seen : at + 1, :3])
                seen = at + 1
            told = model.predict(steps, level=[80], X_df=outer.iloc[at + 1 : at + 1 + steps])
            values[i] = told[["lgbm-lo-80", "lgbm", "lgbm-hi-80"]].to_numpy()[picked]
        return values

    def frame(self, grid: Grid, series: str) -> pd.DataFrame:
        """The long form that the library reads, with what is known ahead as columns."""
        outer = calendar(grid.times, self.job)
        if self.job.inputs == "b":
            outer |= grid.inputs(series)
        long: dict[str, Any] = {
            "unique_id": series,
            "ds": grid.times.astype("datetime64[ns]"),
            "y": grid.filled(series),
        }
        return pd.DataFrame(long | outer)


def booster(threads: int, **changes: Any) -> LGBMRegressor:
    """LightGBM as its page of parameter tuning has it for more accuracy: many rounds at a small rate."""
    given = {
        "n_estimators": 300,
        "learning_rate": 0.1,
        "num_leaves": 31,
        "min_child_samples": 50,
        "subsample": 0.8,
        "subsample_freq": 1,
        "colsample_bytree": 0.6,
        "n_jobs": threads,
        "verbose": -1,
        "random_state": 0,
    }
    return LGBMRegressor(**(given | changes))
