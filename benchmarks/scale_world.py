"""A region of any number of feeders, made from real zones: see `scale.py` for the method."""

import zipfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

STEP = timedelta(minutes=15)
DAY_SLOTS, WEEK_SLOTS = 96, 7 * 96
SMOOTH = 8
"""Slots of the mean whose distance from a value is noise: two hours."""
START = datetime(2019, 3, 4)  # noqa: DTZ001 - a label, in UTC
"""A Monday; the feeders' values are of other weeks, but of the same hours and weekdays."""


def real_zones(folder: Path) -> NDArray[np.float64]:
    """The load of New York's eleven zones in quarter hours of the publisher's archives, MW, shape (slot, zone).

    Local time is taken as it stands in the files, by standard time; the few missing slots are filled linearly.
    """
    frames = []
    for file in sorted(folder.glob("*pal_csv.zip")):
        with zipfile.ZipFile(file) as archive:
            frames += [pl.read_csv(BytesIO(archive.read(name)), infer_schema=False) for name in archive.namelist()]
    rows = pl.concat(frames).select(
        zone="Name",
        mw=pl.col("Load").cast(pl.Float64, strict=False),
        at=pl.col("Time Stamp").str.to_datetime("%m/%d/%Y %H:%M:%S").dt.truncate("15m"),
    )
    means = rows.group_by("at", "zone").agg(pl.col("mw").mean()).pivot("zone", index="at", values="mw").sort("at")
    whole = means.upsample("at", every="15m").interpolate().fill_null(strategy="backward")
    first = next(n for n, at in enumerate(whole["at"]) if at.weekday() == 0 and at.hour == at.minute == 0)
    return whole[first:].drop("at").to_numpy()


def feeders(real: NDArray[np.float64], count: int, days: int, seed: int = 1) -> NDArray[np.float64]:
    """Power of so many feeders in MW, shape (slot, feeder)."""
    rng, slots = np.random.default_rng(seed), days * DAY_SLOTS
    kernel = np.ones(SMOOTH + 1) / (SMOOTH + 1)
    level = real.mean(axis=0)
    shapes = real / level
    noise = shapes - np.stack([np.convolve(one, kernel, mode="same") for one in shapes.T], axis=1)
    weeks = (len(real) - slots) // WEEK_SLOTS
    made = np.empty((slots, count))
    for n in range(count):
        zone, other = rng.integers(real.shape[1], size=2)
        begin, other_begin = rng.integers(1, weeks, size=2) * WEEK_SLOTS
        size, loudness = np.exp(rng.uniform(np.log(0.5), np.log(20.0))), rng.uniform(1, 4)
        shape = shapes[begin : begin + slots, zone] + loudness * noise[other_begin : other_begin + slots, other]
        made[:, n] = size * np.maximum(shape, 0.02)
    return made


def names(count: int) -> list[str]:
    return [f"F{n:05d}" for n in range(count)]


def write_region(folder: Path, power: NDArray[np.float64], name: str = "feeders") -> Path:
    """The region's files in an empty folder: `feeders.toml`, `zones.csv` and the Parquet of all values; the TOML."""
    folder.mkdir(parents=True, exist_ok=True)
    count = power.shape[1]
    rng = np.random.default_rng(2)
    pl.DataFrame(
        {
            "name": names(count),
            "latitude": rng.uniform(41, 44, count).round(3),
            "longitude": rng.uniform(-78, -73, count).round(3),
            "max_mw": (3 * power.max(axis=0)).round(3),
        }
    ).write_csv(folder / "zones.csv")
    write_values(folder / "power-0000.parquet", power, START)
    file = folder / f"{name}.toml"
    file.write_text(
        f'name = "{name}"\ntitle = "Feeders made from real zones"\ntimezone = "America/New_York"\n'
        f'interval_minutes = 15\nmodel = "{name}"\nzones_file = "zones.csv"\n\n'
        f'[power]\nsource = "files"\nlabel = "end"\noptions = {{ folder = "{folder}", files = "power-*.parquet", '
        'columns = { valid_at = "time" } }\n'
    )
    return file


def write_values(file: Path, power: NDArray[np.float64], first: datetime, chosen: Sequence[str] | None = None) -> None:
    """A Parquet of values with a column for each feeder, the first slot ending a quarter hour after `first`, UTC."""
    times = [first + (n + 1) * STEP for n in range(len(power))]
    stamps = pl.Series("time", times, pl.Datetime("us")).dt.replace_time_zone("UTC")
    titles = chosen or names(power.shape[1])
    beside = file.with_suffix(".part")
    pl.DataFrame([stamps, *(pl.Series(name, power[:, n]) for n, name in enumerate(titles))]).write_parquet(beside)
    beside.replace(file)
