"""neuralforecast: NHITS with a loss over several quantiles.

After its pages "NHITS", "Probabilistic forecasting", "Exogenous variables" and "Temporal normalisation": all steps at
once, the calendar and the same slots of yesterday and last week as future exogenous series. Columns are standardised
over the whole training time, as its `local_scaler_type="standard"` does. Scaling every window by itself, which the
library also has, takes the time of day out of the calendar's columns, and was worse on the validation half-year.
"""

import numpy as np
import pandas as pd
import polars as pl
import torch
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MQLoss
from neuralforecast.models import NHITS
from numpy.typing import NDArray

from peers.base import LEVELS, Grid, Peer, calendar, rows

WINDOW_MIN = 360
MAX_STEPS = 1500
WINDOWS_AT_ONCE = 500
WAVES = ("day_sin", "day_cos", "week_sin", "week_cos", "holiday")
QUIET = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}


class NHITSPeer(Peer):
    title = "neuralforecast NHITS"
    libraries = ("neuralforecast", "torch")

    def fit(self, grid: Grid) -> None:
        torch.set_num_threads(self.job.threads)
        self.models: dict[str, NeuralForecast] = {}
        self.scales: dict[str, pd.DataFrame] = {}
        window = self.job.span(WINDOW_MIN)
        for series in self.job.series:
            self.scales[series] = scales(self.raw(grid, series))
            frame = self.frame(grid, series).iloc[self.job.week :]
            outer = [name for name in frame.columns if name not in ("unique_id", "ds", "y")]
            model = NHITS(
                h=max(self.job.steps),
                input_size=window,
                futr_exog_list=outer,
                loss=MQLoss(quantiles=list(LEVELS)),
                scaler_type="identity",
                max_steps=MAX_STEPS,
                num_lr_decays=3,
                learning_rate=1e-3,
                windows_batch_size=512,
                mlp_units=[[256, 256]] * 3,
                n_pool_kernel_size=[2, 2, 1],
                n_freq_downsample=[4, 2, 1],
                random_seed=1,
                accelerator="cpu",
                **QUIET,
            )
            self.models[series] = NeuralForecast(models=[model], freq=f"{self.job.interval_min}min")
            self.models[series].fit(frame)

    def predict(self, grid: Grid, issues: NDArray[np.datetime64]) -> pl.DataFrame:
        return rows(self.job, issues, {series: self.one(grid, series, issues) for series in self.job.series})

    def one(self, grid: Grid, series: str, issues: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Values of a series, shape (issue, horizon, level): every issue time's window is a series by itself."""
        frame, steps = self.frame(grid, series), max(self.job.steps)
        window = self.job.span(WINDOW_MIN)
        picked = np.array(self.job.steps) - 1
        parts = []
        for first in range(0, len(issues), WINDOWS_AT_ONCE):
            at = grid.rows(issues[first : first + WINDOWS_AT_ONCE])
            past = (at[:, None] + np.arange(1 - window, 1)).ravel()
            future = (at[:, None] + np.arange(1, steps + 1)).ravel()
            windows, ahead = frame.iloc[past].copy(), frame.iloc[future].drop(columns="y")
            windows["unique_id"] = np.repeat(np.arange(len(at)), window)
            ahead["unique_id"] = np.repeat(np.arange(len(at)), steps)
            told = self.models[series].predict(df=windows, futr_df=ahead).sort_values(["unique_id", "ds"])
            columns = [name for name in told.columns if name.startswith("NHITS")]
            parts.append(told[columns].to_numpy().reshape(len(at), steps, len(LEVELS))[:, picked])
        mean, spread = self.scales[series]["y"]
        return np.concatenate(parts) * spread + mean

    def frame(self, grid: Grid, series: str) -> pd.DataFrame:
        """The long form that the library reads, every column standardised as in training."""
        mean, spread = self.scales[series].to_numpy()
        scaled = (self.raw(grid, series) - mean) / spread
        return pd.concat([pd.DataFrame({"unique_id": 0, "ds": grid.times.astype("datetime64[ns]")}), scaled], axis=1)

    def raw(self, grid: Grid, series: str) -> pd.DataFrame:
        """The load and what is known ahead, in their own units."""
        y = grid.filled(series)
        waves = calendar(grid.times, self.job)
        outer = {name: waves[name] for name in WAVES}
        outer |= {"yesterday": _later(y, self.job.day), "last_week": _later(y, self.job.week)}
        if self.job.inputs == "b":
            outer |= grid.inputs(series)
        return pd.DataFrame({"y": y} | outer)


def scales(raw: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread of every column. The library keeps them by series, and here each issue time is one of its own."""
    y = raw["y"]
    found = pd.DataFrame([raw.mean(), raw.std().replace(0, 1)])
    found["yesterday"] = found["last_week"] = [y.mean(), y.std()]
    return found


def _later(values: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    return np.concatenate([np.full(steps, values[0]), values[:-steps]])
