"""Made-up regions for the oracle of features: what was published of them, when it was known, and a store that has it.

Every kind of trouble is in there: gaps, late values, corrections, straight lines, forecasts in place of measurements,
vintages in time and too late, weather of archives, silent stations, values in quarantine.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from power_nowcast.contracts import QUARANTINE, VALUES, Table
from power_nowcast.regions import Region
from power_nowcast.store import Store
from tests.features.oracle.known import Refused, Row

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
OBSERVED = ("K.temperature_c", "L.temperature_c", "L.wind_speed_ms")
FORECAST = ("L.temperature_c", "K.temperature_c", "L.cloud_cover")
"""In another order than the reports, and one that is not observed."""


SILENCE = 4 * HOUR
"""Until three days before the end of a world no zone has a value."""
RECORD = 6 * HOUR + 15 * MINUTE
"""Before the end of a world each zone reaches what it never did before."""
REFUSED_DAYS = 10
"""The last days have values in quarantine: models see those of one day only, and each is a commit of its own."""


@dataclass(frozen=True)
class World:
    """A region, its rows in the order in which they were stored, its quarantine, and from when to when they reach."""

    region: Region
    rows: tuple[Row, ...]
    refused: tuple[Refused, ...]
    start: datetime
    end: datetime

    def of(self, region: Region) -> "World":
        """The same rows, of another region."""
        return replace(self, region=region)

    def stored(self, folder: Path) -> Store:
        """A store that holds it."""
        store = Store(folder)
        for table in Table:
            mine = [row for row in self.rows if row.table == table]
            store.append(table, _frame(self.region, mine), now=self.end, are_versions=True)
        for now, rows in _by_first_seen(self.refused).items():
            store.quarantine(_quarantine(self.region, rows), now=now)
        return store


def region(interval: int, timezone: str, kinds: dict[str, str], **changes: object) -> Region:
    """A region with every table and family, its zones of these kinds, by name."""
    return Region.model_validate(
        {
            "name": "made-up",
            "title": "Made up",
            "timezone": timezone,
            "interval_minutes": interval,
            "model": "made-up",
            "total": "ALL" if len(kinds) > 1 else None,
            "zones": [
                {"name": name, "kind": kind, "latitude": 42.6 - 2 * n, "longitude": n - 73.7, "max_mw": 3000 + 2000 * n}
                for n, (name, kind) in enumerate(kinds.items())
            ],
            "holidays": {"country": "US", "subdivision": "NY"},
            "power": {"source": "files"},
            "forecast": {"source": "files", "interval_minutes": 60},
            "weather": {"source": "files", "variables": OBSERVED},
            "weather_forecast": {"source": "files", "interval_minutes": 60, "variables": FORECAST},
            "features": ["quality", "holidays"],
        }
        | changes
    )  # fmt: skip


def weighing(of: Region) -> Region:
    """The region with weights of stations for its first zone, and distances for the others."""
    values = of.model_dump()
    values["zones"][0]["weather"] = {"K": 0.75, "L": 0.25}
    places = [{"name": "K", "latitude": 42.7, "longitude": -73.8}, {"name": "L", "latitude": 40.0, "longitude": -73.7}]
    return Region.model_validate(values | {"stations": places})


def made_up(of: Region, start: datetime, days: int, seed: int) -> World:
    """A world of so many days."""
    rng = np.random.default_rng(seed)
    end = start + days * DAY
    told = list(_operator(of, start, days, rng))
    power, refused = [], []
    for zone in of.zones:
        power += _power(of, zone.name, zone.kind, start, days, rng, told)
        refused += _refused(of, zone.name, start, days, rng)
    rows = (*power, *told, *_reports(start, days, rng), *_weather_told(start, days, rng))
    return World(of, rows, tuple(refused), start, end)


def _power(
    of: Region, zone: str, kind: str, start: datetime, days: int, rng: np.random.Generator, told: list[Row]
) -> Iterable[Row]:
    """Of an archive or seen as it came; some values late, some corrected, some missing."""
    step, usual = of.interval_minutes * MINUTE, of.power.delay_minutes * MINUTE
    for slot, value in enumerate(_measured(of, zone, kind, start, days, rng, told)):
        valid, fate = start + slot * step, rng.random()
        if fate < 0.02 or timedelta() < start + (days - 3) * DAY - valid < SILENCE:
            continue
        late = timedelta(minutes=int(rng.integers(1, 400)), seconds=int(rng.integers(60)))
        if fate < 0.05:
            yield Row("power", zone, valid, valid + late, value, "seen")
        elif fate < 0.5:
            yield Row("power", zone, valid, valid + int(rng.integers(0, 3)) * MINUTE, value, "seen")
        else:
            yield Row("power", zone, valid, valid + usual, value, "delay")
        if rng.random() < 0.02:
            corrected = valid + usual + late + timedelta(hours=int(rng.integers(1, 90)))
            yield Row("power", zone, valid, corrected, value + 50, "seen")


def _measured(
    of: Region, zone: str, kind: str, start: datetime, days: int, rng: np.random.Generator, told: list[Row]
) -> list[float]:
    """A walk with a course of the day, straight lines in it, and the operator's forecast in place of measurements."""
    slots = days * DAY // (of.interval_minutes * MINUTE)
    of_day = 2 * np.pi * days * np.arange(slots) / slots
    noise = rng.normal(size=slots)
    if kind == "solar":
        values = np.clip(1500 * -np.cos(of_day + np.pi / 12) + 6 * noise.cumsum(), 0, None)
    elif kind == "wind":
        values = np.clip(900 + 0.4 * np.sqrt(of.interval_minutes) * noise.cumsum() + 20 * noise, 0, None)
    else:
        values = 2000 - 300 * np.cos(of_day) + noise.cumsum() + 5 * noise
    values[-(RECORD // MINUTE) // of.interval_minutes] = 1.2 * values.max()
    values = values.round(1)
    for begin in rng.integers(0, slots - 20, days):
        length = int(rng.integers(6, 12))
        values[begin : begin + length] = 800 + 7 * np.arange(length)
    if of.forecast and of.forecast.interval_minutes is None:
        known = {row.valid_at: row.value for row in told if row.series == zone}
        for begin in rng.integers(0, slots - 20, 4 * days):
            for slot in range(begin, begin + int(rng.integers(3, 9))):
                values[slot] = known.get(start + slot * of.interval_minutes * MINUTE, values[slot])
    return [float(value) for value in values]


def _operator(of: Region, start: datetime, days: int, rng: np.random.Generator) -> Iterable[Row]:
    """Told at noon for two days on, so that most times have two vintages; some days too late, some hours left out."""
    if of.forecast is None:
        return
    step = (of.forecast.interval_minutes or of.interval_minutes) * MINUTE
    for day in range(-1, days):
        told = start + day * DAY + 12 * HOUR + 5 * MINUTE + (30 * HOUR if rng.random() < 0.15 else 0 * HOUR)
        for n in range(2 * (DAY // step)):
            valid = start + (day + 1) * DAY + n * step
            for name in of.series:
                if rng.random() > 0.01:
                    yield Row("forecast", name, valid, told, float(rng.normal(1500, 200)), "written")
    for off in (MINUTE, MINUTE / 2):  # not on its grid
        for day in range(1, days):
            yield Row("forecast", of.series[0], start + day * DAY + off, start, 9999.0, "written")


def _reports(start: datetime, days: int, rng: np.random.Generator) -> Iterable[Row]:
    """Every hour at nine minutes to, known some minutes later, now and then hours later, before its time, or never."""
    for name, level in zip(OBSERVED, (10.0, 14.0, 5.0), strict=True):
        for hour in range(-3, days * 24):
            valid = start + hour * HOUR + 51 * MINUTE
            hours = int(rng.choice([-2, 0, 3], p=[0.03, 0.87, 0.1]))
            came = valid + int(rng.integers(1, 50)) * MINUTE + hours * HOUR
            if rng.random() > 0.2:
                yield Row("weather", name, valid, came, float(rng.normal(level, 5)), "delay")


def _weather_told(start: datetime, days: int, rng: np.random.Generator) -> Iterable[Row]:
    """Every six hours for sixteen, hours that are over among them; and an archive that may have been observed."""
    for pull in range(-4, days * 4):
        at = start + 6 * pull * HOUR + timedelta(minutes=int(rng.integers(0, 300)), seconds=int(rng.integers(60)))
        basis = "delay" if rng.random() < 0.1 else "written"
        first = at.replace(minute=0, second=0) - 2 * HOUR
        for name, level in zip(FORECAST, (14.0, 10.0, 50.0), strict=True):
            for hour in range(16):
                if rng.random() > 0.05:
                    valid = first + hour * HOUR
                    yield Row("weather_forecast", name, valid, at, float(rng.normal(level, 3)), basis)


def _refused(of: Region, zone: str, start: datetime, days: int, rng: np.random.Generator) -> Iterable[Refused]:
    """Spikes and runs of stuck values of the last days; half were refused as they came, the others of an archive."""
    step = of.interval_minutes * MINUTE
    for reason, length in (("spike", 1), ("flat line", 8)) * REFUSED_DAYS:
        slot = int(rng.integers((days - REFUSED_DAYS) * (DAY // step), days * (DAY // step)))
        valid = [start + (slot + n) * step for n in range(length)]
        seen = valid[-1] + int(rng.integers(1, 170)) * MINUTE if rng.random() < 0.5 else start + 900 * DAY
        yield from (Refused(zone, time, reason, seen) for time in valid)


def _frame(of: Region, rows: Iterable[Row]) -> pl.DataFrame:
    schema = {name: kind for name, kind in VALUES.items() if name != "first_seen_at"}
    values = [(of.name, row.series, row.valid_at, row.value, row.available_at, row.basis, "test") for row in rows]
    return pl.DataFrame(values, schema, orient="row")


def _by_first_seen(refused: Iterable[Refused]) -> dict[datetime, list[Refused]]:
    found: dict[datetime, list[Refused]] = {}
    for row in refused:
        found.setdefault(row.first_seen_at, []).append(row)
    return found


def _quarantine(of: Region, rows: Iterable[Refused]) -> pl.DataFrame:
    """As received: a stamp says when its interval begins or ends, as the region's file has it."""
    back = of.interval_minutes * MINUTE if of.power.label == "start" else 0 * MINUTE
    schema = {name: kind for name, kind in QUARANTINE.items() if name != "first_seen_at"}
    values = [
        (of.name, "power", row.series, row.valid_at - back, str(row.valid_at), "1", row.reason, "", "test")
        for row in rows
    ]
    return pl.DataFrame(values, schema, orient="row")
