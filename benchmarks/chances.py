#!/usr/bin/env python3
"""Chances of peaks, troughs and ramps on New York's half-year: are they as frequent as they say?

A LightGBM for each series, trained on what was known before July 2019 (or `--bundle FOLDER`), nowcasts every quarter
hour of the second half of 2019 with online calibration. At every hour, the chance of each happening of the coming hour
is counted among sample paths, as the service counts it, and held against what came. What is asked is fixed before:

- a peak above, or a trough below, each of 19 levels: the quantiles .05 to .95 of the series before July 2019;
- a rise, or a fall, by each of 9 ramps: the quantiles .1 to .9 of its largest rises and falls within an hour then.

In every bin of chances of .1 that has 200 cases, the mean chance and the frequency may differ by .05.
FOLDER holds the publisher's files as for `nyiso_2019h2.py`.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from ladder import FIRST, LAST, trained
from protocol import minute

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.collect.load import write_all
from power_nowcast.contracts import Panel
from power_nowcast.evaluate.backtest import truth
from power_nowcast.features.panel import history
from power_nowcast.ingest.catalog import with_source
from power_nowcast.jobs.period import span
from power_nowcast.regions import load
from power_nowcast.serve.chances import Happening
from power_nowcast.serve.drawn import CHANCE_PATHS
from power_nowcast.store import Store

NEAR, CASES, BINS = 0.05, 200, 10
LEVELS, RAMPS = np.linspace(0.05, 0.95, 19), np.linspace(0.1, 0.9, 9)
QUARTER = np.timedelta64(15, "m")
"""The calibration follows the outcomes of every quarter hour."""


def happenings(past_mw: np.ndarray, steps: int) -> Iterator[tuple[str, Happening]]:
    """What is asked about a series, by its kind.

    Args:
        past_mw: the series on its grid before the half-year, NaN where it is unknown.
        steps: intervals of the coming hour.
    """
    for level in np.nanquantile(past_mw, LEVELS):
        yield "peak", Happening(above_mw=float(level))
        yield "trough", Happening(below_mw=float(level))
    ahead = np.lib.stride_tricks.sliding_window_view(past_mw, steps + 1)
    change = ahead[:, 1:] - ahead[:, :1]
    change = change[np.isfinite(change).all(axis=1)]
    for ramp in np.quantile(change.max(axis=1), RAMPS):
        yield "rise", Happening(ramp_mw=float(max(ramp, 1e-3)))
    for ramp in np.quantile(change.min(axis=1), RAMPS):
        yield "fall", Happening(ramp_mw=float(min(ramp, -1e-3)))


def asked(bundle: Bundle, panel: Panel, every: int) -> pl.DataFrame:
    """A row for each happening, series and `every` issue time: its chance, and whether it came."""
    region, first = bundle.region, minute(FIRST)
    columns = [panel.series.index(name) for name in bundle.model.series]
    known = panel.power.values[panel.times < first][:, columns]
    questions = [list(happenings(series, len(region.steps_minutes))) for series in known.T]
    issues = np.arange(first, minute(LAST), QUARTER)
    nowcasts, _ = bundle.replay(panel, issues)
    block, places = bundle.features(panel, issues), range(0, len(issues), every)
    actual = truth(panel, region, issues, region.steps_minutes)[:, columns]
    rows = list[tuple[str, str, float, bool]]()
    for done, n in enumerate(places):
        origin, values = block.origin_mw[n], nowcasts.values[n]
        paths = bundle.paths(issues[n], values, block.age_minutes[n], CHANCE_PATHS)
        came = actual[n][:, None, :]
        for s, name in enumerate(bundle.model.series):
            if not (np.isfinite(paths[s]).all() and np.isfinite(came[s]).all()):
                continue
            for kind, one in questions[s]:
                chance, happened = (one.share(mw[s : s + 1], origin[s : s + 1])[0] for mw in (paths, came))
                rows.append((kind, name, float(chance), bool(happened)))
        if done % 500 == 0:
            print(f"{done:,} of {len(places):,} issue times", file=sys.stderr)
    schema = {"kind": pl.String, "series": pl.String, "chance": pl.Float64, "came": pl.Boolean}
    return pl.DataFrame(rows, schema, orient="row")


def reliability(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    """By bin of the chance: number of cases, mean chance, frequency, and how far these two are apart."""
    place = (pl.col("chance") * BINS).floor().clip(0, BINS - 1) / BINS
    found = rows.group_by(*by, bin=place).agg(
        n=pl.len(), chance=pl.col("chance").mean(), frequency=pl.col("came").mean()
    )
    return found.with_columns(apart=(pl.col("chance") - pl.col("frequency")).abs()).sort(*by, "bin")


def main() -> int:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--data", type=Path, required=True, help="folder of the publisher's files")
    made.add_argument("--store", type=Path, help="tables of these files, kept for the next run")
    made.add_argument("--bundle", type=Path, help="folder of the trained model; an existing one is used")
    made.add_argument("--train-every", type=int, default=15, help="minutes between issue times of training")
    made.add_argument(
        "--every", type=int, default=60, help="minutes between the issue times at which chances are asked"
    )
    made.add_argument("--json", type=Path, help="write the figures here")
    made.add_argument("--check", action="store_true", help="exit 1 if a bar is missed")
    options = made.parse_args()
    region = with_source(load("nyiso"), "nyiso", folder=str(options.data))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(options.store or folder)
        write_all(store, region)
        bundle = trained(store, region, options)
        rows = asked(bundle, history(store, region, *span(store, region)), options.every // 15)
    by_kind, by_series = reliability(rows, "kind"), reliability(rows, "kind", "series")
    with pl.Config(tbl_rows=-1, tbl_cols=-1, float_precision=3):
        print(by_kind, by_series.filter(pl.col("n") >= CASES).sort("apart", descending=True).head(20), sep="\n")
    if options.json:
        tables = {"by_kind": by_kind, "by_series": by_series}
        options.json.write_text(json.dumps({name: one.to_dicts() for name, one in tables.items()}, indent=1))
    words = missed_bins(by_kind) + missed_bins(by_series)
    for one in words if options.check else []:
        print(f"MISSED: {one}")
    return int(options.check and bool(words))


def missed_bins(table: pl.DataFrame) -> list[str]:
    """The bins with enough cases whose chance is further from the frequency than it may be."""
    full = table.filter(pl.col("n") >= CASES)
    if full.is_empty():
        return [f"no bin has {CASES} cases"]
    names = [name for name in ("kind", "series") if name in full.columns]
    return [
        f"{' of '.join(str(row[name]) for name in names)}, chances from {row['bin']:.1f}: {row['chance']:.3f} said, "
        f"{row['frequency']:.3f} came, of {row['n']:,} cases"
        for row in full.filter(~(pl.col("apart") <= NEAR)).iter_rows(named=True)
    ]


if __name__ == "__main__":
    sys.exit(main())
