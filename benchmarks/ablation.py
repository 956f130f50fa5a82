#!/usr/bin/env python3
"""The worth of each idea on New York's load: each row leaves one idea out, or makes another choice.

Trains on 2018 and judges January to June 2019; it does not read the test half-year of the protocol. FOLDER is that of
`nyiso_2019h2.py`. `--row NAME` (repeatable) makes those rows only; without it, the script makes all rows that are not
marked as long. `--json FILE` keeps the figures of earlier rows, so that rows can be made one at a time.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bars import figures_missed
from numpy.typing import NDArray
from pooled import fit_pooled
from protocol import aware, minute

from power_nowcast.bundle.outcomes import at_knots, local_hours, origin_times, target_times
from power_nowcast.bundle.tracking import STEPS, STEPS_BEFORE, Steps
from power_nowcast.bundle.train import examples, fit_and_judge
from power_nowcast.collect.load import write_all
from power_nowcast.contracts import MEDIAN, QUANTILES, FeatureBlock, Floats, Table
from power_nowcast.features.families import family_of
from power_nowcast.features.panel import history
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.ingest.catalog import with_source
from power_nowcast.models.ensemble import DEFAULT
from power_nowcast.models.examples import Examples
from power_nowcast.models.kinds import create
from power_nowcast.regions import Region, load
from power_nowcast.scoring import pinball_losses
from power_nowcast.settings import settings
from power_nowcast.store import Store
from power_nowcast.workers import processes

TRAIN_END, LAST = "2019-01-01 00:00", "2019-06-30 22:45"
VALID_DAYS, HORIZONS = 60, (15, 30, 45, 60)
JUDGED = ("NYCA", "N.Y.C.", "NORTH")
REGIME_HORIZON = 60
OPTIONAL = {"holidays": ("is_", "day_hours"), "quality of the data": ("flagged_", "minutes_since_", "lateness_")}
"""Optional families of features, and the prefixes of the names of their columns."""
TRACKED: dict[str, Steps] = {
    "frozen": STEPS.times(0.0),
    "half": STEPS.times(0.5),
    "before": STEPS_BEFORE,
    "no hours": STEPS._replace(hour=0.0, median=0.0),
    "median still": STEPS._replace(median=0.0),
    "skew still": STEPS._replace(skew=0.0),
    "as it is": STEPS,
    "double": STEPS.times(2.0),
}
"""Steps of online calibration; `before` are those of bundles up to format 8."""
QUICK = {"refit": False}
"""Rows compare networks that were trained on the first part only, which takes half the time."""
LOCAL = {**DEFAULT["mlp_local"], **QUICK}


@dataclass(frozen=True)
class Row:
    """A choice: the model with its options, families of features left out, optional ones taken in, and the series.

    With `pooled` one model learns the rows of all series; with `by_sum` the total's median is the sum of the zones'.
    """

    words: str
    kind: str = "mlp"
    options: Mapping[str, Any] = field(default_factory=lambda: QUICK)
    without: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    series: tuple[str, ...] | None = None
    train_every: int = 5
    pooled: bool = False
    by_sum: bool = False
    long: bool = False


ROWS: dict[str, Row] = {
    "all": Row("the network with every input"),
    "no-operator": Row("without the operator's forecast", without=("operator's forecast",)),
    "no-past-days": Row("without the same time on past days", without=("same time, past days",)),
    "no-analogs": Row("without analog days", without=("analog_ramp",)),
    "no-sharp": Row("without the unsmoothed mean ramp of the type of day", without=("sharp_ramp",)),
    "no-level": Row("without today against past days", without=("level against past days",)),
    "no-sun": Row("without sun and season", without=("sun and season",)),
    "no-weather": Row("without weather", without=("weather",)),
    "no-recent": Row("without recent ramps", without=("recent hours",)),
    "ranges": Row("with the range of past hours", options={**QUICK, "without": ()}),
    "by-sum": Row("the state as the sum of its zones", by_sum=True),
    "holidays": Row("with the features of holidays", extra=("holidays",)),
    "quality": Row("with the quality of the data", extra=("quality of the data",)),
    "one-series": Row("one network for NYCA alone, with the zones' ramps", series=("NYCA",)),
    "alone": Row(
        "own history, calendar and weather", series=("NYCA",), without=("operator's forecast", "other series")
    ),
    "absolute": Row("absolute loss for the median", options={**QUICK, "huber": 1e-3}),
    "squared": Row("squared loss for the median", options={**QUICK, "huber": 100.0}),
    "quarter-hours": Row("trained on every quarter hour", train_every=15),
    "wide": Row("512 wide", options={**QUICK, "width": 512}),
    "seed-2": Row("another seed", options={**QUICK, "seed": 2}),
    "ramp": Row("persistence plus last week's ramp", kind="persistence_ramp", options={}),
    "lightgbm": Row("LightGBM", kind="lightgbm", options={}, series=JUDGED, train_every=15, long=True),
    "lightgbm-alone": Row(
        "LightGBM on NYCA's own history, calendar and weather", kind="lightgbm", options={}, series=("NYCA",),
        without=("operator's forecast", "other series"), train_every=15, long=True,
    ),
    "lightgbm-no-ranges": Row(
        "LightGBM without the range of past hours", kind="lightgbm", options={}, series=JUDGED,
        without=("range of past hours",), train_every=15, long=True,
    ),
    "pooled": Row(
        "one LightGBM for all series, on every half hour", kind="lightgbm", options={}, train_every=30, pooled=True,
        long=True,
    ),
    "xgboost": Row("XGBoost", kind="xgboost", options={}, series=JUDGED, train_every=15, long=True),
    "mlp-global": Row("the network with last layers that all series share", kind="mlp_global"),
    "mlp-local": Row("a network for each series", kind="mlp_local", options=LOCAL, series=JUDGED),
    "mlp-local-no-ranges": Row(
        "a network for each series, without the range of past hours", kind="mlp_local", options=LOCAL, series=JUDGED,
        without=("range of past hours",),
    ),
    "lstm": Row("an LSTM over each series' last ramps", kind="lstm", long=True),
    "tft": Row("a small temporal fusion transformer", kind="tft", long=True),
    "refit": Row("the network as it is served, trained once more on all", options={}, long=True),
    "ensemble": Row("the ensemble", kind="ensemble", options={}, long=True),
}  # fmt: skip


BARS: dict[str, dict[str, tuple[float, ...]]] = {
    "all": {"NYCA": (0.229, 0.295, 0.362, 0.429), "N.Y.C.": (0.294, 0.357, 0.419, 0.481)},
    "lightgbm": {"NYCA": (0.237, 0.301, 0.364, 0.432), "N.Y.C.": (0.292, 0.352, 0.413, 0.473)},
    "ensemble": {
        "NYCA": (0.223, 0.284, 0.342, 0.402),
        "N.Y.C.": (0.285, 0.341, 0.394, 0.449),
        "NORTH": (8.30, 10.06, 11.38, 12.37),
    },
}
"""Maximum errors of a row: those of docs/benchmarks.md plus 1 %, plus 2 % for the network, whose seeds differ."""


@dataclass(frozen=True)
class Data:
    """Examples of the whole period with every column, and the outcomes that calibration may use."""

    region: Region
    known: Examples
    first_known: tuple[Floats, NDArray[Any]]

    @classmethod
    def read(cls, folder: Path, spec: FeatureSpec) -> "Data":
        region = with_source(load("nyiso"), "nyiso", folder=str(folder))
        region = region.model_copy(update={"features": ("quality", "holidays")})
        with tempfile.TemporaryDirectory() as made:
            store = Store(made)
            write_all(store, region)
            start, _ = store.span(Table.POWER, region.name)
            assert start is not None
            panel = history(store, region, start, aware(minute("2019-07-01")))
        begins = panel.start + np.timedelta64(spec.minimum_history_minutes // 60 + 1, "h")
        issues = np.arange(begins, minute(LAST) + np.timedelta64(1, "m"), np.timedelta64(5, "m"))
        known = examples(panel, region, issues, spec)
        return cls(region, known, at_knots(panel, region, known.block, spec.knots))


def chosen_columns(block: FeatureBlock, row: Row) -> FeatureBlock:
    """The block with the columns of this row; `without` has names of families, or parts of the names of features."""

    def stays(name: str) -> bool:
        for family, beginnings in OPTIONAL.items():
            if name.startswith(beginnings):
                return family in row.extra
        return not any(part == family_of(name) or part in name for part in row.without)

    keep = [n for n, name in enumerate(block.names) if stays(name)]
    chosen = block.only(row.series or block.series)
    return replace(
        chosen,
        names=tuple(block.names[n] for n in keep),
        horizons=tuple(block.horizons[n] for n in keep),
        x=np.ascontiguousarray(chosen.x[..., keep]),
    )


def make(row: Row, data: Data, spec: FeatureSpec) -> dict[str, Any]:
    """Train and judge one row.

    Returns:
        Its figures: by series MAPE or MAE, pinball of .1/.5/.9 in MW and coverage at `HORIZONS`; seconds of training.
    """
    issued, end = data.known.block.issue_times, minute(TRAIN_END)
    border, reach = end - np.timedelta64(VALID_DAYS, "D"), np.timedelta64(max(spec.knots), "m")
    columns = [data.known.block.series.index(name) for name in row.series or data.known.block.series]
    on_step = issued.astype(np.int64) % row.train_every == 0
    quarters = issued.astype(np.int64) % 15 == 0

    def part(chosen: NDArray[np.bool_]) -> Examples:
        return Examples(chosen_columns(data.known.block.take(chosen), row), data.known.outcome_mw[chosen][:, columns])

    train = part(on_step & (issued + reach < border))
    valid = part(on_step & (issued >= border) & (issued + reach < end))
    chosen = quarters & (issued >= end)
    judged = part(chosen)
    begin = time.perf_counter()

    def progress(text: str) -> None:
        print(f"  {text}", file=sys.stderr)

    median_most = STEPS.median
    with processes(settings().workers) as pool:
        if row.pooled:
            parts = train, valid, judged
            raw, calibration = fit_pooled(data.region, row.kind, row.options, parts, spec.knots, pool, progress)
        else:
            model = create(row.kind, train.block.series, spec.knots, **row.options)
            found = fit_and_judge(data.region, model, train, valid, executor=pool, progress=progress)
            raw, calibration, median_most = model.predict(judged.block), found.calibration, model.median_step
    seconds = time.perf_counter() - begin
    if row.by_sum:
        raw[:, 0] += (raw[:, 1:, :, MEDIAN].sum(axis=1) - raw[:, 0, :, MEDIAN])[..., None]
    outcome, known_at = (values[chosen][:, columns] for values in data.first_known)
    hours = local_hours(target_times(judged.block, spec.knots), data.region.timezone)
    calibrated = {
        name: calibration.follow(
            raw,
            hours,
            outcome,
            judged.block.issue_times,
            known_at,
            origin_times(judged.block),
            steps._replace(median=min(steps.median, median_most)),
        )[0]
        for name, steps in TRACKED.items()
    }
    values = calibrated["as it is"]
    where = regimes(data.region, data.known.block, chosen)
    return {
        "words": row.words,
        "seconds": round(seconds, 1),
        "series": figures(values, judged, spec),
        "calibration": {name: cells(one, judged, hours, spec) for name, one in calibrated.items()},
        "regimes": by_regime(values[:, 0, spec.knots.index(REGIME_HORIZON)], judged, spec, where),
    }


def regimes(region: Region, block: FeatureBlock, chosen: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """The chosen issue times of each regime, found from the total's features."""
    issued = block.issue_times[chosen]
    x = block.x[chosen, 0]
    day = x[:, block.names.index("KLGA.temperature_c_mean_1440m")]
    shift = np.abs(x[:, block.names.index("excess_15m_type")])
    found = {
        "holidays": x[:, block.names.index("is_holiday")] > 0,
        "coldest twentieth": day <= np.nanquantile(day, 0.05),
        "hottest twentieth": day >= np.nanquantile(day, 0.95),
        "after a sudden shift": shift >= np.nanquantile(shift, 0.98),
        "from 6 to 10": np.isin(local_hours(issued, region.timezone), (6, 7, 8, 9)),
        "weekends": np.isin(x[:, block.names.index("weekday")], (6, 7)),
    }
    return {"all": np.ones(len(issued), bool), **found}


def by_regime(
    values: Floats, judged: Examples, spec: FeatureSpec, where: Mapping[str, NDArray[np.bool_]]
) -> dict[str, dict[str, float]]:
    """Issue times, MAPE in percent and coverage of 10-90 of the first series at `REGIME_HORIZON` minutes."""
    y = judged.outcome_mw[:, 0, spec.knots.index(REGIME_HORIZON)]
    known = np.isfinite(y) & np.isfinite(values).all(axis=-1)
    off = 100 * np.abs(values[:, MEDIAN] - y) / np.abs(y)
    inside = (y >= values[:, QUANTILES.index(0.1)]) & (y <= values[:, QUANTILES.index(0.9)])
    return {
        name: {
            "n": int((known & mask).sum()),
            "MAPE": round(float(off[known & mask].mean()), 4),
            "coverage": round(float(inside[known & mask].mean()), 3),
        }
        for name, mask in where.items()
    }


def figures(values: Floats, judged: Examples, spec: FeatureSpec) -> dict[str, dict[str, list[float]]]:
    """By series: MAPE in percent, MAE and pinball (.1/.5/.9) in MW, coverage of 10-90, each at `HORIZONS`."""
    found: dict[str, dict[str, list[float]]] = {}
    places = [spec.knots.index(horizon) for horizon in HORIZONS]
    three = [QUANTILES.index(level) for level in (0.1, 0.5, 0.9)]
    for s, name in enumerate(judged.block.series):
        if name not in JUDGED:
            continue
        cells = []
        for k in places:
            y, q = judged.outcome_mw[:, s, k], values[:, s, k]
            known = np.isfinite(y) & np.isfinite(q).all(axis=-1)
            y, q = y[known], q[known]
            off = np.abs(q[:, MEDIAN] - y)
            loss = pinball_losses(y, q[:, three], (0.1, 0.5, 0.9)).mean()
            inside = (y >= q[:, three[0]]) & (y <= q[:, three[2]])
            cells.append((100 * (off / np.abs(y)).mean(), off.mean(), loss, inside.mean()))
        found[name] = {
            key: [round(float(cell[n]), 4) for cell in cells]
            for n, key in enumerate(("MAPE", "MAE", "pinball", "coverage"))
        }
    return found


def cells(values: Floats, judged: Examples, hours: NDArray[np.int64], spec: FeatureSpec) -> dict[str, float]:
    """Smallest and largest coverage of 10-90 over months and 4-hour blocks, and the pinball of .1/.9 in MW of NYCA."""
    shares, losses = [], []
    month = judged.block.issue_times.astype("datetime64[M]")
    ends = QUANTILES.index(0.1), QUANTILES.index(0.9)
    for s, name in enumerate(judged.block.series):
        for k in (spec.knots.index(horizon) for horizon in HORIZONS) if name in JUDGED else ():
            y, q = judged.outcome_mw[:, s, k], values[:, s, k][:, ends]
            known = np.isfinite(y) & np.isfinite(q).all(axis=-1)
            inside = (y >= q[:, 0]) & (y <= q[:, 1])
            for group in (month, hours[:, s, k] // 4):
                shares += [inside[known & (group == one)].mean() for one in np.unique(group[known])]
            if s == 0:
                losses.append(pinball_losses(y[known], q[known], (0.1, 0.9)).mean())
    return {
        "least": round(float(min(shares)), 3),
        "most": round(float(max(shares)), 3),
        "pinball": round(float(np.mean(losses)), 3) if losses else float("nan"),
    }


def table(rows: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """Rows side by side: MAPE in percent of `NYCA` and `N.Y.C.`, MAE in MW of `NORTH`, mean change of NYCA's MAPE."""
    base = rows.get("all", {}).get("series", {}).get("NYCA")
    made = []
    for name, row in rows.items():
        line: dict[str, Any] = {"row": name}
        for series in JUDGED:
            key = _error(series)
            own = row["series"].get(series, {}).get(key)
            digits = 3 if key == "MAPE" else 2
            line[series] = "/".join(f"{value:.{digits}f}" for value in own) if own else "-"
        own = row["series"].get("NYCA")
        both = zip(own["MAPE"], base["MAPE"], strict=True) if own and base else ()
        gap = np.mean([a / b - 1 for a, b in both]) if own and base else np.nan
        made.append(line | {"worse %": round(float(100 * gap), 1), "seconds": row["seconds"], "what": row["words"]})
    return pl.DataFrame(made)


def wanting(name: str, series: Mapping[str, Mapping[str, list[float]]]) -> list[str]:
    """Messages for figures of a row that are absent or miss their bar: each series needs four finite figures."""
    judged = [one for one in JUDGED if one in (ROWS[name].series or JUDGED)]
    figures = {
        f"{name}: {key} of {one} at {horizon} minutes": value
        for one in judged
        for key, values in series.get(one, {}).items()
        for horizon, value in zip(HORIZONS, values, strict=False)
    }
    bars = BARS.get(name, {})
    at_most = {
        f"{name}: {key} of {one} at {horizon} minutes": bars[one][n] if one in bars and key == _error(one) else np.inf
        for one in judged
        for key in ("MAPE", "MAE", "pinball", "coverage")
        for n, horizon in enumerate(HORIZONS)
    }
    return figures_missed(figures, at_most)


def _error(series: str) -> str:
    return "MAE" if series == "NORTH" else "MAPE"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the publisher's files")
    parser.add_argument("--row", action="append", choices=list(ROWS), help="make this row; may be repeated")
    parser.add_argument("--json", type=Path, help="add the figures to this file, which keeps those of earlier rows")
    parser.add_argument("--check", action="store_true", help="exit 1 where a row lacks a figure or misses its bar")
    options = parser.parse_args()
    kept = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    made = options.row or [name for name, row in ROWS.items() if not row.long]
    spec = FeatureSpec.for_interval(load("nyiso").interval_minutes)
    data = Data.read(options.data, spec)
    for name in made:
        print(f"{name}: {ROWS[name].words}", file=sys.stderr)
        kept[name] = make(ROWS[name], data, spec)
        print(json.dumps({name: kept[name]}), file=sys.stderr)
        if options.json:
            options.json.write_text(json.dumps(kept, indent=1) + "\n")
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200, fmt_str_lengths=80):
        print(table({name: kept[name] for name in ROWS if name in kept}))
    missed = [words for name in made for words in wanting(name, kept[name]["series"])] if options.check else []
    for words in missed:
        print(f"MISSED: {words}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
