"""What an adapter of a library is given and gives back. Runs in the venv of the peers, on NumPy and Polars."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

LEVELS = (0.1, 0.5, 0.9)
REACH_MIN = 60
"""Rows of the inputs hold what was known so long before them, so that no horizon sees anything later."""
LOAD, INPUT = "load ", "input "
"""How column names of the grid begin."""


@dataclass(frozen=True)
class Job:
    """What every peer is asked; times are UTC minutes in ISO form.

    `inputs` is "a" for the series' own history and calendar, "b" for the grid's other inputs too. Targets of training
    come before `train_end`, and the last `valid_days` of it are for early stopping and calibration. `grid` is the
    name of the power grid, `interval_min` the step of its table, `place` its latitude and longitude, and `floor` the
    MW below which no answer lies. `train_every_min` spaces the examples of our own row, which learns from single issue
    times.
    """

    series: tuple[str, ...]
    horizons_min: tuple[int, ...]
    train_end: str
    first: str
    last: str
    every_min: int
    valid_days: int
    inputs: str
    timezone: str
    country: str
    grid: str = "nyiso_2019h2"
    interval_min: int = 5
    place: tuple[float, float] = (40.75, -73.95)
    floor: float | None = None
    threads: int = 2
    train_every_min: int = 5

    @property
    def issues(self) -> NDArray[np.datetime64]:
        """Issue times, shape (issue,)."""
        begin, end = (np.datetime64(text, "m") for text in (self.first, self.last))
        return np.arange(begin, end + np.timedelta64(1, "m"), np.timedelta64(self.every_min, "m"))

    @property
    def steps(self) -> tuple[int, ...]:
        """Horizons in steps of the grid."""
        return tuple(horizon // self.interval_min for horizon in self.horizons_min)

    @property
    def day(self) -> int:
        """Steps of the grid in a day."""
        return 1440 // self.interval_min

    @property
    def week(self) -> int:
        """Steps of the grid in a week."""
        return 7 * self.day

    def span(self, minutes: int) -> int:
        """Steps of the grid in so many minutes, at least one."""
        return max(1, minutes // self.interval_min)

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        read = json.loads(text)
        lists = {name: tuple(value) for name, value in read.items() if isinstance(value, list)}
        return cls(**(read | lists))


@dataclass(frozen=True)
class Grid:
    """The one table that all peers read: a row for each step of the grid, without holes in time.

    Columns: `valid_at` (UTC, the end of the interval), "load SERIES" in MW, NaN where nothing was published, and
    "input NAME": what was known `REACH_MIN` before the row.
    """

    frame: pl.DataFrame

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls(pl.read_parquet(path))

    @cached_property
    def times(self) -> NDArray[np.datetime64]:
        """`valid_at` of every row, shape (time,)."""
        naive = self.frame["valid_at"].dt.replace_time_zone(None)
        return naive.to_numpy().astype("datetime64[m]")

    @cached_property
    def interval_min(self) -> int:
        """Minutes from row to row."""
        return int((self.times[1] - self.times[0]).astype(np.int64))

    def row(self, time: str | np.datetime64) -> int:
        """Number of the row that is valid at `time`."""
        return int((np.datetime64(time, "m") - self.times[0]).astype(np.int64)) // self.interval_min

    def rows(self, times: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """The same of many."""
        return (times - self.times[0]).astype("timedelta64[m]").astype(np.int64) // self.interval_min

    def load(self, series: str) -> NDArray[np.float64]:
        """MW as published, NaN where nothing was."""
        return self.frame[LOAD + series].fill_null(np.nan).to_numpy()

    def filled(self, series: str) -> NDArray[np.float64]:
        """MW with the last known value in holes, which is all that was known then."""
        return forward(self.load(series))

    def inputs(self, series: str) -> dict[str, NDArray[np.float64]]:
        """The other inputs of a series, holes filled forward: the operator's forecast of it, all zones, the weather."""
        own, any_series = f"{INPUT}{series}:", f"{INPUT}:"
        return {
            name.split(":", 1)[1]: forward(self.frame[name].fill_null(np.nan).to_numpy())
            for name in self.frame.columns
            if name.startswith((own, any_series))
        }


class Peer(ABC):
    """A library in a configuration that its documentation recommends. One object a run."""

    title: str
    libraries: ClassVar[tuple[str, ...]] = ()
    """Distributions whose versions the table tells; the adapter is skipped where one is not installed."""
    inputs: ClassVar[str] = "ab"
    """Classes that the library takes part in."""

    def __init__(self, job: Job, folder: Path | None = None) -> None:
        self.job = job
        self.folder = folder
        """Where the benchmark keeps more than the grid, for our own row."""

    @abstractmethod
    def fit(self, grid: Grid) -> None:
        """Train on targets before `job.train_end`; `grid` holds nothing after."""

    @abstractmethod
    def predict(self, grid: Grid, issues: NDArray[np.datetime64]) -> pl.DataFrame:
        """Nowcasts of `issues` as `rows` makes them; what was valid after an issue time must not touch its rows."""


def rows(
    job: Job, issues: NDArray[np.datetime64], values: dict[str, NDArray[np.float64]], *, crossing: bool = False
) -> pl.DataFrame:
    """Values by series, shape (issue, horizon, level), as rows: series, issue_time, horizon_min, q10, q50, q90.

    Levels are put in order, which every library recommends and none is harmed by, unless `crossing`. None is below the
    job's floor.
    """
    n, h = len(issues), len(job.horizons_min)
    stamps = pl.Series(np.repeat(issues.astype("datetime64[us]"), h)).dt.replace_time_zone("UTC")
    parts = []
    for series, given in values.items():
        ordered = (given if crossing else np.sort(given, axis=-1)).reshape(n * h, len(LEVELS))
        ordered = ordered if job.floor is None else np.maximum(ordered, job.floor)
        parts.append(
            pl.DataFrame(
                {
                    "series": pl.repeat(series, n * h, eager=True),
                    "issue_time": stamps,
                    "horizon_min": np.tile(np.array(job.horizons_min, np.int64), n),
                    **{f"q{round(100 * level):02d}": ordered[:, i] for i, level in enumerate(LEVELS)},
                }
            )
        )
    return pl.concat(parts)


def lags(job: Job) -> list[int]:
    """Lags of the recursive libraries in steps: the last three hours, and around the next step of days and weeks ago.

    At least twelve recent steps, so that coarser grids have enough of them.
    """
    quarter, half, hour = job.span(15), job.span(30), job.span(60)
    found = {*range(1, max(12, job.span(180)) + 1)}
    found |= {day * job.day + k for day in (1, 2, 3) for k in (-quarter, 0, quarter)}
    found |= {week * job.week + k for week in (1, 2) for k in (-hour, -half, -quarter, 0, quarter)}
    return sorted(found)


def forward(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Holes filled with the value before them, leading ones with the first value.

    >>> forward(np.array([np.nan, 1.0, np.nan, 3.0])).tolist()
    [1.0, 1.0, 1.0, 3.0]
    """
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return np.zeros_like(values)
    last = np.searchsorted(known, np.arange(len(values)), side="right") - 1
    return values[known[np.maximum(last, 0)]]


def local_time(times: NDArray[np.datetime64], timezone: str) -> pl.Series:
    """UTC times on the region's clock."""
    return pl.Series(times.astype("datetime64[us]")).dt.replace_time_zone("UTC").dt.convert_time_zone(timezone)


def calendar(times: NDArray[np.datetime64], job: Job) -> dict[str, NDArray[np.float64]]:
    """What a user would know of the day: local minute, day of week and of year as waves, holidays."""
    local = local_time(times, job.timezone)
    minute = (local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute()).to_numpy().astype(np.float64)
    weekday = local.dt.weekday().to_numpy().astype(np.float64)
    year_day = local.dt.ordinal_day().to_numpy().astype(np.float64)
    free = local.dt.date().is_in(list(_holidays(local, job.country))).to_numpy()
    waves: dict[str, NDArray[np.float64]] = {"minute": minute, "weekday": weekday, "holiday": free.astype(np.float64)}
    for name, angle in (("day", minute / 1440), ("week", (weekday - 1 + minute / 1440) / 7), ("year", year_day / 366)):
        waves |= {f"{name}_sin": np.sin(2 * np.pi * angle), f"{name}_cos": np.cos(2 * np.pi * angle)}
    return waves


def _holidays(local: pl.Series, country: str) -> Sequence[object]:
    import holidays  # noqa: PLC0415 - the naive peers need none

    years = sorted(set(local.dt.year().to_list()))
    return list(holidays.country_holidays(country, years=years)) if country else []
