"""A region of a dozen feeders every half hour, and what its main job by blocks is given."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs.job import Job, Plan
from power_nowcast.regions import load
from power_nowcast.settings import Settings
from power_nowcast.store import Store

PLAN = Plan(FeatureSpec.for_interval(30), 30, None, 4, 2)
SMALL = {"zones": 5, "rows": 3000, "options": {"n_estimators": 15, "num_leaves": 7, "refit": False}}
START = datetime(2024, 3, 4, tzinfo=UTC)
STEP = timedelta(minutes=30)
DAYS, ZONES = 22, 12


def power(days: int = DAYS, zones: int = ZONES) -> np.ndarray:
    """Power in MW, shape (slot, zone)."""
    rng = np.random.default_rng(3)
    slots = np.arange(days * 48)
    day = np.sin(2 * np.pi * (slots - 20) / 48)
    sizes = np.exp(rng.uniform(0, 4, zones))
    return (3 + day[:, None] + rng.normal(size=(len(slots), zones)) * 0.05) * sizes


def write_power(file: Path, values: np.ndarray, first: datetime = START) -> None:
    """A Parquet with a column for each zone; the first slot ends half an hour after `first`."""
    times = [first + (n + 1) * STEP for n in range(len(values))]
    columns = {f"F{n:02d}": values[:, n] for n in range(values.shape[1])}
    pl.DataFrame({"time": times, **columns}).write_parquet(file)


def write_region(folder: Path, zones: int = ZONES) -> Path:
    """The files of the region; returns its TOML."""
    values = power(zones=zones)
    write_power(folder / "power-1.parquet", values)
    names = [f"F{n:02d}" for n in range(zones)]
    limits = values.max(axis=0) * 3
    pl.DataFrame({"name": names, "latitude": 50.0, "longitude": 10.0, "max_mw": limits}).write_csv(folder / "zones.csv")
    file = folder / "grid.toml"
    file.write_text(
        'name = "grid"\ntitle = "Grid"\ntimezone = "Europe/Berlin"\ninterval_minutes = 30\nmodel = "grid"\n'
        'zones_file = "zones.csv"\n\n[power]\nsource = "files"\n'
        'options = { files = "power-*.parquet", columns = { valid_at = "time" } }\n'
    )
    return file


def job_of(file: Path, *, engine: str = "local", said: list[str] | None = None) -> Job:
    """A job on tables and artifacts beside the region's file."""
    folder = file.parent
    settings = Settings(data=str(folder / "data"), artifacts=folder / "artifacts", engine=engine, workers=2)
    progress = (said if said is not None else []).append
    return Job(load(str(file)), Store(settings.data), settings, progress, data=folder)
