"""Plots over time: nowcasts with outcomes, errors by day, and one nowcast as a fan chart."""

from datetime import date
from itertools import cycle
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from power_nowcast.contracts import Floats, Nowcasts, Times
from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.regions import Region
from power_nowcast.report.plots.style import (
    BANDS,
    BASELINES,
    COOL,
    GRID,
    INK,
    MODEL,
    MUTED,
    WARM,
    canvas,
    end_label,
    end_labels,
    headline,
    legend,
    power_ticks,
    scale_from_zero,
    style,
    time_axis,
)
from power_nowcast.report.words import power
from power_nowcast.scoring import BANDS as LEVELS

FEWEST_DAYS, TWO_WEEKS, FIVE_MONTHS = 3, 14, 150
SATURDAY = 6


def pred_vs_actual(
    backtest: Backtest, series: str, horizon_min: int = 60, *, first: date | None = None, days: int = 4
) -> Figure:
    """The nowcasts made `horizon_min` ahead with their bands, the outcomes, and the residuals below.

    Args:
        backtest: the backtest to show.
        series: one of its series.
        horizon_min: one of its steps.
        first: first local day; if absent, the last `days` of the backtest.
        days: number of local days to show.
    """
    nowcasts = backtest.nowcasts
    column, step = nowcasts.series.index(series), nowcasts.steps_minutes.index(horizon_min)
    target = nowcasts.issue_times + np.timedelta64(horizon_min, "m")
    local = _local_days(target, backtest.region)
    begin = np.datetime64(first) if first else local.max() - np.timedelta64(days - 1, "D")
    chosen = (local >= begin) & (local < begin + np.timedelta64(days, "D"))
    time = target[chosen].astype("datetime64[s]")
    actual, values = backtest.actual[chosen, column, step], nowcasts.values[chosen, column, step]
    with style():
        figure, (top, strip) = canvas(11, 5.6, 2, height_ratios=[4, 1.15], sharex=True)
        _bands(top, time, values, nowcasts.quantiles)
        median = values[:, nowcasts.quantiles.index(0.5)]
        top.plot(time, median, color=MODEL, lw=1.6, label="nowcast")
        top.plot(time, actual, color=INK, lw=1.1, label="actual")
        unit = backtest.region.unit
        top.set_ylabel(unit)
        legend(top)
        power_ticks(top.yaxis, unit)
        span = "1 day" if days == 1 else f"{days} days"
        headline(
            top,
            f"{series}: nowcast {horizon_min} minutes ahead and what came",
            f"{unit}, {span} to {str(local[chosen].max()) if chosen.any() else '-'} ({backtest.region.timezone})",
        )
        error = median - actual
        strip.fill_between(time, 0, np.maximum(error, 0), color=WARM, lw=0, alpha=0.85)
        strip.fill_between(time, 0, np.minimum(error, 0), color=COOL, lw=0, alpha=0.85)
        strip.axhline(0, color=MUTED, lw=0.8)
        reach = float(np.nanmax(np.abs(error), initial=0.0)) * 1.15 or 1.0
        strip.set_ylim(-reach, reach)
        strip.set_ylabel(f"error, {unit}")
        for text, height, colour in (("too high", 0.75, WARM), ("too low", 0.25, COOL)):
            strip.annotate(
                text,
                (1, height),
                xytext=(6, 0),
                xycoords="axes fraction",
                textcoords="offset points",
                va="center",
                color=colour,
                fontsize=9,
                fontweight="bold",
            )
        strip.margins(x=0.01)
        power_ticks(strip.yaxis, unit)
        time_axis(strip, backtest.region.tz)
    return figure


def backtest_horizon(card: Scorecard, series: str, horizon_min: int) -> Figure:
    """Error of the model and of the baselines by local day at one horizon."""
    table = card.by_day.filter((pl.col("series") == series) & (pl.col("horizon_min") == horizon_min)).sort("date")
    # The days at the edges of the period have a few hours only.
    table = table.filter(pl.col("n") >= 0.5 * pl.col("n").max())
    days = table["date"].to_numpy().astype("datetime64[D]")
    lines = {name: _floats(table, f"MAE_{name}") for name in card.baselines} | {"model": _floats(table, "MAE")}
    colours = dict(zip(card.baselines, cycle(BASELINES), strict=False)) | {"model": MODEL}
    row = card.row(series, horizon_min)
    means = {name: row.get("MAE" if name == "model" else f"MAE_{name}") for name in lines}
    with style():
        figure, (axes,) = canvas(6.6, 3.7)
        for day in days[table["date"].dt.weekday().to_numpy() >= SATURDAY]:
            half = np.timedelta64(12, "h")
            axes.axvspan(day - half, day + half, color=GRID, alpha=0.45, lw=0)
        for name, values in lines.items():
            own = name == "model"
            marker = "o" if own or len(days) <= FEWEST_DAYS else None
            axes.plot(days, values, color=colours[name], lw=2.6 if own else 1.4, marker=marker, ms=4, label=name)
        cut = scale_from_zero(axes, lines)
        axes.margins(x=0.02)
        labels = [
            (end_label(name, mean, card.unit, cut=name == cut), float(known[-1]), colours[name])
            for name, mean in means.items()
            if isinstance(mean, float) and len(known := lines[name][np.isfinite(lines[name])])
        ]
        if labels:
            end_labels(axes, days[-1], labels)
        axes.set_ylabel(card.unit)
        power_ticks(axes.yaxis, card.unit)
        time_axis(axes, ZoneInfo("UTC"))  # a day is drawn at the midnight of its date
        if TWO_WEEKS < len(days) <= FIVE_MONTHS:
            mondays = dates.WeekdayLocator(dates.MO, interval=1 + len(days) // 50)  # type: ignore[no-untyped-call]
            axes.xaxis.set_major_locator(mondays)
        headline(
            axes,
            f"{series}: error by day, {horizon_min} minutes ahead",
            f"Mean absolute error in {card.unit} of each local day; right: of all days",
        )
    return figure


def nowcast_fan(
    region: Region, nowcasts: Nowcasts, times: Times, actual: Floats, *, outcome: Floats | None = None
) -> Figure:
    """One nowcast: the last hours, and the fan chart of the next hour.

    Args:
        region: the region, for its time zone.
        nowcasts: of one issue time and one series.
        times: times of the observations, shape (time,), UTC.
        actual: the observations in MW, shape (time,).
        outcome: the outcomes in MW, shape (step,), if known.
    """
    issue_time, values = nowcasts.issue_times[0], nowcasts.values[0, 0]
    steps_minutes, quantiles = nowcasts.steps_minutes, nowcasts.quantiles
    known = np.isfinite(actual)
    ahead = issue_time + np.array(steps_minutes, "timedelta64[m]")
    future = np.concatenate([[issue_time], ahead]).astype("datetime64[s]")
    middle = quantiles.index(0.5)
    with style():
        figure, (axes,) = canvas(9, 4.4)
        last = actual[known][-1] if known.any() else np.nan
        fan = np.concatenate([np.full((1, len(quantiles)), last), values])
        _bands(axes, future, fan, quantiles)
        axes.plot(times.astype("datetime64[s]"), actual, color=INK, lw=1.8, label="actual")
        axes.plot(future, fan[:, middle], color=MODEL, lw=2.2, label="nowcast")
        if outcome is not None:
            axes.plot(future[1:], outcome, color=INK, lw=0, marker="o", ms=4.5, label="what came")
        axes.axvline(issue_time.astype("datetime64[s]"), color=MUTED, lw=1, ls=(0, (3, 3)))
        axes.margins(x=0.02)
        low, high = values[-1, 0], values[-1, -1]
        if np.isfinite([low, high]).all():
            ends = ((high, MUTED), (values[-1, middle], MODEL), (low, MUTED))
            wide = float(high - low)
            labels = [(power(float(mw), region.unit, beside=wide), float(mw), colour) for mw, colour in ends]
            end_labels(axes, future[-1], labels)
        axes.set_ylabel(region.unit)
        legend(axes)
        power_ticks(axes.yaxis, region.unit)
        time_axis(axes, region.tz)
        issued = _local_text(issue_time, region)
        headline(
            axes,
            f"{nowcasts.series[0]}: the next {steps_minutes[-1]} minutes",
            f"{region.unit}, issued {issued} ({region.timezone})",
        )
    return figure


def _bands(axes: Axes, time: NDArray[np.datetime64], values: Floats, quantiles: tuple[float, ...]) -> None:
    for percent, colour in BANDS.items():
        low, high = (quantiles.index(level) for level in LEVELS[percent])
        axes.fill_between(time, values[:, low], values[:, high], color=colour, lw=0, label=f"{percent} %")


def _floats(table: pl.DataFrame, name: str) -> NDArray[np.float64]:
    return table[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _local_days(times: Times, region: Region) -> NDArray[np.datetime64]:
    stamps = pl.Series(times.astype("datetime64[us]")).dt.replace_time_zone("UTC")
    return stamps.dt.convert_time_zone(region.timezone).dt.date().to_numpy().astype("datetime64[D]")


def _local_text(time: np.datetime64, region: Region) -> str:
    stamp = pl.Series([time.astype("datetime64[us]").item()]).dt.replace_time_zone("UTC")
    return f"{stamp.dt.convert_time_zone(region.timezone)[0]:%a %d %b %Y %H:%M}"
