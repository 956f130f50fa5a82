#!/usr/bin/env python3
"""The speed of features and of nowcasts, beside the same model through MLflow's pyfunc on a DataFrame.

It trains its own ensemble on the embedded sample, or takes the one of `--bundle FOLDER`, where an accuracy benchmark
keeps its model. Then it measures medians of five: bulk features of all families; a nowcast of every series, step and
quantile from the live window, by the ensemble and by each member alone; the ensemble's nowcast through pyfunc; and the
difference between a nowcast and the same row of a bulk answer.

`--against CHECKOUT` compares features and nowcasts with those of another commit instead, side by side: `against.py`.
`git worktree add --detach CHECKOUT COMMIT` makes such a folder, and `make -C CHECKOUT setup` its packages.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from against import compare
from bars import figures_missed
from numpy.typing import NDArray

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.train import examples, train_bundle
from power_nowcast.collect.load import write_all
from power_nowcast.contracts import Panel, Table
from power_nowcast.features.build_features import build
from power_nowcast.features.panel import history, window
from power_nowcast.features.rows import to_rows
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.live.nowcaster import Nowcaster
from power_nowcast.models.examples import Split
from power_nowcast.models.kinds import create
from power_nowcast.regions import Region, load
from power_nowcast.settings import settings
from power_nowcast.store import Store
from power_nowcast.workers import processes

AT_LEAST = {"features_rows_per_second": 100_000.0}
AT_MOST = {"nowcast_p50_ms": 25.0, "fastest_member_p50_ms": 5.0, "bulk_to_single_mw": 1e-6}
AGAINST_AT_LEAST = {"features_times_other": 1.6, "features_same": 1.0}
AGAINST_AT_MOST = {"nowcast_of_other": 0.65}
"""Bars of `--against` 6a81f6c, the last commit before a family of features was one object."""
BULK_ROWS = 200
ROUNDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="measure this model of New York")
    parser.add_argument("--against", type=Path, help="a checkout of another commit to compare with")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--check", action="store_true", help="exit 1 where a bar is missed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.against:
            figures, bars = compare(options.against, Path(folder), options.bundle), (AGAINST_AT_MOST, AGAINST_AT_LEAST)
        else:
            figures, bars = measure(Path(folder), options.bundle), (AT_MOST, AT_LEAST)
    for name, value in figures.items():
        print(f"{name:32} {value:>14,.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    missed = figures_missed(figures, *bars) if options.check else []
    for words in missed:
        print(f"MISSED: {words}")
    return int(bool(missed))


def measure(folder: Path, kept: Path | None) -> dict[str, float]:
    """All figures, measured side by side in this process."""
    region = load("nyiso")
    store = Store(folder / "data")
    write_all(store, region)
    start, end = store.span(Table.POWER, region.name)
    panel = history(store, region, start, end)
    bundle = Bundle.load(kept) if kept else _trained(panel, region)
    spec = bundle.spec

    # The days that have their whole history.
    issues = panel.times[np.searchsorted(panel.times, panel.start + np.timedelta64(spec.history_minutes, "m")) :]
    build(panel, region, issues[:1], spec)  # compiled, or read from the cache
    once = _median(lambda: build(panel, region, issues, spec))
    live = window(store, region, end)
    answer = _p50(bundle, live)
    members = {one.kind: _p50(replace(bundle, model=one), live) for one in getattr(bundle.model, "members", ())}
    bundle.save(folder / "bundle")
    through_mlflow = _pyfunc(folder, bundle, to_rows(live, region).to_pandas())
    return {
        "features_rows_per_second": len(issues) * len(region.series) / once,
        "nowcast_p50_ms": 1000 * answer,
        **{f"{kind}_p50_ms": 1000 * seconds for kind, seconds in members.items()},
        "fastest_member_p50_ms": 1000 * min(members.values(), default=answer),
        "bulk_to_single_mw": _bulk_to_single(bundle, panel),
        "pyfunc_p50_ms": 1000 * through_mlflow,
        "pyfunc_over_nowcast": through_mlflow / answer,
    }


def _trained(panel: Panel, region: Region) -> Bundle:
    spec = FeatureSpec.for_interval(region.interval_minutes)
    split = Split.of(panel, spec, valid_days=30, test_days=30)
    parts = split.parts(examples(panel, region, split.issue_times(15), spec), max(spec.knots))
    with processes(settings().workers) as pool:
        model = create("ensemble", region.series, spec.knots)
        return train_bundle(region, spec, model, parts["train"], parts["valid"], executor=pool)[0]


def _p50(bundle: Bundle, live: Panel) -> float:
    """Seconds of a nowcast from the window in memory."""
    caster = Nowcaster(bundle)
    caster.nowcast(live, live.end)
    return _median(lambda: [caster.nowcast(live, live.end) for _ in range(20)]) / 20


def _bulk_to_single(bundle: Bundle, panel: Panel) -> float:
    """Largest difference in MW between answers to many issue times at once and to each one alone."""
    issues = panel.times[-BULK_ROWS:]
    whole = bundle.predict(panel, issues).values
    each = [bundle.predict(panel, issues[n : n + 1]).values[0] for n in range(0, BULK_ROWS, 10)]
    return furthest_apart(whole[::10], np.stack(each))


def furthest_apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Largest difference of two answers; infinite if only one of two values is a number, NaN if no value is."""
    if (np.isnan(one) != np.isnan(other)).any():
        return float("inf")
    apart = np.abs(one - other)
    return float(np.nanmax(apart)) if np.isfinite(apart).any() else float("nan")


def _pyfunc(folder: Path, bundle: Bundle, rows: object) -> float:
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    from power_nowcast.mlflow_client import packaging  # noqa: PLC0415 - after the environment is set

    packaging.save(bundle, folder / "bundle", folder / "pyfunc")
    import mlflow  # noqa: PLC0415

    model = mlflow.pyfunc.load_model(str(folder / "pyfunc"))
    frame = rows.assign(valid_at=rows["valid_at"].map(lambda time: time.isoformat()))
    model.predict(frame)
    return _median(lambda: model.predict(frame))


def _median(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


if __name__ == "__main__":
    sys.exit(main())
