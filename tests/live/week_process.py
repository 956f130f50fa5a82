"""New York's loop in a process of its own: FOLDER BEGIN UNTIL. It goes from interval to interval without waiting.

Its first interval is the one after the newest publication. Its data are what had become known by the loop's time.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from power_nowcast.contracts import VALUES
from power_nowcast.live.loop import Loop
from power_nowcast.live.records import newest
from power_nowcast.live.slot import Fetched, ModelSlot
from power_nowcast.regions import load
from power_nowcast.store import Store

ROWS = [name for name in VALUES if name != "first_seen_at"]
REACH = timedelta(hours=3)
"""What a process that was killed has not written is written by the next one."""


def main(folder: Path, begin: datetime, until: datetime) -> None:
    region, whole, store = load("nyiso"), Store(folder / "whole"), Store(folder / "data")
    digest = (folder / "digest").read_text()
    slot = ModelSlot(region, lambda: Fetched(folder / "bundle", "1", digest), folder / "cache")
    slot.load()
    now = begin

    class Collector:
        due = begin

        def step(self) -> None:
            for table in region.specs:
                rows = whole.versions(table, region.name, start=now - 8 * REACH)
                new = pl.col("available_at").is_between(now - REACH, now)
                store.append(table, rows.filter(new).select(ROWS), now=now, are_versions=True)

    loop = Loop(store, region, slot, Collector(), lambda: now)
    found = newest(store, region.name)
    now = begin if found is None else found.issue_time + region.interval
    while now <= until:
        loop.step()
        now += region.interval


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(datetime.fromisoformat(text).astimezone(UTC) for text in sys.argv[2:]))
