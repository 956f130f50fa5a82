"""A region's made-up past as rows of `contracts.VALUES`: late rows, corrections, gaps, vintages in time and late."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from power_nowcast.contracts import QUARANTINE, VALUES, Panel, Table
from power_nowcast.features.panel import FORECAST_REACH, assemble
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.regions import Region

START = datetime(2024, 3, 1, tzinfo=UTC)  # New York's clocks change on the 10th
DAYS = 16
STEP = timedelta(minutes=30)
SPEC = FeatureSpec.for_interval(30, days=(1, 2, 7, 8), type_days=(7, 9), analog_days=9, analogs=3, smoothing=30)
MODEL_WINDOW = timedelta(minutes=SPEC.history_minutes)


def region() -> Region:
    return Region.model_validate(
        {
            "name": "toy",
            "title": "Toyland",
            "timezone": "America/New_York",
            "interval_minutes": 30,
            "model": "toy",
            "total": "ALL",
            "zones": [
                {"name": "A", "latitude": 42.6, "longitude": -73.7, "max_mw": 5000},
                {"name": "B", "latitude": 40.6, "longitude": -73.7, "max_mw": 5000},
            ],
            "holidays": {"country": "US", "subdivision": "NY"},
            "power": {"source": "files"},
            "forecast": {"source": "files", "interval_minutes": 60},
            "weather": {"source": "files", "variables": ["K.temperature_c"]},
        }
    )


def rich_region(**changes: object) -> Region:
    """The region with two stations, forecasts of their weather, and every family that a region may ask for."""
    weather = {"source": "files", "variables": ["K.temperature_c", "L.temperature_c", "L.wind_speed_ms"]}
    rich = {
        "weather": weather,
        "weather_forecast": weather | {"interval_minutes": 60},
        "features": ["quality", "holidays"],
    }
    return Region.model_validate(region().model_dump() | rich | changes)


def weighed_region() -> Region:
    """The rich region, A with weights of stations and B with their distances."""
    zones = region().model_dump()["zones"]
    zones[0]["weather"] = {"K": 0.75, "L": 0.25}
    places = [{"name": "K", "latitude": 42.7, "longitude": -73.8}, {"name": "L", "latitude": 40.0, "longitude": -73.7}]
    return rich_region(zones=zones, stations=places)


def rows(table: list[tuple[str, datetime, float, datetime, str]]) -> pl.DataFrame:
    """(series, valid_at, value, available_at, basis) as rows of the store."""
    full = [("toy", series, valid, value, known, basis, START, "test") for series, valid, value, known, basis in table]
    return pl.DataFrame(full, schema=VALUES, orient="row")


def past(seed: int, *, gaps: int = 10, late: int = 12, corrections: int = 8) -> dict[Table, pl.DataFrame]:
    """Two zones, an operator's forecast told daily (some told too late), hourly weather."""
    rng = np.random.default_rng(seed)
    slots = DAYS * 48
    power: list[tuple[str, datetime, float, datetime, str]] = []
    for zone, level in (("A", 1000.0), ("B", 2000.0)):
        walk = level + rng.normal(size=slots).cumsum() * 5 + 100 * np.sin(np.arange(slots) * 2 * np.pi / 48)
        missing = set(rng.choice(slots, gaps, replace=False).tolist())
        slow = set(rng.choice(slots, late, replace=False).tolist())
        mended = set(rng.choice(slots, corrections, replace=False).tolist())
        for n in range(slots):
            valid = START + n * STEP
            if n in missing:
                continue
            delay = timedelta(minutes=int(rng.integers(1, 400)), seconds=int(rng.integers(60))) if n in slow else None
            power.append((zone, valid, round(walk[n], 1), valid + (delay or timedelta()), "seen" if delay else "delay"))
            if n in mended:
                power.append(
                    (zone, valid, round(walk[n] + 50, 1), valid + timedelta(hours=int(rng.integers(1, 90))), "seen")
                )
    forecast = []
    for day in range(-1, DAYS):
        told = START + timedelta(days=day, hours=12, minutes=5)
        if rng.random() < 0.15:
            told += timedelta(hours=30)  # published again after the fact
        for hour in range(48):
            valid = START + timedelta(days=day + 1, hours=hour)
            forecast += [(name, valid, float(rng.normal(1500, 200)), told, "written") for name in ("A", "B", "ALL")]
    weather = [
        ("K.temperature_c", START + timedelta(hours=n, minutes=51), float(rng.normal(10, 5)),
         START + timedelta(hours=n, minutes=51 + int(rng.integers(1, 50))), "delay")
        for n in range(-3, DAYS * 24) if rng.random() > 0.1
    ]  # fmt: skip
    return {Table.POWER: rows(power), Table.FORECAST: rows(forecast), Table.WEATHER: rows(weather)}


def rich_past(seed: int) -> tuple[dict[Table, pl.DataFrame], pl.DataFrame]:
    """`past` with straight lines, a second station, forecasts of weather told every six hours, and a quarantine."""
    frames, rng = past(seed, gaps=20, late=30, corrections=10), np.random.default_rng(seed)
    power = frames[Table.POWER]
    for zone in ("A", "B"):  # a line now and then, of first values only: what is corrected breaks it
        for begin in rng.choice(DAYS * 48 - 20, 12, replace=False):
            slot = (pl.col("valid_at") - START).dt.total_minutes() // 30 - int(begin)
            here = (pl.col("series") == zone) & slot.is_between(0, int(rng.integers(6, 12)))
            power = power.with_columns(value=pl.when(here).then(1500.0 + 7 * slot).otherwise("value"))
    frames[Table.POWER] = power
    variables = {"K.temperature_c": 10.0, "L.temperature_c": 14.0, "L.wind_speed_ms": 5.0}
    frames[Table.WEATHER] = pl.concat(
        [
            frames[Table.WEATHER].with_columns(series=pl.lit(name), value=pl.col("value") + level)
            for name, level in variables.items()
        ]
    ).filter(pl.Series(rng.random(3 * len(frames[Table.WEATHER])) > 0.2))
    told = []
    for pull in range(-4, DAYS * 4):
        at = START + timedelta(hours=6 * pull, minutes=int(rng.integers(0, 300)), seconds=int(rng.integers(60)))
        if rng.random() < 0.2:
            continue
        first = at.replace(minute=0, second=0) - timedelta(hours=2)  # the publisher repeats what is over
        told += [
            (name, first + timedelta(hours=hour), float(rng.normal(level, 3)), at, "written")
            for name, level in variables.items()
            for hour in range(16)
            if rng.random() > 0.05
        ]
    frames[Table.WEATHER_FORECAST] = rows(told)
    bad = []
    for zone in ("A", "B"):
        for reason, length in (("spike", 1), ("flat line", 8)) * 6:
            slot = int(rng.integers(0, DAYS * 48))
            # Half of it came live: it was refused as it came.
            seen = timedelta(minutes=int(rng.integers(1, 170))) if rng.random() < 0.5 else timedelta(days=900)
            bad += [
                ("toy", "power", zone, START + n * STEP, None, "1", reason, "", "x", START + n * STEP + seen)
                for n in range(slot, slot + length)
            ]
    return frames, pl.DataFrame(bad, QUARANTINE, orient="row")


def bulk(
    frames: dict[Table, pl.DataFrame],
    delay_minutes: int = 0,
    of: Region | None = None,
    quarantine: pl.DataFrame | None = None,
) -> Panel:
    """Everything that was ever known, with patches."""
    end = START + (DAYS * 48 - 1) * STEP
    return assemble(
        of or region(), frames, START, end, known_at=START, delay_minutes=delay_minutes, quarantine=quarantine
    )


def live(
    frames: dict[Table, pl.DataFrame], at: datetime, of: Region | None = None, quarantine: pl.DataFrame | None = None
) -> Panel:
    """What was known at `at`, nothing else: the future is deleted."""
    known = {table: frame.filter(pl.col("available_at") <= at) for table, frame in frames.items()}
    known[Table.POWER] = known[Table.POWER].filter(pl.col("valid_at") <= at)
    known[Table.FORECAST] = known[Table.FORECAST].filter(pl.col("valid_at") <= at + FORECAST_REACH)
    if quarantine is not None:
        quarantine = quarantine.filter(pl.col("at") <= at)
    start = max(START, at - MODEL_WINDOW - timedelta(days=1))
    return assemble(of or region(), known, start, at, known_at=at, quarantine=quarantine)
