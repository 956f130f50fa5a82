"""A made-up grid for the peers: days, weeks and noise, a forecast that knows the days, and a job on it."""

from pathlib import Path

import numpy as np
import polars as pl

FIRST = np.datetime64("2019-01-01T00:00", "m")
SERIES = ("TOTAL", "SOUTH")


def grid(days: int = 45, seed: int = 0, step: int = 5) -> pl.DataFrame:
    """A row every `step` minutes; noise has the same size a row."""
    rng = np.random.default_rng(seed)
    times = FIRST + np.arange(days * 1440 // step) * np.timedelta64(step, "m")
    hours = np.arange(len(times)) * step / 60
    frame = {"valid_at": pl.Series(times.astype("datetime64[us]")).dt.replace_time_zone("UTC")}
    for size, name in zip((10_000.0, 3_000.0), SERIES, strict=True):
        shape = 1 + 0.2 * np.sin(2 * np.pi * hours / 24) + 0.05 * np.sin(2 * np.pi * hours / 168)
        noise = np.cumsum(rng.normal(0, 2e-4, len(times))) + rng.normal(0, 5e-4, len(times))
        values = size * (shape + noise)
        hole = len(times) * 10 // 25
        values[hole : hole + 3] = np.nan
        frame[f"load {name}"] = values
        frame[f"input {name}:operator"] = size * shape
        frame[f"input {name}:operator_ramp_5"] = np.diff(size * shape, prepend=size)
    frame["input :temperature_c"] = 5 + 3 * np.sin(2 * np.pi * hours / 24)
    return pl.DataFrame(frame)


def write(folder: Path, days: int = 45, step: int = 5) -> Path:
    path = folder / "grid.parquet"
    grid(days, step=step).write_parquet(path)
    return path


def job_of(**changes: object) -> dict[str, object]:
    given: dict[str, object] = {
        "series": SERIES,
        "horizons_min": (15, 30, 45, 60),
        "train_end": "2019-02-11T00:00",
        "first": "2019-02-11T00:00",
        "last": "2019-02-13T20:00",
        "every_min": 195,
        "valid_days": 7,
        "inputs": "a",
        "timezone": "America/New_York",
        "country": "US",
        "threads": 1,
    }
    return given | changes


def half_hours(**changes: object) -> dict[str, object]:
    """The same on a grid of half hours."""
    own: dict[str, object] = {"horizons_min": (30, 60), "interval_min": 30, "every_min": 150, "grid": "victoria_2014"}
    return job_of(**(own | changes))
