#!/usr/bin/env python3
"""The speed of the store on two years of data: ingest, repeated ingest, appends and reads, beside an ingest by pandas.

FOLDER holds `nyiso/pal`, the publisher's monthly archives. Each part runs in its own process, which reports its peak
memory: 1. ingest of the archives into a fresh store; 2. the same again; 3. a month of five-minute appends, one slot
each; 4. after each of some further appends, an as-of read of the last 28 days, and the grid of 12 series that features
read; 5. the same grid in a new process; 6. the same archives by pandas alone (read_csv, concat, pivot, to_parquet),
without checks, corrections or versions. The benchmark does not compare gridstatus: its releases exclude the pandas that
this project uses.
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from bars import figures_missed

from power_nowcast.collect import write_all
from power_nowcast.contracts import ROWS, VALUES, Panel, Table
from power_nowcast.features.panel import assemble
from power_nowcast.ingest import with_source
from power_nowcast.regions import Region, load
from power_nowcast.store import Store
from power_nowcast.workers import processes

BARS = {"ingest_seconds": 20.0, "again_seconds": 3.0, "read_ms": 50.0, "peak_gb": 1.5}
DAYS_OF_APPENDS = 30
DAYS_READ = 28
READS = 25
PUBLISHED_AFTER = timedelta(seconds=40)

type Figures = dict[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="holds nyiso/pal")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    parser.add_argument("--days", type=int, default=DAYS_OF_APPENDS, help="days of five-minute appends")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options.data / "nyiso", Path(folder), options.days)
    for name, value in figures.items():
        print(f"{name:24} {value:>14,.3f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    missed = figures_missed(figures, BARS) if options.check else []
    for words in missed:
        print(f"MISSED: {words}")
    return int(bool(missed))


def measure(data: Path, folder: Path, days: int) -> Figures:
    """The figures of all parts, one after the other."""
    root = folder / "data"
    peaks: Figures = {}

    def part(work: Callable[..., Figures], *arguments: object) -> Figures:
        with processes(1) as process:
            figures, peaks[work.__name__] = process.submit(_with_peak, work, *arguments).result()
        return figures

    figures = part(ingest, data, root)
    again = part(ingest, data, root)
    by_pandas = part(pandas_ingest, data, folder / "plain.parquet")
    return {
        "rows": figures["rows"],
        "ingest_seconds": figures["seconds"],
        "again_seconds": again["seconds"],
        "again_rows": again["rows"],
        "pandas_seconds": by_pandas["seconds"],
        "ingest_over_pandas": figures["seconds"] / by_pandas["seconds"],
        **part(append, root, days),
        **part(first_read, root),
        **part(read, root),
        "peak_gb": max(peak for name, peak in peaks.items() if name != "pandas_ingest"),
        "pandas_peak_gb": peaks["pandas_ingest"],
    }


def ingest(data: Path, root: Path) -> Figures:
    """Ingest the archives into the store."""
    begin = time.perf_counter()
    report = write_all(Store(root), with_source(load("nyiso"), "nyiso", folder=str(data)), tables=[Table.POWER])
    return {"seconds": time.perf_counter() - begin, "rows": report.stored}


def pandas_ingest(data: Path, file: Path) -> Figures:
    """Write the archives as one Parquet file by pandas: UTC, a column a zone, the last of several values of a stamp."""
    import pandas as pd  # noqa: PLC0415 - the other parts do without, and so does their memory

    begin = time.perf_counter()
    frames = []
    for archive in sorted((data / "pal").glob("*pal_csv.zip")):
        with zipfile.ZipFile(archive) as members:
            for name in members.namelist():
                with members.open(name) as member:
                    frames.append(pd.read_csv(member))
    rows = pd.concat(frames)
    local = pd.to_datetime(rows["Time Stamp"], format="%m/%d/%Y %H:%M:%S")
    rows["valid_at"] = (local + pd.to_timedelta(rows["Time Zone"].map({"EST": 5, "EDT": 4}), "h")).dt.tz_localize("UTC")
    wide = rows.pivot_table(index="valid_at", columns="Name", values="Load", aggfunc="last")
    wide.to_parquet(file)
    return {"seconds": time.perf_counter() - begin, "rows": float(wide.count().sum())}


def append(root: Path, days: int) -> Figures:
    """Append the last days' values again, a slot at a time, with later times, as if they came in live."""
    store = Store(root)
    seconds = []
    for slot in _slots(store, days):
        begin = time.perf_counter()
        report = store.append(Table.POWER, slot, now=slot["available_at"][0])
        seconds.append(time.perf_counter() - begin)
        assert report.added == len(slot)
    milliseconds = sorted(1000 * second for second in seconds)
    return {
        "appends": len(seconds),
        "append_mean_ms": statistics.mean(milliseconds),
        "append_median_ms": statistics.median(milliseconds),
        "append_p99_ms": milliseconds[int(0.99 * len(milliseconds))],
        "append_last_day_ms": 1000 * statistics.mean(seconds[-288:]),
    }


def first_read(root: Path) -> Figures:
    """Time the grid in a process that has read nothing yet."""
    region, store = load("nyiso"), Store(root)
    begin = time.perf_counter()
    _grid(store, region, store.last(Table.POWER, region.name))
    return {"first_grid_ms": 1000 * (time.perf_counter() - begin)}


def read(root: Path) -> Figures:
    """Medians of an as-of read, and of the read with its grid of 12 series, after each of some further appends."""
    store, region = Store(root), load("nyiso")
    whole, of_the_store = [], []
    for slot, _ in zip(_slots(store, 1), range(READS), strict=False):
        store.append(Table.POWER, slot, now=slot["available_at"][0])
        begin = time.perf_counter()
        panel, as_of_seconds = _grid(store, region, slot["valid_at"][0])
        whole.append(1000 * (time.perf_counter() - begin))
        of_the_store.append(1000 * as_of_seconds)
        assert panel.power.values.shape == (DAYS_READ * 288 + 1, 12)
    return {"read_ms": statistics.median(of_the_store), "grid_ms": statistics.median(whole)}


def _grid(store: Store, region: Region, end: datetime) -> tuple[Panel, float]:
    start, alone = end - timedelta(days=DAYS_READ), region.model_copy(update={"forecast": None, "weather": None})
    begin = time.perf_counter()
    rows = store.as_of(Table.POWER, region.name, at=end + PUBLISHED_AFTER, start=start, end=end)
    seconds = time.perf_counter() - begin
    frames = {Table.POWER: rows, Table.WEATHER: pl.DataFrame(schema=VALUES)}
    return assemble(alone, frames, start, end, known_at=end + PUBLISHED_AFTER), seconds


def _slots(store: Store, days: int) -> Iterator[pl.DataFrame]:
    """The rows of each slot of the last days, moved to as many days later, as live deliveries."""
    later = timedelta(days=days)
    last = store.last(Table.POWER, "nyiso")
    past = store.as_of(Table.POWER, "nyiso", start=last - later + timedelta(minutes=5), end=last)
    rows = past.with_columns(
        valid_at=pl.col("valid_at") + later,
        available_at=pl.col("valid_at") + later + PUBLISHED_AFTER,
        basis=pl.lit("seen"),
    ).select(ROWS.names())
    yield from rows.sort("valid_at").partition_by("valid_at", maintain_order=True)


def _with_peak(work: Callable[..., Figures], *arguments: object) -> tuple[Figures, float]:
    figures = work(*arguments)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return figures, kilobytes * 1024 / 1e9 if sys.platform == "linux" else kilobytes / 1e9


if __name__ == "__main__":
    sys.exit(main())
