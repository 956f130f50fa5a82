"""Charts of one series over horizons, quantiles and residuals."""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import polars as pl

from power_nowcast.contracts import Floats
from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.regions.units import TO_MW
from power_nowcast.report.charts.chart import PERCENT, Axis, Chart, Mark, Tick, line, reach, round_ticks
from power_nowcast.report.words import digits, shown_horizons, signed_number

BASELINES = ("base1", "base2", "base3", "base4")
LADDER = ("rung1", "rung2", "rung3", "rung4")
"""Looks of horizons from near to far."""
FAR_ABOVE = 2.5
"""A line so many times higher than all others leaves the chart at its top."""
BINS = 41
WITHIN = 0.985
"""Share of the residuals that a histogram shows; the others lie outside of it."""
LEAST_REACH = 0.05


def error_by_horizon(card: Scorecard, series: str) -> Chart:
    """Mean absolute error by horizon, of the model and of each baseline."""
    table = card.by_series.filter(pl.col("series") == series).sort("horizon_min")
    marks = errors(card, table, table["horizon_min"].to_numpy())
    top, beyond = top_of(marks)
    about = f"{series}: mean absolute error in {card.unit} by minutes ahead{beyond}"
    return Chart(
        "Error by horizon", about, f"Lines by horizon: {about}.", marks, _horizons(card), (0.0, top), card.unit
    )


def skill_by_horizon(card: Scorecard, series: str) -> Chart:
    """Share of each baseline's error that the model saves, by horizon."""
    table = card.by_series.filter(pl.col("series") == series).sort("horizon_min")
    marks = tuple(
        line(name, look, table["horizon_min"].to_numpy(), column(table, f"skill_{name}"), 4)
        for name, look in zip(card.baselines, cycle(BASELINES), strict=False)
    )
    floor = max(-1.0, min([0.0, *(mark.low for mark in marks if mark.path)]))
    about = f"{series}: share of a baseline's error that the model saves, by minutes ahead; 0 % is no better"
    return Chart(
        "Error saved", about, f"Lines by horizon: {about}.", marks, _horizons(card), (floor, 1.0), PERCENT, 0.0
    )


def reliability(card: Scorecard, series: str) -> Chart:
    """Share of outcomes at or below each quantile, minus the quantile's level; on the zero line it is calibrated."""
    table = card.reliability.filter((pl.col("series") == series) & pl.col("share").is_not_null())
    marks = []
    for horizon, look in zip(shown_horizons(card.steps_minutes), cycle(LADDER), strict=False):
        rows = table.filter(pl.col("horizon_min") == horizon).sort("level")
        marks.append(
            line(f"{horizon} min", look, 100 * column(rows, "level"), column(rows, "share") - rows["level"], 4)
        )
    most = max(LEAST_REACH, *(abs(end) for end in reach(marks))) if any(mark.path for mark in marks) else LEAST_REACH
    shown = sorted(set(table["level"].to_list()))
    ticks = tuple(Tick(100 * level, f"{100 * level:.0f} %") for level in shown[1:-1])
    return Chart(
        "Reliability of the quantiles",
        f"{series}: share of outcomes at or below each quantile minus the quantile's level; 0 % is right",
        f"Lines by quantile: the share of outcomes of {series} at or below it, minus its level.",
        tuple(marks),
        Axis((0, 100), ticks, tuple(f"{level} % quantile" for level in range(101))),
        (-most, most),
        PERCENT,
        0.0,
    )


def residuals(backtest: Backtest, series: str, horizon_min: int) -> Chart:
    """Distribution of the residuals of the model and of the first baseline."""
    unit = backtest.region.unit
    runs = [("model", "model", backtest.nowcasts)]
    runs += [(name, "base1", one) for name, one in list(backtest.baselines.items())[:1]]
    place, step = backtest.nowcasts.series.index(series), backtest.nowcasts.steps_minutes.index(horizon_min)
    actual, middle = backtest.actual[:, place, step], backtest.nowcasts.quantiles.index(0.5)
    found = {name: (one.values[:, place, step, middle] - actual) / TO_MW[unit] for name, _, one in runs}
    found = {name: error[np.isfinite(error)] for name, error in found.items()}
    pooled = np.abs(np.concatenate(list(found.values())))
    end = (float(np.quantile(pooled, WITHIN)) if len(pooled) else 1.0) or 1.0
    edges = np.linspace(-end, end, BINS + 1)
    marks = tuple(
        line(name, look, np.arange(BINS), np.histogram(found[name], edges)[0] / max(1, len(found[name])), 5)
        for name, look, _ in reversed(runs)
    )
    decimals = digits(end, 2)
    ticks = (Tick(50 + 50 * value / end, signed_number(value)) for value in round_ticks(-end, end)[::2])
    labels = (f"{signed_number(float(value), decimals)} {unit}" for value in (edges[1:] + edges[:-1]) / 2)
    return Chart(
        "Residuals",
        f"{series}, {horizon_min} minutes ahead: share of nowcasts by nowcast minus actual, in {unit}",
        f"Histogram of the residuals of {series}, {horizon_min} minutes ahead, around zero.",
        marks,
        Axis((-0.5, BINS - 0.5), tuple(ticks), tuple(labels)),
        reach(marks, floor=0.0),
        PERCENT,
    )


def column(table: pl.DataFrame, name: str) -> Floats:
    """A column of figures, NaN where there is none, shape (row,)."""
    return table[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def errors(card: Scorecard, table: pl.DataFrame, x: Floats) -> tuple[Mark, ...]:
    """The mean absolute errors of a table in the region's unit: of each baseline and of the model."""
    names = {name: (f"MAE_{name}", look) for name, look in zip(card.baselines, cycle(BASELINES), strict=False)}
    names["model"] = ("MAE", "model")
    factor = TO_MW[card.unit]
    return tuple(line(name, look, x, column(table, which) / factor, 6) for name, (which, look) in names.items())


def top_of(marks: Sequence[Mark], *, of: int = -2) -> tuple[float, str]:
    """The end of an axis from 0, and words on the lines that leave the chart because they are far above the others.

    Args:
        marks: the lines.
        of: the line that others are compared with, in order of their highest values; -2 is the second highest.
    """
    ranked = sorted((mark for mark in marks if mark.path), key=lambda mark: mark.high)
    limit = FAR_ABOVE * ranked[of].high if len(ranked) > 1 else np.inf
    _, top = reach([mark for mark in ranked if mark.high <= limit], floor=0.0)
    above = [mark.name for mark in ranked if mark.high > limit]
    return top, f"; above the chart: {', '.join(above)}" if above else ""


def _horizons(card: Scorecard) -> Axis:
    first, last = card.steps_minutes[0], card.steps_minutes[-1]
    begin = 0 if first == last else first
    ticks = (Tick(100 * (step - begin) / (last - begin), str(step)) for step in shown_horizons(card.steps_minutes))
    return Axis((begin, last), tuple(ticks), tuple(f"{minute} min" for minute in range(last + 1)))
