"""power-nowcast itself: `period.backtest`, in the venv of the project.

Class A: LightGBM; every series is a region of its own without a forecast, weather and zones. Class B: the ensemble of a
global network, local ones and LightGBM, with all that the region has and the options of `nyiso_2019h2.py`, which gives
the zone NORTH its own. Online calibration, no refit.
"""

import time
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from nyiso_2019h2 import PROTOCOL

from peers.base import LOAD, Grid, Peer
from power_nowcast.collect.load import write_all
from power_nowcast.contracts import to_table
from power_nowcast.jobs.period import Period, backtest
from power_nowcast.regions import Region, SourceSpec, load
from power_nowcast.regions.region import Zone
from power_nowcast.store import Store
from power_nowcast.workers import processes

ISSUE_EVERY_MIN = 15
"""Online calibration learns from these issue times, also where fewer are scored."""


class PowerNowcast(Peer):
    """Training and replay are one call of `period.backtest`, so `fit` does nothing and `seconds` tells the parts."""

    title = "power-nowcast"
    libraries = ("power-nowcast",)

    def fit(self, grid: Grid) -> None:  # noqa: ARG002 - see above
        self.seconds = {"train_s": 0.0, "predict_s": 0.0}

    def predict(self, grid: Grid, issues: NDArray[np.datetime64]) -> pl.DataFrame:
        end = np.datetime64(self.job.train_end, "m")
        every = min(ISSUE_EVERY_MIN, self.job.every_min)
        period = Period(end, issues[0], issues[-1], every, self.job.train_every_min, valid_days=self.job.valid_days)
        if self.job.inputs == "a":
            tables = [self._alone(grid, name, period) for name in self.job.series]
            table = reduce(pl.DataFrame.vstack, tables)
        else:
            region = Region.model_validate_json((self._folder() / "region.json").read_text())
            # The ensemble is of all series, whichever are asked for.
            store = Store(str(self._folder() / "store"))
            table = self._run(store, region, period, None, model="ensemble", options={"members": PROTOCOL.members})
            table = table.filter(pl.col("series").is_in(self.job.series))
        wanted = pl.Series(issues.astype("datetime64[us]")).dt.replace_time_zone("UTC")
        kept = pl.col("issue_time").is_in(wanted.implode()) & pl.col("horizon_min").is_in(self.job.horizons_min)
        return table.filter(kept).select("series", "issue_time", "horizon_min", "q10", "q50", "q90")

    def _alone(self, grid: Grid, name: str, period: Period) -> pl.DataFrame:
        """One series of the grid, read by the source of anybody's files."""
        like = load("nyiso")
        place = next((zone for zone in like.zones if zone.name == name), like.zones[0])
        zone = Zone(name=name, latitude=place.latitude, longitude=place.longitude, max_mw=100_000)
        with TemporaryDirectory() as folder:
            power = grid.frame.select("valid_at", pl.col(LOAD + name).alias(name)).filter(pl.col(name).is_finite())
            power.write_parquet(Path(folder) / "load.parquet")
            options = {"files": "load.parquet", "folder": folder}
            region = Region(
                name="alone",
                title=name,
                timezone=self.job.timezone,
                interval_minutes=5,
                model="alone",
                holidays=like.holidays,
                zones=(zone,),
                power=SourceSpec(source="files", label="instant", options=options),
            )
            store = Store(str(Path(folder) / "store"))
            write_all(store, region)
            return self._run(store, region, period, (name,))

    def _run(
        self,
        store: Store,
        region: Region,
        period: Period,
        series: tuple[str, ...] | None,
        *,
        model: str = "lightgbm",
        options: Mapping[str, Any] | None = None,
    ) -> pl.DataFrame:
        begin = time.perf_counter()

        def lap(part: str) -> None:
            nonlocal begin
            spent, begin = time.perf_counter() - begin, time.perf_counter()
            name = "predict_s" if part == "predict" else "train_s"
            self.seconds[name] = round(self.seconds[name] + spent, 1)

        workers = self.job.threads if self.job.threads > 1 else 0
        nowcasts, _ = backtest(
            store,
            region,
            period,
            model=model,
            options=options,
            series=series,
            executor=lambda: processes(workers) if workers else None,
            lap=lap,
        )
        return to_table(nowcasts)

    def _folder(self) -> Path:
        assert self.folder is not None
        return self.folder
