"""Train on what comes before a time, nowcast a period after it: what accuracy protocols ask for, of any region."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from power_nowcast.contracts import Nowcasts, Panel, Table
from power_nowcast.errors import MissingDataError
from power_nowcast.features.panel import history
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.base import Progress
from power_nowcast.models.kinds import create
from power_nowcast.models.training import examples, train_bundle
from power_nowcast.regions import Region
from power_nowcast.store import Store

WARM_UP = timedelta(hours=36)
"""Issue times before the first one asked for, whose outcomes bring the online calibration up to date."""
VALID_DAYS = 90
"""Held back at the end of training for early stopping and calibration, at most a quarter of it."""


@dataclass(frozen=True)
class Period:
    """Times are UTC minutes; issue times lie from `first` to `last`, training targets before `train_end`."""

    train_end: np.datetime64
    first: np.datetime64
    last: np.datetime64
    every_minutes: int = 15
    train_every_minutes: int | None = None  # the region's interval
    valid_days: int = VALID_DAYS


def backtest(
    store: Store,
    region: Region,
    period: Period,
    *,
    model: str = "lightgbm",
    series: tuple[str, ...] | None = None,
    delay_minutes: int = 0,
    executor: Callable[[], Executor | None] = lambda: None,
    progress: Progress = lambda _: None,
    lap: Callable[[str], None] = lambda _: None,
) -> tuple[Nowcasts, Panel]:
    """Nowcasts of every issue time from one model, without a refit, with online calibration from outcomes seen.

    Args:
        store: the tables, the whole time ingested.
        region: whose.
        period: when.
        model: kind of model.
        series: those to nowcast; all by default.
        delay_minutes: how late power comes during the period.
        executor: makes the workers that train series side by side.
        progress: is told in words what happens.
        lap: is told the name of each part when it is done.

    Raises:
        MissingDataError: there is no power, or too little before `train_end`.
    """
    start, end = store.span(Table.POWER, region.name)
    if start is None or end is None:
        raise MissingDataError(
            f"The store holds no power of {region.name}.", remedy="Ingest it first: nowcast ingest.", region=region.name
        )
    panel = history(store, region, start, end)
    lap("panel")
    spec = FeatureSpec.for_interval(region.interval_minutes)
    chosen = series or region.series
    every = period.train_every_minutes or region.interval_minutes
    begins = panel.start + np.timedelta64(spec.minimum_history_minutes, "m")
    begins = np.datetime64(-(-int(begins.astype(np.int64)) // every) * every, "m")
    days = int((period.train_end - begins).astype("timedelta64[D]").astype(np.int64))
    valid_days = min(period.valid_days, days // 4)
    if valid_days < 1:
        raise MissingDataError(
            f"{region.name} has {max(0, days)} days of examples before {period.train_end}; training needs more.",
            remedy="Ingest a longer time, or choose a later --train-end.",
            region=region.name,
            train_end=str(period.train_end),
        )
    issues = np.arange(begins, period.train_end, np.timedelta64(every, "m"))
    known = examples(panel, region, issues, spec, series=chosen)
    border, reach = period.train_end - np.timedelta64(valid_days, "D"), max(spec.knots)
    train, valid = known.during(begins, border, reach), known.during(border, period.train_end, reach)
    lap("features")
    pool = executor()
    try:
        bundle, _ = train_bundle(
            region, spec, create(model, chosen, spec.knots), train, valid, executor=pool, progress=progress
        )
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)
    lap("train")
    spacing = np.timedelta64(period.every_minutes, "m")
    warm = period.first - np.timedelta64(int(WARM_UP.total_seconds()) // 60, "m") // spacing * spacing
    nowcasts, _ = bundle.replay(panel, np.arange(warm, period.last + spacing, spacing), delay_minutes=delay_minutes)
    lap("predict")
    return nowcasts, panel
