"""One side of a comparison of two checkouts: it measures the installed package when it is told to.

It runs in a process of its own, with `power_nowcast` of this checkout or of an older one, so it uses only calls that
both have.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np

from power_nowcast.contracts import Table
from power_nowcast.features.build_features import build
from power_nowcast.features.panel import history, window
from power_nowcast.live.nowcaster import Nowcaster
from power_nowcast.regions import load
from power_nowcast.store import Store

NOWCASTS = 20
"""Nowcasts of one measurement."""
BUNDLES = ("power_nowcast.bundle.bundle", "power_nowcast.models.bundle")
"""Where the class of bundles lives, and where it lived before."""


def take(data: str, model: str) -> None:
    """Write one line of JSON about the features, then one with wall-clock and processor seconds for every line read.

    Args:
        data: folder of the tables, with New York's sample in them.
        model: folder of a bundle of New York.
    """
    region, store, bundle = load("nyiso"), Store(Path(data)), _bundles().load(Path(model))
    start, end = store.span(Table.POWER, region.name)
    panel = history(store, region, start, end)
    live, caster = window(store, region, end), Nowcaster(bundle)
    # The issue times whose whole history is there.
    issues = panel.times[np.searchsorted(panel.times, panel.start + np.timedelta64(bundle.spec.history_minutes, "m")) :]
    works: dict[str, Callable[[], object]] = {
        "features": lambda: build(panel, region, issues, bundle.spec),
        "nowcast": lambda: [caster.nowcast(live, live.end) for _ in range(NOWCASTS)],
    }
    for work in works.values():
        work()  # compiled, or read from the cache
    x = build(panel, region, issues, bundle.spec).x
    _say({"rows": len(issues) * len(region.series), "sha256": hashlib.sha256(x.tobytes()).hexdigest()})
    for line in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        works[line.strip()]()
        _say([time.perf_counter() - wall, time.process_time() - processor])


def _bundles() -> type:
    for name in BUNDLES:
        try:
            return import_module(name).Bundle
        except ModuleNotFoundError as error:
            if not name.startswith(error.name or "-"):
                raise
    raise SystemExit(f"This checkout has its bundles in none of {', '.join(BUNDLES)}.")


def _say(told: object) -> None:
    print(json.dumps(told), flush=True)
