"""A toy region's CSV files and region file in a folder, and jobs on it."""

from pathlib import Path

import polars as pl

from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs.job import Job, Plan
from power_nowcast.regions import Region, load
from power_nowcast.settings import settings
from power_nowcast.store import Store
from tests.toy import toy_rows

PLAN = Plan(FeatureSpec.for_interval(30), every_minutes=30, valid_days=14, test_days=14)
TINY = {"n_estimators": 40, "learning_rate": 0.2, "num_leaves": 7, "early_stopping": 10, "min_child": 20}

REGION = """
name = "{name}"
title = "Toyland"
timezone = "America/New_York"
interval_minutes = 30
model = "{name}-nowcast"
total = "ALL"
holidays = {{ country = "US", subdivision = "NY" }}
zones = [
    {{ name = "N.E.", latitude = 42.6, longitude = -73.7, max_mw = 5000 }},
    {{ name = "SOUTH 1", latitude = 40.6, longitude = -73.7, max_mw = 5000 }},
]
[power]
source = "files"
options = {{ files = "{folder}/power*.csv" }}
[weather]
source = "files"
variables = ["KTOY.temperature_c"]
options = {{ files = "{folder}/weather*.csv" }}
"""


def write_power(folder: Path, rows: pl.DataFrame, name: str = "power") -> None:
    """The load columns as `power.csv`."""
    rows.drop("KTOY.temperature_c").write_csv(folder / f"{name}.csv")


def write_region(folder: Path, name: str, days: int = 60) -> Path:
    """Data and region file of a region of this name; returns the region file."""
    rows = toy_rows(days)
    write_power(folder, rows)
    rows.select("valid_at", "KTOY.temperature_c").write_csv(folder / "weather.csv")
    file = folder / f"{name}.toml"
    file.write_text(REGION.format(name=name, folder=folder))
    return file


def job_of(region: str | Path | Region, told: list[str] | None = None, stop_at: str | None = None) -> Job:
    """A job by the settings in force; Ctrl-C comes where the progress says `stop_at`."""

    def progress(text: str) -> None:
        if told is not None:
            told.append(text)
        if stop_at is not None and stop_at in text:
            raise KeyboardInterrupt

    now = settings()
    return Job(region if isinstance(region, Region) else load(region), Store(now.data), now, progress)
