import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast import contracts, regions
from power_nowcast.collect import write_all
from power_nowcast.contracts import Table
from power_nowcast.ingest import with_source
from power_nowcast.regions import Region
from power_nowcast.store import Store

START = datetime(2024, 1, 31, 23, 0, tzinfo=UTC)

type Row = tuple[str, int, float | None]
type MakeRows = Callable[..., pl.DataFrame]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "a store", wait_seconds=0.2)


@pytest.fixture
def make_rows() -> MakeRows:
    return rows_of


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def rows_of(
    *rows: Row, region: str = "nyiso", basis: str = "delay", delay: int = 0, source: str = "test"
) -> pl.DataFrame:
    """Rows for the store of (series, minutes after START, value); `delay` minutes until they are available."""
    return pl.DataFrame(
        {
            "region": [region] * len(rows),
            "series": [series for series, _, _ in rows],
            "valid_at": [at(minute) for _, minute, _ in rows],
            "value": [value for _, _, value in rows],
            "available_at": [at(minute + delay) for _, minute, _ in rows],
            "basis": [basis] * len(rows),
            "source": [source] * len(rows),
        },
        schema={name: dtype for name, dtype in contracts.VALUES.items() if name != "first_seen_at"},
    )


ZONES = tuple(zone.name for zone in regions.load("nyiso").zones)
DAYS = 6

SCRIPT = """
import sys
from power_nowcast import regions
from power_nowcast.ingest import with_source
from power_nowcast.collect import write_all
from power_nowcast.store import Store
region = with_source(regions.load("nyiso"), "files", files=sys.argv[2])
print("ready", flush=True)
report = write_all(Store(sys.argv[1]), region, progress=lambda batch, rows: print(batch.origin, flush=True))
print("stored", report.stored, flush=True)
"""


def new_york(folder: Path) -> Region:
    """New York with load in a file a day, each with one bad row; the last file corrects a value of the first."""
    for day in range(DAYS):
        start = datetime(2024, 2, 27, tzinfo=UTC) + timedelta(days=day)
        lines = [
            f"{(start + timedelta(minutes=5 * slot)).isoformat()},{zone},{600 + (slot * 7 + number) % 100}"
            for slot in range(288)
            for number, zone in enumerate(ZONES)
        ]
        bad = [f"{start.isoformat()},NOWHERE,1"]
        corrected = ["2024-02-27T00:00:00+00:00,NORTH,501"] if day == DAYS - 1 else []
        text = "\n".join(["valid_at,series,value", *lines, *bad, *corrected])
        (folder / f"2024-{start:%m-%d}.csv").write_text(text)
    loaded = regions.load("nyiso").model_copy(update={"forecast": None, "weather": None})
    return with_source(loaded, "files", files=str(folder / "*.csv"))


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return new_york(tmp_path)


def start_ingest(root: Path | str, folder: Path) -> subprocess.Popen[str]:
    script = SCRIPT.replace(
        'regions.load("nyiso")', 'regions.load("nyiso").model_copy(update={"forecast": None, "weather": None})'
    )
    command = [sys.executable, "-W", "error", "-c", script, str(root), str(folder / "*.csv")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def manifests(store: Store) -> tuple[int, str, int, int]:
    """What must not depend on interruptions: the rows, the bad rows, the days of the calendar."""
    manifest = store.manifest(Table.POWER, "nyiso")
    return manifest.rows, manifest.sha256, len(store.read_quarantine("nyiso")), len(store.read_calendar("nyiso"))


@pytest.fixture
def whole(region: Region, tmp_path: Path) -> tuple[int, str, int, int]:
    store = Store(tmp_path / "whole")
    write_all(store, region)
    return manifests(store)
