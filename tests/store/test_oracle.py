"""As-of reads agree with an oracle that was written apart from the store: tests/store/oracle.py.

Files and live answers of two days about New York's clock change are parsed, aligned and written as an ingest does it.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from power_nowcast import regions
from power_nowcast.collect import write
from power_nowcast.contracts import Received, Table
from power_nowcast.ingest.published import Request
from power_nowcast.ingest.reading import batch_of
from power_nowcast.regions import Region
from power_nowcast.store import Store

from .oracle import SLOT, Oracle

CHANGE = datetime(2024, 11, 3, 6, tzinfo=UTC)  # 02:00 becomes 01:00
START, END = CHANGE - timedelta(hours=18), CHANGE + timedelta(hours=22)
LOCAL = ZoneInfo("America/New_York")
ZONES = ("NORTH", "WEST")
TIMES = 250
SECOND = timedelta(seconds=1)

type Rows = list[tuple[str, datetime, float | None]]


def region(table: Table, delay: int, **options: object) -> Region:
    spec = {"source": "files", "label": "instant", "delay_minutes": delay, "options": {"files": "*.csv", **options}}
    told = regions.load("nyiso").model_dump() | {"forecast": None, "weather": None}
    return Region.model_validate(told | {table.value: spec | ({"delay_minutes": 0} if table.is_forecast else {})})


def csv(rows: list[tuple[str, datetime, object, datetime | None]]) -> bytes:
    """Local times with their offsets, as a publisher writes them."""
    lines = [
        ",".join(
            (
                stamp.astimezone(LOCAL).isoformat(),
                series,
                "" if value is None else str(value),
                "" if written is None else written.isoformat(),
            )
        )
        for series, stamp, value, written in rows
    ]
    return "\n".join(["valid_at,series,value,written", *lines]).encode()


def deliveries(chance: random.Random) -> Iterator[tuple[datetime, bool, Rows]]:
    """When each comes, whether live, and its rows: with holes and empty values, off the grid, filled and corrected."""
    true: dict[tuple[str, datetime], float] = {}
    away: set[tuple[str, datetime]] = set()
    now = START + timedelta(hours=2)
    while now < END:
        first = max(START, now - timedelta(hours=chance.choice([1, 6, 40])))
        stamps = [START + n * SLOT for n in range(int((now - START) / SLOT))]
        for zone in ZONES:
            for stamp in stamps:
                if (zone, stamp) not in true:
                    true[zone, stamp] = round(chance.uniform(500, 700), 1)
                    if chance.random() < 0.15:
                        away.add((zone, stamp))
                elif chance.random() < 0.003:
                    true[zone, stamp] = round(true[zone, stamp] + 1, 1)
        away = {key for key in away if chance.random() < 0.8}
        rows: Rows = []
        for zone in ZONES:
            for stamp in (one for one in stamps if one >= first):
                if (zone, stamp) in away:
                    rows += [(zone, stamp, None)] if chance.random() < 0.5 else []
                    continue
                if chance.random() < 0.05:  # an earlier value of the slot, which counts only where it is the last
                    rows.append((zone, stamp - timedelta(seconds=chance.randrange(1, 299)), 444.0))
                off = timedelta(seconds=chance.randrange(1, 299)) if chance.random() < 0.1 else timedelta()
                rows.append((zone, stamp - off, true[zone, stamp]))
        by_time = sorted(rows, key=lambda row: (row[0], row[1]))
        yield now, chance.random() < 0.5, [row for n, row in enumerate(by_time) if row[:2] != by_time[n - 1][:2]]
        now += timedelta(minutes=chance.choice([5, 15, 60, 240]), seconds=chance.randrange(60))


def read(
    store: Store, table: Table, time: datetime, start: datetime, end: datetime, more: int = 0
) -> dict[object, float]:
    rows = store.as_of(table, "nyiso", at=time, start=start, end=end, delay_minutes=more)
    return {(series, valid): value for series, valid, value in rows["series", "valid_at", "value"].iter_rows()}


def questions(chance: random.Random, count: int) -> Iterator[tuple[datetime, datetime, datetime]]:
    for _ in range(count):
        time = START + chance.random() * (END - START + timedelta(hours=4))
        start = time - chance.random() * timedelta(hours=30)
        yield time, start, start + chance.random() * timedelta(hours=12)


@pytest.mark.parametrize(("seed", "delay"), [(1, 0), (2, 60)])
def test_power_as_of_any_time(tmp_path: Path, seed: int, delay: int) -> None:
    """Five hundred times in all, which takes some seconds."""
    chance, store, oracle = random.Random(seed), Store(tmp_path), Oracle(timedelta(minutes=delay))
    request = Request(region(Table.POWER, delay), Table.POWER, region(Table.POWER, delay).power)
    lives = 0
    for now, is_live, rows in deliveries(chance):
        received = now if is_live else None
        address = "live.csv" if is_live else "file.csv"
        data = csv([(*row, None) for row in rows])
        batch, _ = batch_of(request, Received(data, received_at=received), address, is_last=True)
        write(store, batch, now=now + SECOND)
        oracle.take_power(rows, now=now + SECOND, received=received, address=address)
        lives += is_live
    assert len(oracle.looks) > lives > 3
    told = [version for versions in oracle.versions.values() for version in versions]
    assert sum(version.is_computed for version in told) > 50
    assert max(map(len, oracle.versions.values())) > 1, "some are corrected"
    assert sum(not versions[0].is_computed for versions in oracle.versions.values()) > 50, "some came late"
    for time, start, end in questions(chance, TIMES):
        more = chance.choice([0, 60])
        expected = oracle.at(time, start, end, more=timedelta(minutes=more))
        assert read(store, Table.POWER, time, start, end, more) == expected


@pytest.mark.parametrize("seed", [3])
def test_vintages_as_of_any_time(tmp_path: Path, seed: int) -> None:
    """One address that is asked again and again: its publish times go up, down, and come twice."""
    chance, store, oracle = random.Random(seed), Store(tmp_path), Oracle(timedelta())
    of = region(Table.FORECAST, 0)
    assert of.forecast is not None
    request = Request(of, Table.FORECAST, of.forecast)
    now, before = START, None
    behind = 0
    for number in range(40):
        written = now - timedelta(minutes=chance.choice([1, 4, 30, 200]))
        hours = chance.sample(range(24), 12)
        rows = [
            (zone, CHANGE + timedelta(hours=h), round(chance.uniform(500, 700), 1)) for zone in ZONES for h in hours
        ]
        if before is not None and chance.random() < 0.3:
            written, rows = before[0], [*before[1], ("CENTRL", CHANGE, 500.0 + number)]
        behind += bool(oracle.looks) and oracle.looks[-1].at >= written
        data = csv([(*row, written) for row in rows])
        batch, _ = batch_of(request, Received(data, received_at=now), "forecast", is_last=True)
        write(store, batch, now=now + SECOND)
        oracle.take_forecast(rows, written=written, now=now + SECOND, received=now)
        before = written, rows[: 2 * len(hours)]
        now += timedelta(minutes=chance.choice([5, 30, 90]))
    assert behind > 5
    for _ in range(TIMES):
        time = START + chance.random() * (now - START)
        span = CHANGE, CHANGE + timedelta(hours=chance.randrange(24))
        assert read(store, Table.FORECAST, time, *span) == oracle.at(time, *span)
