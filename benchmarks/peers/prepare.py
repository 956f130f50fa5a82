"""The one table that every peer reads, made from the publisher's files by the project's own ingest."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from peers.base import INPUT, LOAD, REACH_MIN
from power_nowcast.collect.load import write_all
from power_nowcast.contracts import Panel, Table
from power_nowcast.evaluate.operator_forecast import OperatorForecast
from power_nowcast.features.panel import history
from power_nowcast.regions import Region
from power_nowcast.store import Store

RAMPS_MIN = (5, 15, 30, 60)
ZONE_RAMP_MIN = 15
BLOCK = 8640
"""Rows for which the operator's forecast is read at once, to bound memory."""
MARGIN = timedelta(days=2)


def prepare(region: Region, series: tuple[str, ...], end: datetime, folder: Path) -> tuple[Panel, Path]:
    """The panel of all history before `end`, and the Parquet made of it; both tables and Parquet are kept.

    No load after `end` is written, so that no peer can read it.
    """
    asked = {"region": region.model_dump(mode="json"), "series": series, "end": end.isoformat()}
    stamp = folder / "prepared.json"
    is_fresh = stamp.exists() and json.loads(stamp.read_text()) == json.loads(json.dumps(asked))
    if not is_fresh:
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder / "store", ignore_errors=True)
    store = Store(str(folder / "store"))
    if not is_fresh:
        # The forecast reaches past the last load.
        write_all(store, region, end=end + MARGIN)
        (folder / "region.json").write_text(region.model_dump_json())
    start, last = store.span(Table.POWER, region.name)
    assert start is not None
    assert last is not None
    panel = history(store, region, start, min(last, end))
    grid = folder / "grid.parquet"
    if not is_fresh:
        table(panel, region, series).write_parquet(grid)
        stamp.write_text(json.dumps(asked))
    return panel, grid


def table(panel: Panel, region: Region, series: tuple[str, ...]) -> pl.DataFrame:
    """The grid of a panel, as `peers.base.Grid` reads it."""
    columns: dict[str, object] = {
        "valid_at": pl.Series(panel.times.astype("datetime64[us]")).dt.replace_time_zone(str(UTC))
    }
    for name in series:
        columns[LOAD + name] = panel.power.values[:, panel.series.index(name)]
    step = region.interval_minutes
    reach = REACH_MIN // step
    if panel.forecast.values.size:
        for name, told in _operator(panel, region, series).items():
            columns[f"{INPUT}{name}:operator"] = told[:, -1]
            for minutes in (one for one in RAMPS_MIN if one % step == 0):
                ramp = told[:, -1] - told[:, -1 - minutes // step]
                columns[f"{INPUT}{name}:operator_ramp_{minutes}"] = ramp
    # Where there is one series only, its own past says this.
    for i, name in enumerate(panel.series if len(panel.series) > 1 else ()):
        ramp = panel.power.values[:, i] - _later(panel.power.values[:, i], max(1, ZONE_RAMP_MIN // step))
        columns[f"{INPUT}:ramp {name}"] = _later(ramp, reach)
    for i, name in enumerate(panel.weather.names):
        columns[f"{INPUT}:{name.split('.')[-1]}"] = _later(panel.weather.values[:, i], reach)
    return pl.DataFrame(columns)


def _operator(panel: Panel, region: Region, series: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The operator's forecast for each row and the hour before it, as known an hour before the row: (time, step)."""
    steps = (0, *range(region.interval_minutes, REACH_MIN + 1, region.interval_minutes))
    issues = panel.times - np.timedelta64(REACH_MIN, "m")
    forecaster = OperatorForecast(region)
    parts = [forecaster.told(panel, issues[i : i + BLOCK], steps) for i in range(0, len(issues), BLOCK)]
    told = np.concatenate(parts)
    return {name: told[:, panel.series.index(name)] for name in series}


def _later(values: np.ndarray, rows: int) -> np.ndarray:
    """Values moved to `rows` later."""
    return np.concatenate([np.full(rows, np.nan), values[:-rows]])
