"""Plots of accuracy and calibration: residuals, skill, reliability, and errors by time."""

from itertools import cycle

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.report.plots.style import (
    BASELINES,
    COOL,
    GRID,
    INK,
    MODEL,
    MUTED,
    PAPER,
    WARM,
    canvas,
    end_label,
    end_labels,
    headline,
    power_ticks,
    scale_from_zero,
    style,
)
from power_nowcast.report.words import WEEKDAYS, change, power, shown_horizons

BINS = 61
LADDER = ("#a9cbe8", "#6ba3d3", "#2f77b5", "#0a3f73")
"""Colours of horizons from near to far."""


def residual_hist(backtest: Backtest, series: str) -> Figure:
    """Distribution of the residuals at each horizon: the model's in front of the first baseline's."""
    unit = backtest.region.unit
    nowcasts, steps = backtest.nowcasts, shown_horizons(backtest.nowcasts.steps_minutes)
    column, middle = nowcasts.series.index(series), nowcasts.quantiles.index(0.5)
    baseline = next(iter(backtest.baselines), None)
    errors: list[tuple[np.ndarray, np.ndarray | None]] = []
    for horizon in steps:
        step = nowcasts.steps_minutes.index(horizon)
        actual = backtest.actual[:, column, step]
        other = backtest.baselines[baseline].values[:, column, step, middle] - actual if baseline else None
        mine = nowcasts.values[:, column, step, middle] - actual
        errors.append((mine[np.isfinite(mine)], other[np.isfinite(other)] if other is not None else None))
    pooled = np.concatenate([error for pair in errors for error in pair if error is not None])
    reach = float(np.quantile(np.abs(pooled), 0.985)) if len(pooled) else 1.0
    bins = np.linspace(-(reach or 1.0), reach or 1.0, BINS)
    with style():
        figure, panels = canvas(11, 3.9, 1, len(steps), sharey=True)
        for axes, horizon, (mine, theirs) in zip(panels, steps, errors, strict=True):
            for error, options in ((theirs, {"color": "#c3c8ce"}), (mine, {"color": MODEL, "alpha": 0.88})):
                if error is not None and len(error):
                    axes.hist(error, bins=bins.tolist(), weights=np.full(len(error), 1 / len(error)), **options)
            if len(mine):
                low, high = np.quantile(mine, [0.05, 0.95])
                axes.axvline(0, color=INK, lw=0.9)
                ends = (change(float(end), unit, beside=float(high - low)) for end in (low, high))
                said = f"bias {change(float(mine.mean()), unit)}\n90 % within\n{' .. '.join(ends)}"
                axes.annotate(
                    said, (1, 0.97), xycoords="axes fraction", ha="right", va="top", fontsize=8.5, color=MODEL
                )
            axes.set_title(f"{horizon} min", fontsize=10.5, pad=6)
            axes.set_xlabel(f"nowcast \N{MINUS SIGN} actual, {unit}")
            power_ticks(axes.xaxis, unit)
            axes.yaxis.set_major_formatter(PercentFormatter(1, 0))
        panels[0].set_ylabel("share of nowcasts")
        under = f"blue: the model; grey: {baseline}" if baseline else "blue: the model"
        _over_all(figure, f"{series}: residuals by horizon", f"Distribution of residuals in {unit}; {under}")
    return figure


def skill_by_horizon(card: Scorecard, series: str) -> Figure:
    """Error by horizon, and skill against each baseline."""
    table = card.by_series.filter(pl.col("series") == series).sort("horizon_min")
    x = table["horizon_min"].to_numpy()
    with style():
        figure, (left, right) = canvas(11, 4.4, 1, 2)
        names = list(zip(card.baselines, cycle(BASELINES), strict=False))
        lines = {name: _floats(table, f"MAE_{name}") for name, _ in names} | {"model": _floats(table, "MAE")}
        cut = scale_from_zero(left, lines)
        labels = []
        for name, colour in [*names, ("model", MODEL)]:
            y, own = lines[name], name == "model"
            left.plot(x, y, color=colour, lw=2.8 if own else 1.6, marker="o", ms=4.5 if own else 3, label=name)
            if np.isfinite(y[-1]):
                labels.append((end_label(name, float(y[-1]), card.unit, cut=name == cut), float(y[-1]), colour))
        end_labels(left, x[-1], labels)
        left.set_ylabel(card.unit)
        power_ticks(left.yaxis, card.unit)
        headline(left, f"{series}: error by horizon", f"Mean absolute error in {card.unit}")
        floor = 0.0
        labels = []
        for name, colour in names:
            y = _floats(table, f"skill_{name}")
            floor = max(-1.0, min(floor, float(np.nanmin(y, initial=0.0))))
            right.plot(x, y, color=colour, lw=2, marker="o", ms=4, label=name)
            # The label of a line that leaves the plot at the bottom stays inside.
            if np.isfinite(y[-1:]).all():
                labels.append((f"{100 * y[-1]:.0f} % of {name}", max(-1.0, float(y[-1])), colour))
        right.axhline(0, color=INK, lw=0.9)
        right.set_ylim(floor, 1)
        right.yaxis.set_major_formatter(PercentFormatter(1, 0))
        end_labels(right, x[-1], labels)
        headline(right, "Error saved", "Share of each baseline's error that the model saves; 0 % is no better")
        for axes in (left, right):
            axes.set_xticks(x if len(x) <= 6 else x[2::3] if len(x) % 3 == 0 else x[::3])
            axes.set_xlabel("minutes ahead")
    return figure


def reliability(card: Scorecard, series: str) -> Figure:
    """Reliability diagram (nominal levels against the share of outcomes below), and both tails of the 80 % band."""
    steps = shown_horizons(card.steps_minutes)
    table = card.reliability.filter((pl.col("series") == series) & pl.col("share").is_not_null())
    with style():
        figure, (left, right) = canvas(11, 4.9, 1, 2)
        left.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=(0, (4, 3)))
        for i, horizon in enumerate(steps):
            rows = table.filter(pl.col("horizon_min") == horizon).sort("level")
            colour = LADDER[i % len(LADDER)]
            left.plot(
                rows["level"].to_numpy(),
                rows["share"].to_numpy(),
                color=colour,
                marker="o",
                ms=5,
                lw=1.6,
                label=f"{horizon} min",
            )
        left.set(xlim=(0, 1), ylim=(0, 1), xlabel="nominal level", ylabel="outcomes at or below it")
        for axis in (left.xaxis, left.yaxis):
            axis.set_major_formatter(PercentFormatter(1, 0))
            axis.set_ticks([0, 0.1, 0.25, 0.5, 0.75, 0.9, 1])
        left.legend(loc="upper left", fontsize=9)
        headline(left, f"{series}: reliability of the quantiles", "On the diagonal they are exact")
        _tails(right, card, series, steps)
    return figure


def _tails(axes: Axes, card: Scorecard, series: str, steps: tuple[int, ...]) -> None:
    rows = [card.row(series, horizon) for horizon in steps]
    below, inside, above = (
        np.array([_number(row.get(f"{name}_80")) for row in rows]) for name in ("below", "coverage", "above")
    )
    y = np.arange(len(steps))[::-1]
    for start, share, colour in ((0, below, COOL), (below, inside, GRID), (below + inside, above, WARM)):
        axes.barh(y, share, left=start, color=colour, height=0.62, edgecolor=PAPER, lw=1.5)
    for i, row_y in enumerate(y):
        if np.isfinite(inside[i]):
            for x, text, colour, side in (
                (below[i] + 0.012, f"{100 * below[i]:.1f} %", COOL, "left"),
                (below[i] + inside[i] / 2, f"{100 * inside[i]:.1f} %", INK, "center"),
                (1 - above[i] - 0.012, f"{100 * above[i]:.1f} %", WARM, "right"),
            ):
                axes.text(x, row_y, text, ha=side, va="center", color=colour, fontsize=9.5, fontweight="bold")
    for nominal in (0.1, 0.9):
        axes.axvline(nominal, color=INK, lw=1, ls=(0, (4, 3)))
    axes.set_yticks(y, [f"{horizon} min" for horizon in steps])
    axes.set(xlim=(0, 1), ylim=(-0.5, len(steps) - 0.5))
    axes.xaxis.set_major_formatter(PercentFormatter(1, 0))
    axes.grid(False)
    headline(axes, "The 80 % band", "Outcomes below, inside and above it; dashes: nominal shares")


def error_heatmap(card: Scorecard, series: str) -> Figure:
    """Mean absolute error by local hour and weekday, all horizons together."""
    table = card.by_hour_weekday.filter(pl.col("series") == series)
    days = sorted(table["weekday"].unique().to_list())
    names = [WEEKDAYS[day - 1] for day in days]
    grid = np.full((len(days), 24), np.nan)
    for hour, day, value in table.select("hour", "weekday", "MAE").iter_rows():
        grid[days.index(day), hour] = np.nan if value is None else value
    with style():
        figure, (axes,) = canvas(11, 1.75 + 0.5 * max(1, len(days)))
        mesh = axes.pcolormesh(
            np.arange(25), np.arange(len(days) + 1), grid, cmap="Blues", vmin=0, edgecolor=PAPER, lw=1.5
        )
        limit = float(np.nanmax(grid, initial=0.0))
        mesh.set_clim(0, 1.25 * limit or 1.0)
        for (row, hour), value in np.ndenumerate(grid):
            if np.isfinite(value):
                ink = PAPER if value > 0.7 * limit else INK
                axes.text(
                    hour + 0.5,
                    row + 0.5,
                    power(float(value), card.unit, beside=limit),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=ink,
                )
        axes.invert_yaxis()
        axes.set_yticks(np.arange(len(days)) + 0.5, names)
        axes.set_xticks(np.arange(0, 24, 2) + 0.5, [f"{hour:02d}" for hour in range(0, 24, 2)])
        axes.set_xlabel(f"hour of day ({card.timezone})")
        axes.grid(False)
        axes.tick_params(length=0)
        bar = figure.colorbar(mesh, ax=axes, pad=0.01, aspect=12, label=card.unit)
        bar.outline.set_visible(False)
        power_ticks(bar.ax.yaxis, card.unit)
        span = f"{card.steps_minutes[0]} to {card.steps_minutes[-1]} minutes ahead together"
        headline(
            axes,
            f"{series}: when the errors happen",
            f"Mean absolute error in {card.unit} by local hour and weekday, {span}",
        )
    return figure


def _over_all(figure: Figure, title: str, subtitle: str) -> None:
    """The title of a row of panels, at the position of a single plot's title."""
    figure.suptitle(f"{title}\n", x=0.006, ha="left", fontsize=13, fontweight="bold")
    figure.text(0.006, 0.905, subtitle, fontsize=9.5, color=MUTED)


def _floats(table: pl.DataFrame, name: str) -> np.ndarray:
    return table[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
