"""Deliveries of every kind, stored one after the other: at random issue times reads and features are the oracle's.

Both paths come from the store: a history with patches, and the live window of each issue time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isnan, nan
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from power_nowcast.checks.zeros import without_own_use
from power_nowcast.collect.load import write
from power_nowcast.contracts import Batch, Reading, Received, Table
from power_nowcast.features.build_features import build
from power_nowcast.features.panel import history, window
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.ingest.align import align
from power_nowcast.ingest.published import published
from power_nowcast.regions import Region, Zone
from power_nowcast.store import Store
from tests.features.oracle.deliveries import Delivery, Published, stored
from tests.features.oracle.known import as_of, minutes
from tests.features.oracle.sun import elevation
from tests.features.test_oracle import as_array, assert_as_expected, expected_of
from tests.features.worlds import DAY, FORECAST, HOUR, MINUTE, OBSERVED, World, region

DAYS, LIVE_FROM = 15, 11
"""An archive brings the first days, a live source the others."""
SPEC = FeatureSpec.for_interval(15, days=(1, 2, 7, 8), type_days=(7, 9), analog_days=9, analogs=3, smoothing=30)


@dataclass(frozen=True)
class Change:
    """Where clocks change after twelve days and some hours."""

    timezone: str
    start: datetime


SPRING = Change("America/New_York", datetime(2024, 2, 27, tzinfo=UTC))
AUTUMN = Change("Europe/Helsinki", datetime(2024, 10, 15, tzinfo=UTC))


def deliveries(of: Region, start: datetime, rng: np.random.Generator) -> list[Delivery]:
    """Power off the grid, late, filled and corrected; vintages in time, too late and repeated; reports of weather."""
    end = start + DAYS * DAY
    told = [
        Published(name, start + day * DAY + hour * HOUR, float(rng.normal(1500, 200)), _told(start, day, rng))
        for day in range(DAYS + 2)
        for _ in range(2)
        for hour in range(1, 25)
        for name in of.series
    ]
    reports = [
        Published(name, valid, float(rng.normal(10, 5)), valid + int(rng.integers(1, 200)) * MINUTE)
        for name in OBSERVED
        for valid in (start + hour * HOUR + 51 * MINUTE for hour in range(DAYS * 24))
        if rng.random() > 0.2
    ]
    weather = [
        Published(name, start + (6 * pull + hour) * HOUR, float(rng.normal(10, 3)), at)
        for pull in range(DAYS * 4)
        for at in [start + 6 * pull * HOUR + int(rng.integers(0, 300)) * MINUTE]
        for name in FORECAST
        for hour in range(-2, 14)
    ]
    return [
        *(Delivery("power", *one) for one in _power(of, start, rng)),
        Delivery("forecast", end, False, tuple(told)),
        Delivery("weather", end, False, tuple(reports)),
        Delivery("weather_forecast", end, False, tuple(weather)),
    ]


def _told(start: datetime, day: int, rng: np.random.Generator) -> datetime:
    """When a vintage of a day was written: at noon of one of two days before, now and then when the day had begun."""
    late = 40 * HOUR if rng.random() < 0.1 else 0 * HOUR
    return start + (day - int(rng.integers(1, 3))) * DAY + 12 * HOUR + late


def _power(
    of: Region, start: datetime, rng: np.random.Generator
) -> Iterable[tuple[datetime, bool, tuple[Published, ...]]]:
    step, begin = of.interval_minutes * MINUTE, start + LIVE_FROM * DAY
    final = {
        (zone.name, start + n * step): round(float(value), 1)
        for zone in of.zones
        for n, value in enumerate(_measured(zone, start, step, rng))
        if not isnan(value)
    }

    def stamps(zone: str, slot: datetime, value: float) -> Iterable[Published]:
        """A slot's value, often off the grid, and sometimes after another one that it replaces."""
        if rng.random() < 0.2:
            yield Published(zone, slot - step + timedelta(seconds=int(rng.integers(1, 200))), value - 77)
        off = timedelta(seconds=int(rng.integers(0, 500))) if rng.random() < 0.5 else 0 * MINUTE
        yield Published(zone, slot - off, value)

    def rows(
        slots: Iterable[tuple[tuple[str, datetime], float]], missing: float, wrong: float
    ) -> tuple[Published, ...]:
        kept = [(key, value) for key, value in slots if rng.random() > missing]
        values = [(key, value + (50 if rng.random() < wrong else 0)) for key, value in kept]
        return tuple(one for (zone, slot), value in values for one in stamps(zone, slot, value))

    yield begin, False, rows([item for item in final.items() if item[0][1] <= begin - 3 * HOUR], 0.02, 0.02)
    now = begin
    while now <= start + DAYS * DAY:
        recent = [(key, value) for key, value in final.items() if now - 3 * HOUR < key[1] <= now - 2 * MINUTE]
        yield now, True, rows(recent, 0.1, 0.03)
        now += 2 * HOUR + int(rng.integers(0, 40)) * MINUTE + int(rng.integers(60)) * timedelta(seconds=1)
    for day in range(1, DAYS - LIVE_FROM):  # a file of the days before, with everything as it is at last
        until = begin + day * DAY
        week = [(key, value) for key, value in final.items() if until - 7 * DAY < key[1] <= until]
        yield until + 5 * HOUR, False, rows(week, 0.01, 0.0)


def _measured(zone: Zone, start: datetime, step: timedelta, rng: np.random.Generator) -> Iterable[float]:
    """A walk; of the sun it rises by day, and is slightly negative or silent by night, which may begin before dark."""
    walk = rng.normal(size=DAYS * (DAY // step)).cumsum() * 5
    if zone.kind != "solar":
        return [float(value) for value in 2000 + walk]
    heights = [elevation(minutes(start + n * step), zone.latitude, zone.longitude) for n in range(len(walk))]
    by_day = [40 * height + float(value) for height, value in zip(heights, walk, strict=True)]
    by_night = [nan if rng.random() < 0.8 else -float(rng.uniform(0, 25)) for _ in walk]
    low = float(rng.uniform(-1, 5))
    return [
        max(0.0, day) if height > low else night for day, night, height in zip(by_day, by_night, heights, strict=True)
    ]


def brought(of: Region, all_of_them: list[Delivery], folder: Path) -> Store:
    """A store into which they came one after the other."""
    store = Store(folder)
    for number, delivery in enumerate(sorted(all_of_them, key=lambda delivery: delivery.received)):
        table = Table(delivery.table)
        rows = published(pl.DataFrame(delivery.rows, ["series", "at", "value", "written"], orient="row"))
        spec = of.spec(table)
        assert spec is not None
        received_at = delivery.received if delivery.is_live else None
        if table is Table.POWER:
            rows = without_own_use(rows, of)
        aligned, _ = align(rows, of, table, spec, Received(b"", received_at=received_at))
        reading = Reading(spec.source, sha256=str(number), received_at=received_at)
        batch = Batch(of.name, table, aligned, origin=str(number), key=str(number), reading=reading)
        write(store, batch, now=delivery.received)
    return store


DELAYS = [(0, 0), (60, 0), (0, 60)]
"""Minutes after which the source of power usually has a value, and those that a backtest adds."""


@pytest.mark.parametrize(
    ("kind", "count", "change", "delay", "backtest_delay"),
    [
        *(("load", 12, change, *delays) for change, delays in zip((SPRING, AUTUMN), DELAYS[1:], strict=True)),
        ("solar", 12, AUTUMN, 60, 0),
        *(
            pytest.param(kind, count, change, *delays, marks=pytest.mark.slow)
            for kind, count in (("load", 170), ("solar", 60))
            for change in (SPRING, AUTUMN)
            for delays in DELAYS
        ),
    ],
    ids=lambda value: value.timezone if isinstance(value, Change) else str(value),
)
def test_reads_and_features_at_random_issue_times(
    kind: str, count: int, change: Change, delay: int, backtest_delay: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng([change.start.month, count, delay, backtest_delay])
    of = region(
        15, change.timezone, {"A": kind, "B": kind},
        power={"source": "files", "label": "instant", "delay_minutes": delay},
    )  # fmt: skip
    came = deliveries(of, change.start, rng)
    store, end = brought(of, came, tmp_path), change.start + DAYS * DAY
    world = World(of, tuple(stored(of, came)), (), change.start, end)
    drawn = rng.choice(int((DAYS - 10) * DAY / MINUTE) - 120, count, replace=False)
    issues = [change.start + 10 * DAY + int(minute) * MINUTE for minute in sorted(drawn)]
    for issue in issues:
        for table in Table:
            read = store.as_of(table, of.name, at=issue).select("series", "valid_at", "value").rows()
            assert {(series, valid_at): value for series, valid_at, value in read} == as_of(world.rows, table, issue)

    expected = expected_of(world, SPEC, issues, backtest_delay)
    panel = history(store, of, change.start, end)
    assert_as_expected(build(panel, of, as_array(issues), SPEC, delay_minutes=backtest_delay), expected)
    for issue, one in zip(issues, expected, strict=True):
        alone = build(window(store, of, issue), of, as_array([issue]), SPEC, delay_minutes=backtest_delay)
        assert_as_expected(alone, [one])
