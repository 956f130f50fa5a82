"""Train on the data before a time and nowcast a period after it, as accuracy protocols require, for any region."""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.bundle.train import examples, train_bundle
from power_nowcast.contracts import Nowcasts, Panel, Progress, Table, Times
from power_nowcast.errors import MissingDataError
from power_nowcast.features.panel import WINDOW, history
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.examples import Examples, days_with_data, held_out_start
from power_nowcast.models.kinds import create
from power_nowcast.regions import Region
from power_nowcast.store import Store

logger = logging.getLogger("power_nowcast.jobs")

WARM_UP = timedelta(hours=36)
"""Issue times before the first requested one; their outcomes warm up the online calibration."""
VALID_DAYS = 90
"""Days held out at the end of training for early stopping and calibration, at most a quarter of training."""
SMALLEST_SHARE = 4
"""At most one day in so many is held out; training needs at least so many days."""


@dataclass(frozen=True)
class Period:
    """A period. Times are UTC minutes; issue times are from `first` to `last`, training targets before `train_end`."""

    train_end: np.datetime64
    first: np.datetime64
    last: np.datetime64
    every_minutes: int = 15
    train_every_minutes: int | None = None  # the region's interval
    valid_days: int = VALID_DAYS
    train_days: int | None = None  # days of training before `train_end`; all by default


def backtest(
    store: Store,
    region: Region,
    period: Period,
    *,
    model: str = "lightgbm",
    options: Mapping[str, Any] | None = None,
    series: tuple[str, ...] | None = None,
    delay_minutes: int = 0,
    executor: Callable[[], Executor | None] = lambda: None,
    progress: Progress = lambda _: None,
    lap: Callable[[str], None] = lambda _: None,
) -> tuple[Nowcasts, Panel]:
    """Nowcasts of every issue time by one model, without a refit, with online calibration on known outcomes.

    Args:
        store: the tables, with all data of the period.
        region: the region to nowcast.
        period: training and issue times.
        model: kind of model.
        options: the model's options by name.
        series: the series to nowcast; all by default.
        delay_minutes: delay of power during the period.
        executor: trains series in parallel.
        progress: gets a sentence for each step.
        lap: gets the name of each part when it is done.

    Raises:
        MissingDataError: there is no power, or too little before `train_end`.
    """
    begin, end = span(store, region)
    pool = executor()
    try:
        learnt = known_before(store, region, period, series=series, delay_minutes=delay_minutes)
        lap("features")
        bundle = learnt.train_model(model, options, executor=pool, progress=progress)
        lap("train")
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)
    panel = history(store, region, begin, end)
    lap("panel")
    nowcasts, _ = bundle.replay(panel, issue_times(period), delay_minutes=delay_minutes)
    lap("predict")
    return nowcasts, panel


def issue_times(period: Period) -> Times:
    """Issue times of the period and of the warm-up before it, shape (issue,)."""
    spacing = np.timedelta64(period.every_minutes, "m")
    warm = period.first - np.timedelta64(int(WARM_UP.total_seconds()) // 60, "m") // spacing * spacing
    return np.arange(warm, period.last + spacing, spacing)


def span(store: Store, region: Region) -> tuple[datetime, datetime]:
    """First and last time of power.

    Raises:
        MissingDataError: there is none.
    """
    start, end = store.span(Table.POWER, region.name)
    if start is None or end is None:
        raise store.no_power(region.name)
    return start, end


@dataclass(frozen=True)
class Known:
    """The store as of a time, without corrections and vintages that became available later."""

    store: Store
    at: datetime
    delay: timedelta

    def versions(
        self, table: Table, region: str, *, start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        """As `Store.versions`, with rows known at that time; power is available after its delay at the earliest."""
        rows = self.store.versions(table, region, start=start, end=end).filter(pl.col("available_at") <= self.at)
        return rows.filter(pl.col("valid_at") <= self.at - self.delay) if table is Table.POWER else rows

    def as_of(
        self,
        table: Table,
        region: str,
        *,
        at: datetime | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> pl.DataFrame:
        """As `Store.as_of`, for this time or an earlier one."""
        return self.store.as_of(table, region, at=self.at if at is None else min(at, self.at), start=start, end=end)

    def read_quarantine(self, region: str) -> pl.DataFrame:
        """As `Store.read_quarantine`: its rows have the time at which they became known."""
        return self.store.read_quarantine(region)


@dataclass(frozen=True)
class Learnt:
    """Examples known at a time: older ones to fit, later ones for early stopping and calibration."""

    region: Region
    spec: FeatureSpec
    train: Examples
    valid: Examples

    def train_model(
        self,
        kind: str,
        options: Mapping[str, Any] | None = None,
        *,
        executor: Executor | None = None,
        progress: Progress = lambda _: None,
    ) -> Bundle:
        """A calibrated model of this kind; `executor` trains its series in parallel."""
        made = create(kind, self.train.block.series, self.spec.knots, **(options or {}))
        return train_bundle(self.region, self.spec, made, self.train, self.valid, executor=executor, progress=progress)[
            0
        ]


def known_before(
    store: Store,
    region: Region,
    period: Period,
    *,
    series: tuple[str, ...] | None = None,
    spec: FeatureSpec | None = None,
    delay_minutes: int = 0,
) -> Learnt:
    """The examples that a model trained at `period.train_end` may use.

    Args:
        store: the tables.
        region: the region of the examples.
        period: training and issue times.
        series: the series to learn; all by default.
        spec: the features; the defaults for the region's interval if None.
        delay_minutes: delay of power: the last outcomes before the end are not known yet.

    Raises:
        MissingDataError: there is no power, or too little before `train_end`.
    """
    start, _ = span(store, region)
    until = period.train_end.astype("datetime64[us]").item().replace(tzinfo=UTC)
    spec = spec or FeatureSpec.for_interval(region.interval_minutes)
    minutes = spec.minimum_history_minutes
    if period.train_days is not None:
        # Features look back beyond the window. Whole days keep the panel on the grid.
        start = max(start, start + timedelta(days=(until - start).days - period.train_days - WINDOW.days - 1))
    if start >= until:
        raise _too_little(region, 0, period)
    panel = history(Known(store, until, timedelta(minutes=delay_minutes)), region, start, until)
    every = period.train_every_minutes or region.interval_minutes
    begins = panel.start + np.timedelta64(minutes, "m")
    if period.train_days is not None:
        begins = max(begins, period.train_end - np.timedelta64(period.train_days, "D"))
    begins = np.datetime64(-(-int(begins.astype(np.int64)) // every) * every, "m")
    days = int((period.train_end - begins).astype("timedelta64[D]").astype(np.int64))
    if days < SMALLEST_SHARE:
        raise _too_little(region, days, period)
    issues = np.arange(begins, period.train_end, np.timedelta64(every, "m"))
    known = examples(panel, region, issues, spec, series=series or region.series)
    border, reach = _border(region, known, period, days), max(spec.knots)
    train, valid = known.during(begins, border, reach), known.during(border, period.train_end, reach)
    return Learnt(region, spec, train, valid)


def _border(region: Region, known: Examples, period: Period, days: int) -> np.datetime64:
    """Begin of the held-out part of `days` days of examples. Only days with an outcome of each series count.

    Raises:
        MissingDataError: too few days have an outcome of each series.
    """
    has_outcomes = np.isfinite(known.ramps).any(axis=2).all(axis=1)
    back = days_with_data(known.block.issue_times, has_outcomes, period.train_end)
    usual = min(period.valid_days, days // SMALLEST_SHARE)
    border = held_out_start(usual, back, period.train_end)
    if border == period.train_end - np.timedelta64(usual, "D"):
        return border
    if len(back) < SMALLEST_SHARE:
        raise _too_little(region, len(back), period)
    border = held_out_start(min(usual, len(back) // SMALLEST_SHARE), back, period.train_end)
    logger.warning(
        "%s has little data in the %d days before %s UTC: the days held out for calibration begin at %s UTC.",
        region.name,
        usual,
        period.train_end,
        border,
    )
    return border


def _too_little(region: Region, days: int, period: Period) -> MissingDataError:
    return MissingDataError(
        f"{region.name} has {max(0, days)} days with examples before {period.train_end} UTC; training needs "
        f"{SMALLEST_SHARE} or more.",
        remedy="Ingest a longer time, or choose a later --train-end.",
        region=region.name,
        train_end=str(period.train_end),
    )
