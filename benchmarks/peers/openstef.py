"""OpenSTEF 4: its preset of XGBoost with pinball loss as it stands, a model a horizon, with recent lags added.

After its pages "Forecasting workflow presets" and "Feature engineering", and its class `LagsAdder`: a model of one
lead time reads lags of at least that lead time, so one call forecasts a whole period as of that long before each row.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from openstef_core.datasets import TimeSeriesDataset
from openstef_core.types import LeadTime, Q
from openstef_models.presets import ForecastingWorkflowConfig, create_forecasting_workflow
from openstef_models.presets.forecasting_workflow import LocationConfig
from openstef_models.transforms.time_domain.lags_adder import LagsAdder
from openstef_models.workflows.custom_forecasting_workflow import CustomForecastingWorkflow
from pydantic_extra_types.coordinate import Coordinate

from peers.base import LEVELS, Grid, Peer, rows

HISTORY = timedelta(days=14)
WEATHER = {"temperature_c": "temperature", "wind_speed_ms": "windspeed"}
"""Our inputs by the names from which OpenSTEF derives features."""


class OpenSTEF(Peer):
    title = "OpenSTEF"
    libraries = ("openstef", "openstef-models")

    def fit(self, grid: Grid) -> None:
        self.workflows = {}
        for series in self.job.series:
            data = self.data(grid, series, grid.times[0])
            for horizon in self.job.horizons_min:
                self.workflows[series, horizon] = self.workflow(series, horizon)
                self.workflows[series, horizon].fit(data)

    def predict(self, grid: Grid, issues: NDArray[np.datetime64]) -> pl.DataFrame:
        values = {}
        since = issues[0] - np.timedelta64(1, "D") - np.timedelta64(HISTORY)
        for series in self.job.series:
            data = self.data(grid, series, since)
            told = []
            for horizon in self.job.horizons_min:
                start = issues[0].astype("datetime64[us]").item().replace(tzinfo=UTC)
                found = self.workflows[series, horizon].predict(data, forecast_start=start).data
                targets = pd.DatetimeIndex(issues + np.timedelta64(horizon, "m")).tz_localize("UTC")
                told.append(found.reindex(targets)[[Q(level).format() for level in LEVELS]].to_numpy(np.float64))
            values[series] = np.stack(told, axis=1)
        return rows(self.job, issues, values)

    def workflow(self, series: str, horizon: int) -> CustomForecastingWorkflow:
        """The preset for one lead time; its own lags begin at 15 minutes and go on hourly."""
        lead = LeadTime(timedelta(minutes=horizon))
        step = self.job.interval_min
        latitude, longitude = self.job.place
        coordinate = Coordinate(latitude=latitude, longitude=longitude)
        made = create_forecasting_workflow(
            ForecastingWorkflowConfig(
                model_id=f"{series}-{horizon}".replace(".", ""),
                model="xgboost",
                quantiles=[Q(level) for level in LEVELS],
                horizons=[lead],
                sample_interval=timedelta(minutes=step),
                predict_history=HISTORY,
                cutoff_history=HISTORY,
                location=LocationConfig(name=series, coordinate=coordinate, country_code=self.job.country),
                mlflow_storage=None,
            )
        )
        back = {*range(0, 31, step), *(minutes for minutes in (45, 60, 90, 120, 180) if minutes % step == 0)}
        recent = [timedelta(minutes=horizon + minutes) for minutes in sorted(back)]
        around = [timedelta(days=day, minutes=shift) for day in (1, 2, 7, 14) for shift in (horizon, horizon + 30)]
        ahead = [timedelta(days=day) - timedelta(minutes=max(15, step)) for day in (1, 7)]
        lags = LagsAdder(
            history_available=HISTORY + timedelta(days=1),
            horizons=[lead],
            custom_lags=[*recent, *around, *ahead],
            add_trivial_lags=False,
        )
        # After the checks and before whatever reads lags.
        transforms = made.model.preprocessing.transforms
        place = next(i for i, transform in enumerate(transforms) if isinstance(transform, LagsAdder))
        transforms.insert(place + 1, lags)
        made.model.forecaster.n_jobs = self.job.threads
        return made

    def data(self, grid: Grid, series: str, since: np.datetime64) -> TimeSeriesDataset:
        """The data set that the library reads, from `since` on."""
        columns = {"load": grid.filled(series)}
        if self.job.inputs == "b":
            columns |= {WEATHER.get(name, name): values for name, values in grid.inputs(series).items()}
        index = pd.DatetimeIndex(grid.times, name="timestamp").tz_localize("UTC")
        frame = pd.DataFrame(columns, index=index)
        begin = datetime.fromisoformat(str(since.astype("datetime64[m]"))).replace(tzinfo=UTC)
        return TimeSeriesDataset(frame[frame.index >= begin], sample_interval=timedelta(minutes=self.job.interval_min))
