"""Shared by the accuracy benchmarks: from a publisher's files to scored predictions, with the project's public code."""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from bars import COMPLETE, KEY, MISSING_WHEN_LATE, Bar, Missed, missed, within

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.collect.load import write_all
from power_nowcast.contracts import Panel, Table, to_table
from power_nowcast.evaluate.backtest import truth
from power_nowcast.features.panel import history
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs.period import Period, issue_times, known_before, span
from power_nowcast.models.kinds import model_class
from power_nowcast.regions import Region
from power_nowcast.scoring import coverage_cells, protocol_table
from power_nowcast.settings import settings
from power_nowcast.store import Store
from power_nowcast.workers import processes


@dataclass(frozen=True)
class Protocol:
    """Periods and horizons of a protocol; times are UTC."""

    series: tuple[str, ...]
    horizons_min: tuple[int, ...]
    train_end: str
    first: str
    last: str
    issue_every_min: int
    train_every_min: int
    valid_days: int
    members: Mapping[str, Mapping[str, Any]] | None = None  # of the ensemble, with their options; its own by default


def parser(protocol: Protocol, description: str) -> argparse.ArgumentParser:
    """The options of every accuracy benchmark."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--data", type=Path, required=True, help="folder of the publisher's files")
    made.add_argument("--out", type=Path, default=Path("predictions.parquet"), help="predictions, for any scorer")
    made.add_argument("--train-end", default=protocol.train_end, help="training targets come before this time (UTC)")
    made.add_argument("--first", default=protocol.first, help="first issue time (UTC)")
    made.add_argument("--last", default=protocol.last, help="last issue time (UTC)")
    made.add_argument("--model", default="lightgbm")
    made.add_argument("--delay", type=int, nargs="+", default=[0], help="delays of the load in minutes; each is scored")
    made.add_argument("--bundle", type=Path, help="folder of the trained model; an existing one is used")
    made.add_argument("--json", type=Path, help="write the figures here")
    made.add_argument("--check", action="store_true", help="exit 1 if a bar is missed, and show the rows")
    return made


def predict(
    region: Region, protocol: Protocol, options: argparse.Namespace, spec: FeatureSpec | None = None
) -> tuple[dict[int, pl.DataFrame], pl.DataFrame, dict]:
    """Ingest, train on targets before `--train-end`, and nowcast every issue time.

    Returns:
        Predictions by delay, scorable truth, and seconds of each part.
    """
    seconds: dict[str, float] = {}
    begin = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal begin
        seconds[name] = round(time.perf_counter() - begin, 1)
        begin = time.perf_counter()
        print(f"{name}: {seconds[name]} s", file=sys.stderr)

    train_end, first, last = (minute(text) for text in (options.train_end, options.first, options.last))
    period = Period(
        train_end, first, last, protocol.issue_every_min, protocol.train_every_min, valid_days=protocol.valid_days
    )
    predictions = {}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        write_all(store, region)
        lap("ingest")
        bundle = trained(store, region, protocol, period, options, spec, lap)
        panel = history(store, region, *span(store, region))
        lap("panel")
        for delay in options.delay:
            nowcasts, _ = bundle.replay(panel, issue_times(period), delay_minutes=delay)
            predictions[delay] = to_table(nowcasts).filter(
                pl.col("issue_time").is_between(aware(first), aware(last))
                & pl.col("horizon_min").is_in(protocol.horizons_min)
                & pl.col("series").is_in(protocol.series)
            )
        lap("predict")
    every = np.timedelta64(protocol.issue_every_min, "m")
    return predictions, expected(panel, region, protocol, np.arange(first, last + every, every)), seconds


def trained(
    store: Store,
    region: Region,
    protocol: Protocol,
    period: Period,
    options: argparse.Namespace,
    spec: FeatureSpec | None,
    lap: Callable[[str], None],
) -> Bundle:
    """The model of `--bundle` if it exists, a new one otherwise."""
    if options.bundle and options.bundle.exists():
        return Bundle.load(options.bundle)
    series = None if model_class(options.model).joint and spec is None else protocol.series
    learnt = known_before(store, region, period, series=series, spec=spec, delay_minutes=options.delay[0])
    lap("features")
    with processes(settings().workers) as pool:
        bundle = learnt.train_model(
            options.model,
            {"members": protocol.members} if protocol.members and options.model == "ensemble" else {},
            executor=pool,
            progress=lambda text: print(text, file=sys.stderr),
        )
    lap("train")
    if options.bundle:
        bundle.save(options.bundle)
    return bundle


def with_folder(region: Region, folder: Path) -> Region:
    """The region with the files of all of its sources below `folder`."""
    tables = {table.value: region.spec(table) for table in Table}
    return region.model_copy(
        update={
            name: spec.model_copy(update={"options": {**spec.options, "folder": str(folder)}})
            for name, spec in tables.items()
            if spec is not None
        }
    )


def expected(panel: Panel, region: Region, protocol: Protocol, issues: np.ndarray) -> pl.DataFrame:
    """All pairs with published values at the issue time and at the target, in the form of `scoring.protocol_table`."""
    columns = [panel.series.index(name) for name in protocol.series]
    y = truth(panel, region, issues, protocol.horizons_min, nights=True)[:, columns]
    at_issue = truth(panel, region, issues, (0,), nights=True)[:, columns, 0]
    n, s, h = y.shape
    stamps = pl.Series(np.repeat(issues.astype("datetime64[us]"), s * h)).dt.replace_time_zone("UTC")
    frame = pl.DataFrame(
        {
            "series": np.tile(np.repeat(np.array(protocol.series), h), n),
            "issue_time": stamps,
            "horizon_min": np.tile(np.array(protocol.horizons_min, np.int64), n * s),
            "y": y.ravel(),
            "y_issue": np.repeat(at_issue.ravel(), h),
        }
    )
    return frame.filter(pl.col("y").is_not_nan() & pl.col("y_issue").is_not_nan())


def finish(
    protocol: Protocol,
    predictions: Mapping[int, pl.DataFrame],
    truth_rows: pl.DataFrame,
    seconds: Mapping[str, float],
    options: argparse.Namespace,
    bars: Sequence[Bar],
    *,
    cells: str | None = None,
) -> int:
    """Write, score and judge: `bars` are conditions on rows of the table, each with its demand in words.

    Bars are those of the first delay; later ones are shown, and written beside `--out`. With a time zone in `cells` the
    coverage of every month and 4-hour block of its days is judged as well, at every delay. Every series and horizon of
    the protocol must have a row, and every pair of the first delay a prediction.
    """
    tables = {}
    for delay, made in predictions.items():
        late = options.out.with_stem(f"{options.out.stem}-late{delay}")
        made.write_parquet(options.out if delay == options.delay[0] else late)
        tables[delay] = protocol_table(made, truth_rows)
        with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200, float_precision=3):
            print(f"load {delay} minutes late" if delay else "load on time", tables[delay], sep="\n")
    if options.json:
        rows = {str(delay): one.to_dicts() for delay, one in tables.items()}
        options.json.write_text(json.dumps({"seconds": dict(seconds), "delays": rows}, indent=1))
    keys = [(series, horizon) for series in protocol.series for horizon in protocol.horizons_min]
    demanded = [COMPLETE, *bars]
    found = missed(tables[options.delay[0]], demanded, keys)
    for delay, made in predictions.items() if cells else ():
        found += covered(made, truth_rows, tables[delay], keys, cells or "", f"load {delay} minutes late")
    for words, rows in found if options.check else []:
        print(f"MISSED: {words}\n{rows.select(pl.col(*[name for name in SHOWN if name in rows.columns]))}")
    if options.check and not found:
        parts = ["coverage by month and block", "bands of 50 and 90 %"] if cells else []
        print(f"Every bar holds: {'; '.join([*(words for words, _ in demanded), *parts])}.")
    return int(options.check and bool(found))


def covered(
    predictions: pl.DataFrame,
    truth_rows: pl.DataFrame,
    table: pl.DataFrame,
    keys: Sequence[tuple[str, int]],
    timezone: str,
    delay: str,
) -> list[Missed]:
    """The missed bars of coverage by month and 4-hour block, and of the 50 and 90 % bands; it prints the ranges."""
    found = []
    for part, by in coverage_cells(predictions, truth_rows, timezone).items():
        rows = by.unpivot(index=KEY, variable_name=part, value_name="coverage")
        share = rows["coverage"].cast(pl.Float64)
        shown = f"{share.min():.3f} to {share.max():.3f}" if share.count() else "none"
        print(f"coverage by {part}, {delay}: {shown}")
        found += missed(rows, [(f"coverage by {part} .77-.83", pl.col("coverage").is_between(0.77, 0.83))], keys)
    rows = bands(predictions, truth_rows)
    for level in (50, 90):
        share = rows[f"inside{level}"]
        print(f"{level} % band, {delay}: {share.min()} to {share.max()}")
        inside = (pl.col(f"inside{level}") - level / 100).abs() <= 0.02
        found += missed(rows, [(f"{level} % band within .02", inside)], keys)
    answered = pl.col("missing") <= MISSING_WHEN_LATE * (pl.col("n") + pl.col("missing"))
    found += missed(table, [("a prediction for 99 % of the pairs", (pl.col("n") > 0) & answered)], keys)
    return [(f"{words}, {delay}", rows) for words, rows in found]


def bands(predictions: pl.DataFrame, truth_rows: pl.DataFrame) -> pl.DataFrame:
    """Shares of outcomes inside the 50 and 90 % bands by series and horizon; a pair without a band lies outside."""
    joined = predictions.join(truth_rows, on=["series", "issue_time", "horizon_min"], how="inner")
    return joined.group_by(KEY, maintain_order=True).agg(
        inside50=pl.col("y").is_between("q25", "q75").fill_null(value=False).mean(),
        inside90=pl.col("y").is_between("q05", "q95").fill_null(value=False).mean(),
    )


SHOWN = (
    *KEY,
    "month",
    "block",
    "MAE",
    "MAPE",
    "nMAE",
    "skill",
    "pinball",
    "coverage",
    "below",
    "above",
    "inside50",
    "inside90",
)
CLOSE = ("coverage of the 10-90 interval .785-.815", pl.col("coverage").is_between(0.785, 0.815))
COVERED = ("coverage of the 10-90 interval .77-.83", pl.col("coverage").is_between(0.77, 0.83))
CALIBRATED = [
    COVERED,
    ("each tail .07-.13", pl.col("below").is_between(0.07, 0.13) & pl.col("above").is_between(0.07, 0.13)),
    ("no crossing", pl.col("crossing") == 0),
]


def minute(text: str) -> np.datetime64:
    """A UTC time in the type of arrays."""
    return np.datetime64(text.replace(" ", "T").removesuffix("Z"), "m")


def aware(time_utc: np.datetime64) -> datetime:
    """A UTC time in the type of tables."""
    return time_utc.astype("datetime64[us]").item().replace(tzinfo=UTC)


__all__ = ["CALIBRATED", "CLOSE", "COVERED", "Protocol", "finish", "parser", "predict", "with_folder", "within"]
