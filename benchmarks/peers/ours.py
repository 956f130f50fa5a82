"""power-nowcast itself: `period.backtest`, in the venv of the project.

Class A: LightGBM; every series is a region of its own without a forecast, weather and other zones. Class B: the model
of the grid's own script with all that the region has: the ensemble of a global network, local ones and LightGBM for
New York (NORTH with options of its own), a network and LightGBM for Belgium, LightGBM for California and Victoria.
Online calibration, no refit.
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

from peers.base import LOAD, Grid, Job, Peer
from peers.grids import POWER_GRIDS
from power_nowcast.collect.load import write_all
from power_nowcast.contracts import to_table
from power_nowcast.jobs.period import Period, backtest
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.store import Store
from power_nowcast.workers import processes

TOTAL_MW = 100_000
"""Above any total of a grid; its values have been checked when the table was made."""
TITLES = {"lightgbm": "power-nowcast, LightGBM", "ensemble": "power-nowcast, ensemble"}


class PowerNowcast(Peer):
    """Training and replay are one call of `period.backtest`, so `fit` does nothing and `seconds` tells the parts."""

    title = "power-nowcast"
    libraries = ("power-nowcast",)

    def __init__(self, job: Job, folder: Path | None = None) -> None:
        super().__init__(job, folder)
        self.power_grid = POWER_GRIDS[job.grid]
        self.model = "lightgbm" if job.inputs == "a" else self.power_grid.model
        self.title = TITLES[self.model]

    def fit(self, grid: Grid) -> None:  # noqa: ARG002 - see above
        self.seconds = {"train_s": 0.0, "predict_s": 0.0}

    def predict(self, grid: Grid, issues: NDArray[np.datetime64]) -> pl.DataFrame:
        end = np.datetime64(self.job.train_end, "m")
        # Online calibration learns from every issue time of the protocol, also where fewer are scored.
        every = min(self.power_grid.protocol.issue_every_min, self.job.every_min)
        period = Period(end, issues[0], issues[-1], every, self.job.train_every_min, valid_days=self.job.valid_days)
        region = Region.model_validate_json((self._folder() / "region.json").read_text())
        if self.job.inputs == "a":
            tables = [self._alone(grid, region, name, period) for name in self.job.series]
            table = reduce(pl.DataFrame.vstack, tables)
        else:
            # The ensemble is of all series, whichever are asked for.
            store = Store(str(self._folder() / "store"))
            members = self.power_grid.protocol.members if self.model == "ensemble" else None
            options = {"members": members} if members else {}
            table = self._run(store, region, period, None, model=self.model, options=options)
            table = table.filter(pl.col("series").is_in(self.job.series))
        wanted = pl.Series(issues.astype("datetime64[us]")).dt.replace_time_zone("UTC")
        kept = pl.col("issue_time").is_in(wanted.implode()) & pl.col("horizon_min").is_in(self.job.horizons_min)
        return table.filter(kept).select("series", "issue_time", "horizon_min", "q10", "q50", "q90")

    def _alone(self, grid: Grid, like: Region, name: str, period: Period) -> pl.DataFrame:
        """One series of the grid, read by the source of anybody's files; a total has the place of the first zone."""
        place = next((zone for zone in like.zones if zone.name == name), like.zones[0])
        most = place.max_mw if place.name == name else TOTAL_MW
        zone = place.model_copy(update={"name": name, "max_mw": most})
        label = "instant" if like.power.label == "instant" else "end"
        with TemporaryDirectory() as folder:
            power = grid.frame.select("valid_at", pl.col(LOAD + name).alias(name)).filter(pl.col(name).is_finite())
            power.write_parquet(Path(folder) / "load.parquet")
            options = {"files": "load.parquet", "folder": folder}
            region = Region(
                name="alone",
                title=name,
                timezone=self.job.timezone,
                interval_minutes=self.job.interval_min,
                model="alone",
                holidays=like.holidays,
                zones=(zone,),
                power=SourceSpec(source="files", label=label, options=options),
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
        workers = self.job.threads if self.job.threads > 1 else 0
        # Processor time, as of every library; that of other processes is not in it.
        clock = time.perf_counter if workers else time.process_time
        begin = clock()

        def lap(part: str) -> None:
            nonlocal begin
            spent, begin = clock() - begin, clock()
            name = "predict_s" if part == "predict" else "train_s"
            self.seconds[name] = round(self.seconds[name] + spent, 1)

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
