"""The power grids of the benchmark: each is the protocol of a script of this folder, asked at sparser issue times.

Imports the project, so only the benchmark itself and our own row can read it, not the adapters in the peers' venv.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import caiso_2019
import elia_solar_2023
import nyiso_2019h2
import polars as pl
import victoria_2014
from protocol import Protocol, minute

from peers.base import Job
from power_nowcast.regions import Region


@dataclass(frozen=True)
class PowerGrid:
    """What all libraries are asked about one grid.

    `validation` is a period before the test's (end of training, first and last issue time), on which configurations
    are chosen. `every_min` spaces the issue times so that each slot of the day occurs equally often. `further` tells
    what class B may see beyond a series' own past; `model` is our own row of that class, and that of class A is always
    LightGBM.
    """

    title: str
    folder: str
    region: Callable[[Path], Region]
    protocol: Protocol
    validation: tuple[str, str, str]
    every_min: int
    further: str
    model: str = "lightgbm"
    score: Literal["MAPE", "nMAE"] = "MAPE"
    floor: float | None = None
    """No answer is below it, in MW: answers of every library are cut off there."""
    scored: Callable[[pl.DataFrame, Path], pl.DataFrame] = lambda rows, _: rows
    """Pairs of all truth, and the publisher's folder: those that count, with their capacity where `score` needs it."""

    def period(self, name: str) -> tuple[str, str, str]:
        """End of training, first and last issue time of `test` or `validation`."""
        own = self.protocol
        return (own.train_end, own.first, own.last) if name == "test" else self.validation

    def job(self, region: Region, period: str, threads: int) -> Job:
        """What a library of class A is asked about all series of the grid."""
        train_end, first, last = (str(minute(text)) for text in self.period(period))
        place = next((zone for zone in region.zones if zone.name in self.protocol.series), region.zones[0])
        return Job(
            grid=next(name for name, grid in POWER_GRIDS.items() if grid is self),
            series=self.protocol.series,
            horizons_min=self.protocol.horizons_min,
            train_end=train_end,
            first=first,
            last=last,
            every_min=self.every_min,
            valid_days=self.protocol.valid_days,
            inputs="a",
            timezone=region.timezone,
            country=region.holidays.country if region.holidays else "",
            interval_min=region.interval_minutes,
            place=(place.latitude, place.longitude),
            floor=self.floor,
            threads=threads,
            train_every_min=self.protocol.train_every_min,
        )


POWER_GRIDS = {
    "nyiso_2019h2": PowerGrid(
        title="New York, load",
        folder="nyiso",
        region=nyiso_2019h2.region,
        protocol=nyiso_2019h2.PROTOCOL,
        validation=("2019-01-01 00:00", "2019-01-01 00:00", "2019-06-30 22:45"),
        every_min=195,
        further="the operator's forecast, the zones and the weather",
        model="ensemble",
    ),
    "caiso_2019": PowerGrid(
        title="California, demand",
        folder="caiso",
        region=caiso_2019.region,
        protocol=caiso_2019.PROTOCOL,
        validation=("2019-03-01 00:00", "2019-03-01 00:00", "2019-04-30 22:45"),
        every_min=195,
        further="the operator's forecast of the day before",
    ),
    "elia_solar_2023": PowerGrid(
        title="Belgium, solar power",
        folder="elia",
        region=elia_solar_2023.region,
        protocol=elia_solar_2023.PROTOCOL,
        validation=("2022-01-01 00:00", "2022-01-01 00:00", "2022-12-31 22:45"),
        every_min=285,
        further="the operator's forecast of the day before",
        model="ensemble",
        score="nMAE",
        floor=0.0,
        scored=elia_solar_2023.daylight,
    ),
    "victoria_2014": PowerGrid(
        title="Victoria, demand",
        folder="victoria",
        region=victoria_2014.region,
        protocol=victoria_2014.PROTOCOL,
        validation=("2014-09-16 00:00", "2014-09-16 00:00", "2014-11-06 18:30"),
        every_min=150,
        further="the temperature of Melbourne",
    ),
}
"""Grids by the name of their script."""
