#!/usr/bin/env python3
"""The ladder on New York's half-year: faults are planted, and every rung answers for its coverage and its rank.

At issue times drawn from every day of the second half of 2019, inputs are taken away, load comes late, or zones are
missing; the live service's own ladder answers with the calibration of that day. Each answer is also held against that
of the next rung from the same inputs. On the untouched half-year, the checks before publishing see the replayed
nowcasts of every issue time.

FOLDER holds the publisher's files as for `nyiso_2019h2.py`.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from bars import figures_missed
from protocol import minute

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.calibration import Calibration
from power_nowcast.collect.load import write_all
from power_nowcast.contracts import QUANTILES, Grid, Panel, Part
from power_nowcast.contracts.rungs import Rung
from power_nowcast.evaluate.backtest import truth
from power_nowcast.features.panel import FORECAST_REACH, WINDOW, add_total, history
from power_nowcast.features.spec import DAY_MINUTES
from power_nowcast.features.state import State
from power_nowcast.ingest.catalog import with_source
from power_nowcast.jobs.period import Period, known_before, span
from power_nowcast.live.holding import Checks
from power_nowcast.live.ladder import Ladder
from power_nowcast.live.nowcaster import Nowcaster
from power_nowcast.regions import Region, load
from power_nowcast.scoring import pinball_losses
from power_nowcast.settings import settings
from power_nowcast.store import Store
from power_nowcast.workers import processes

FIRST, LAST = "2019-07-01 00:00", "2019-12-31 22:45"
MINUTES = np.timedelta64(1, "m")
DAY = np.timedelta64(1, "D")
LATE, TOO_LATE, SILENT = (5, 10, 15), (30, 60, 120), (5, 30, 180, 1440)
"""Minutes by which load is late for the model, and too late for it, and for which zones are missing."""
NEW_DAYS = 10
"""Days of history of a region that is new: too few for a usual change."""
COVERAGE, BY_HORIZON, BETTER, HELD = (0.77, 0.83), (0.75, 0.85), 0.10, 1e-4


@dataclass(frozen=True)
class Fault:
    """A fault by its name: inputs that are gone, minutes by which load is late, zones that are missing, days of history
    where they are few.
    """

    name: str
    gone: tuple[Part | str, ...] = ()
    late: int = 0
    zones: tuple[str, ...] = ()
    days: int = 0


def faults(region: Region, rng: np.random.Generator) -> Iterator[Fault]:
    """The faults of one issue time."""
    yield Fault("none")
    yield Fault("no weather", ("weather",))
    yield Fault("no operator forecast", (Part.FORECAST,))
    yield Fault("neither", ("weather", Part.FORECAST))
    yield Fault(f"late {(late := int(rng.choice(LATE)))}", late=late)
    too_late = int(rng.choice(TOO_LATE))
    yield Fault(f"late {too_late}", late=too_late)
    yield Fault(f"late {too_late}, no operator forecast", (Part.FORECAST,), late=too_late)
    yield Fault(f"late {too_late}, no operator forecast, new", (Part.FORECAST,), late=too_late, days=NEW_DAYS)
    names = [zone.name for zone in region.zones]
    for count in (1, 3):
        silent = int(rng.choice(SILENT))
        zones = tuple(str(name) for name in rng.choice(names, count, replace=False))
        yield Fault(f"{count} zones silent", late=silent, zones=zones)


class Past:
    """Live windows of the past, out of one panel of all history, in order of time."""

    def __init__(self, panel: Panel, region: Region, bundle: Bundle) -> None:
        self.panel, self.region = panel, region
        self.state = State(panel, region, bundle.spec, np.arange(len(panel.series)))

    def window(self, issue: np.datetime64, fault: Fault) -> Panel:
        """What was known at an issue time, under a fault."""
        self.state.advance(issue)
        start = issue - np.timedelta64(WINDOW)
        known = {part: self._cut(part, start, issue) for part in (Part.POWER, Part.FORECAST)}
        weather = self._between(self.panel.weather, self.panel.weather.values, start, issue)
        power = known[Part.POWER]
        late = fault.late // power.step_minutes
        if late:
            columns = [power.names.index(name) for name in fault.zones or power.names]
            power.values[-late:, columns] = np.nan
            add_total(power.values, self.region)
        if fault.days:
            power.values[: -fault.days * DAY_MINUTES // power.step_minutes] = np.nan
        for gone in fault.gone:
            (weather if gone == "weather" else known[Part.FORECAST]).values[:] = np.nan
        return Panel(self.region.name, issue, power, weather, known[Part.FORECAST])

    def _cut(self, part: Part, start: np.datetime64, issue: np.datetime64) -> Grid:
        grid = self.panel.grid(part)
        until = issue if part is Part.POWER else issue + np.timedelta64(FORECAST_REACH)
        return self._between(grid, self.state.grids[part], start, until)

    def _between(self, grid: Grid, values: np.ndarray, start: np.datetime64, until: np.datetime64) -> Grid:
        first, last = grid.slots(np.array([start, until]))
        first = max(int(first), 0)
        return Grid(grid.times[first], grid.step_minutes, grid.names, values[first : int(last) + 1].copy(order="F"))


def trained(store: Store, region: Region, options: argparse.Namespace) -> Bundle:
    """The model of `--bundle` if it exists, a new LightGBM on what was known before the half-year otherwise."""
    if options.bundle and options.bundle.exists():
        return Bundle.load(options.bundle)
    first = minute(FIRST)
    learnt = known_before(store, region, Period(first, first, minute(LAST), 15, options.train_every))
    with processes(settings().workers) as pool:
        bundle = learnt.train_model("lightgbm", executor=pool, progress=lambda text: print(text, file=sys.stderr))
    if options.bundle:
        bundle.save(options.bundle)
    return bundle


def planted(bundle: Bundle, panel: Panel, options: argparse.Namespace) -> pl.DataFrame:
    """One row for each fault, issue time, series, step and rung: whether the band holds, and the pinball loss.

    `place` is 0 for the rung that answers and 1 for the next one from the same inputs.
    """
    region, rng = bundle.region, np.random.default_rng(options.seed)
    columns = [panel.series.index(name) for name in bundle.model.series]
    past, rows = Past(panel, region, bundle), list[pl.DataFrame]()
    for day, calibration in calibrations(bundle, panel):
        if options.days and (day - minute(FIRST)) / DAY % options.days:
            continue
        drawn = np.sort(rng.choice(DAY // (5 * MINUTES) - 24, options.issues, replace=False))
        for issue in day + drawn * np.timedelta64(5, "m"):
            actual = truth(panel, region, np.array([issue]), region.steps_minutes)[0, columns]
            for fault in faults(region, rng):
                rows.append(scored(bundle, calibration, past.window(issue, fault), issue, actual, fault))
        print(f"{day}: {len(rows):,} nowcasts", file=sys.stderr)
    return pl.concat(rows)


def calibrations(bundle: Bundle, panel: Panel) -> Iterator[tuple[np.datetime64, Calibration]]:
    """The online calibration at the begin of each day; it follows the outcomes of every quarter hour."""
    followed = bundle
    for day in np.arange(minute(FIRST), minute(LAST), DAY):
        yield day, followed.calibration
        issues = np.arange(day, day + DAY, np.timedelta64(15, "m"))
        followed = replace(followed, calibration=followed.replay(panel, issues)[1])


def scored(
    bundle: Bundle, calibration: Calibration, window: Panel, issue: np.datetime64, actual: np.ndarray, fault: Fault
) -> pl.DataFrame:
    """The rows of one nowcast."""
    nowcaster = Nowcaster(bundle, calibration)
    flags = tuple(flag for flag in nowcaster.flags(window, issue) if flag.startswith("no "))
    block = bundle.features(window, np.array([issue]))
    ladder = Ladder(bundle, calibration, window, block, flags)
    rows = []
    for s, series in enumerate(block.series):
        # The faults of zones are about the total; a zone that is silent is late load.
        if fault.zones and series != bundle.region.total:
            continue
        for place, one in zip((0, 1), ladder.candidates(s), strict=False):
            if one.rung is Rung.REFUSED:
                continue
            losses = pinball_losses(actual[s], one.values, QUANTILES).mean(axis=-1)
            inside = (actual[s] >= one.values[:, 1]) & (actual[s] <= one.values[:, 5])
            for k, step in enumerate(bundle.region.steps_minutes):
                if np.isfinite(actual[s, k]):
                    row = (fault.name, str(issue), series, step, place, one.rung.value, bool(inside[k]), losses[k])
                    rows.append(row)
    names = ("fault", "issue_time", "series", "horizon_min", "place", "rung", "inside", "pinball_mw")
    types = (pl.String, pl.String, pl.String, pl.Int64, pl.Int64, pl.String, pl.Boolean, pl.Float64)
    return pl.DataFrame(rows, dict(zip(names, types, strict=True)), orient="row")


def coverage(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Coverage of the 80 % band of what was answered."""
    answered = rows.filter(pl.col("place") == 0)
    return answered.group_by("rung", *by).agg(n=pl.len(), coverage=pl.col("inside").mean()).sort("rung", *by)


def ranks(rows: pl.DataFrame) -> pl.DataFrame:
    """How much smaller the pinball loss of each rung is than that of the next rung from the same inputs, by faults.

    Losses are relative to the mean loss of the series and step with all inputs, so that every series counts alike. The
    rung of all inputs is held against that of missing inputs at the same issue times.
    """
    key = ["issue_time", "series", "horizon_min"]
    whole = rows.filter((pl.col("fault") == "none") & (pl.col("place") == 0))
    unit = whole.group_by("series", "horizon_min").agg(unit=pl.col("pinball_mw").mean())
    loss = rows.join(unit, on=["series", "horizon_min"]).with_columns(loss=pl.col("pinball_mw") / pl.col("unit"))
    answered, following = (loss.filter(pl.col("place") == place) for place in (0, 1))
    pairs = answered.join(following.select("fault", *key, below="rung", other="loss"), on=["fault", *key])
    missing = answered.filter(pl.col("rung") == Rung.INPUTS.value).select("fault", *key, below="rung", other="loss")
    pairs = pl.concat([pairs, whole_against(loss, missing, key).select(pairs.columns)])
    found = pairs.group_by("rung", "below", "fault").agg(
        n=pl.len(), loss=pl.col("loss").mean(), below_loss=pl.col("other").mean()
    )
    better = 1 - pl.col("loss") / pl.col("below_loss")
    return found.with_columns(better=better).sort("rung", "below", "fault")


def whole_against(loss: pl.DataFrame, missing: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """The answers from all inputs beside those of the same times with inputs missing."""
    whole = loss.filter((pl.col("fault") == "none") & (pl.col("place") == 0)).drop("fault")
    return whole.join(missing, on=key)


def held_back(bundle: Bundle, panel: Panel) -> dict[str, float]:
    """The share of nowcasts of the untouched half-year that the checks hold back, and of their series."""
    issues = np.arange(minute(FIRST), minute(LAST), np.timedelta64(15, "m"))
    nowcasts, _ = bundle.replay(panel, issues)
    block = bundle.features(panel, issues)
    held, answers, reasons = 0, 0, list[str]()
    whole = set(bundle.model.series) == set(bundle.region.series)
    for n, values in enumerate(nowcasts.values):
        checks = Checks(bundle, block.scale_mw[n])
        given = [s for s in range(len(values)) if np.isfinite(values[s]).all()]
        why = [checks.against(s, values[s], block.origin_mw[n, s], block.age_minutes[n, s]) for s in given]
        if whole and len(given) == len(values):
            why.append(
                checks.total(
                    values, bundle.model.series.index(bundle.region.total or ""), float(block.age_minutes[n].max())
                )
            )
        found = [
            f"{issues[n]} {bundle.model.series[s]}: {one}" for s, one in zip([*given, 0], why, strict=False) if one
        ]
        held += bool(found)
        answers += len(given)
        reasons += found
    for one in reasons[:20]:
        print(one)
    return {"nowcasts": len(issues), "held": held, "answers": answers, "held_answers": len(reasons)}


def main() -> int:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="folder of the publisher's files")
    made.add_argument("--store", type=Path, help="tables of these files, kept for the next run")
    made.add_argument("--bundle", type=Path, help="folder of the trained model; an existing one is used")
    made.add_argument("--train-every", type=int, default=15, help="minutes between issue times of training")
    made.add_argument("--issues", type=int, default=2, help="issue times drawn from each day")
    made.add_argument("--days", type=int, default=1, help="faults are planted in one of so many days")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--json", type=Path, help="write the figures here")
    made.add_argument("--check", action="store_true", help="exit 1 if a bar is missed")
    options = made.parse_args()
    region = with_source(load("nyiso"), "nyiso", folder=str(options.data))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(options.store or folder)
        write_all(store, region)
        bundle = trained(store, region, options)
        panel = history(store, region, *span(store, region))
    held = held_back(bundle, panel)
    rows = planted(bundle, panel, options)
    by_rung, by_horizon, rank = coverage(rows), coverage(rows, "horizon_min"), ranks(rows)
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=160, float_precision=3, fmt_str_lengths=60):
        print(by_rung, by_horizon, rank, sep="\n")
    print(f"held back: {held['held']} of {held['nowcasts']:,} nowcasts, {held['held_answers']} of {held['answers']:,}")
    if options.json:
        tables = {"coverage": by_rung, "by_horizon": by_horizon, "ranks": rank}
        options.json.write_text(json.dumps({name: one.to_dicts() for name, one in tables.items()} | held, indent=1))
    words = missed_bars(by_rung, by_horizon, rank, held)
    for one in words if options.check else []:
        print(f"MISSED: {one}")
    return int(options.check and bool(words))


def missed_bars(
    by_rung: pl.DataFrame, by_horizon: pl.DataFrame, rank: pl.DataFrame, held: dict[str, float]
) -> list[str]:
    """The bars of the ladder that are missed."""
    words = []
    for table, (least, most), name in (
        (by_rung, COVERAGE, ["rung"]),
        (by_horizon, BY_HORIZON, ["rung", "horizon_min"]),
    ):
        shares = {" ".join(str(row[one]) for one in name): row["coverage"] for row in table.iter_rows(named=True)}
        words += figures_missed(shares, dict.fromkeys(shares, most), dict.fromkeys(shares, least))
    pairs = rank.group_by("rung", "below").agg(better=1 - pl.col("loss").mean() / pl.col("below_loss").mean())
    better = {f"{row['rung']} over {row['below']}": row["better"] for row in pairs.iter_rows(named=True)}
    words += figures_missed(better, {}, dict.fromkeys(better, BETTER))
    words += figures_missed({"held back": held["held"] / held["nowcasts"]}, {"held back": HELD})
    return words


if __name__ == "__main__":
    sys.exit(main())
