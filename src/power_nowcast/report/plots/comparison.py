"""Plots of a comparison: differences between runs by series, horizon and hour, with their significance."""

from collections.abc import Iterator

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import ScaledTranslation

from power_nowcast.evaluate.comparison import LOSSES, SIGNIFICANT, Comparison
from power_nowcast.report.plots.accuracy import LADDER
from power_nowcast.report.plots.save import Plot
from power_nowcast.report.plots.style import COOL, GRID, INK, MUTED, PAPER, WARM, headline, style
from power_nowcast.report.words import shown_horizons, signed

BETTER_TO_WORSE = LinearSegmentedColormap.from_list("better_to_worse", [COOL, "#8fbadd", "#f6f7f8", "#eea06c", WARM])
SPREAD = 0.62
"""Share of a series' row for its horizons."""


def comparison_plots(comparison: Comparison) -> Iterator[Plot]:
    """One figure for each run and loss."""
    for number, run in enumerate(comparison.others, 1):
        for loss in LOSSES:
            yield Plot(
                f"compare_{number}_{loss.replace(' ', '_')}",
                who_wins(comparison, run, loss),
                f"Points with intervals by series and horizon: {loss} of {run} against {comparison.reference} in "
                "percent; beside them the same by series and local hour.",
            )


def who_wins(comparison: Comparison, run: str, loss: str) -> Figure:
    """Difference of the mean loss from the reference's: by series and horizon, by hour, and the first series by hour.

    Left is better, right is worse; a filled point differs significantly, a hollow one does not.
    """
    chosen = (pl.col("run") == run) & (pl.col("loss") == loss)
    cells, hours = comparison.cells.filter(chosen), comparison.hours.filter(chosen)
    several = len(comparison.series) > 1
    rows = len(comparison.series)
    with style():
        height = max(5.0, 2.9 + 0.52 * rows)
        layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - 0.72 / height), w_pad=0.14, h_pad=0.1)
        figure = Figure(figsize=(12.5, height), layout=layout)
        FigureCanvasAgg(figure)
        ratios = [1.0, max(0.55, 2.2 / rows)] if several else [1.0]
        places = "ch;cl" if several else "cl"
        axes = figure.subplot_mosaic(places, width_ratios=[1.0, 1.12], height_ratios=ratios)
        _cells(axes["c"], comparison, cells)
        if several:
            _hours(axes["h"], comparison, hours)
        _line(axes["l"], comparison.series[0], comparison.timezone, hours)
        all_of_it = comparison.row(run, loss)
        figure.text(
            0.006,
            1 - 0.26 / height,
            f"{run} against {comparison.reference}: {loss}",
            fontsize=14,
            fontweight="bold",
        )
        said = f"{signed(all_of_it['difference'])} in all ({_interval(all_of_it)}); negative is better"
        period = f"{comparison.issues:,} issue times, {comparison.first:%d %b %Y} to {comparison.last:%d %b %Y}"
        figure.text(0.006, 1 - 0.52 / height, f"{said}. {period}", fontsize=10, color=MUTED)
    return figure


def _cells(axes: Axes, comparison: Comparison, cells: pl.DataFrame) -> None:
    """Forest plot: a row for each series, with a point and its interval for each displayed horizon."""
    steps = shown_horizons(comparison.steps_minutes)
    if len(steps) > len(LADDER):
        steps = tuple(steps[i] for i in np.linspace(0, len(steps) - 1, len(LADDER)).round().astype(int))
    names = list(comparison.series)
    reach = 0.0
    for i, step in enumerate(steps):
        table = cells.filter(pl.col("horizon_min") == step)
        found = {row["series"]: row for row in table.iter_rows(named=True)}
        offset = SPREAD * ((i + 0.5) / len(steps) - 0.5)
        colour = LADDER[i + len(LADDER) - len(steps)]
        for y, name in enumerate(names):
            row = found[name]
            if row["low"] is None or row["high"] is None:
                continue
            reach = max(reach, abs(row["low"]), abs(row["high"]))
            sure = row["p_holm"] is not None and row["p_holm"] < SIGNIFICANT
            axes.plot([row["low"], row["high"]], [y + offset] * 2, color=colour, lw=2.2, alpha=1 if sure else 0.55)
            axes.plot(
                row["difference"], y + offset, marker="o", ms=6, mec=colour, mew=1.5, mfc=colour if sure else PAPER
            )
        axes.plot([], [], color=colour, marker="o", ms=6, lw=2.2, label=f"{step} min")
    reach = 1.06 * reach or 1.0
    axes.axvspan(-reach, 0, color=COOL, alpha=0.05, lw=0)
    axes.axvspan(0, reach, color=WARM, alpha=0.05, lw=0)
    axes.axvline(0, color=INK, lw=1.1)
    for y in np.arange(len(names) - 1) + 0.5:
        axes.axhline(y, color=GRID, lw=0.8)
    axes.set(xlim=(-reach, reach), ylim=(len(names) - 0.5, -0.5))
    axes.set_yticks(range(len(names)), names, color=INK, fontsize=10)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.set_xlabel(
        "\N{LEFTWARDS ARROW} better          difference of the mean loss          worse \N{RIGHTWARDS ARROW}"
    )
    below = axes.transAxes + ScaledTranslation(0, -38 / 72, axes.get_figure(root=True).dpi_scale_trans)  # type: ignore[union-attr]
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=below,
        ncols=len(steps),
        fontsize=9,
        handlelength=1.4,
    )
    headline(axes, "By series and horizon", "95 % intervals; filled: significant (Holm), hollow: not")


def _hours(axes: Axes, comparison: Comparison, hours: pl.DataFrame) -> None:
    """Heat map by series and local hour; a dot marks a significant difference."""
    names = list(comparison.series)
    grid, sure = np.full((len(names), 24), np.nan), np.zeros((len(names), 24), bool)
    for row in hours.iter_rows(named=True):
        y = names.index(row["series"])
        grid[y, row["hour"]] = np.nan if row["difference"] is None else row["difference"]
        sure[y, row["hour"]] = row["p_holm"] is not None and row["p_holm"] < SIGNIFICANT
    known = np.abs(grid[np.isfinite(grid)])
    limit = float(np.quantile(known, 0.97)) if len(known) else 1.0
    mesh = axes.pcolormesh(
        np.arange(25) - 0.5,
        np.arange(len(names) + 1) - 0.5,
        grid,
        cmap=BETTER_TO_WORSE,
        vmin=-(limit or 1.0),
        vmax=limit or 1.0,
        edgecolor=PAPER,
        lw=1.2,
    )
    rows, columns = np.nonzero(sure)
    dark = np.abs(grid[rows, columns]) > 0.55 * (limit or 1.0)
    axes.scatter(columns, rows, s=9, c=np.where(dark, PAPER, INK).tolist(), lw=0, zorder=3)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlim=(-0.5, 23.5))
    axes.set_yticks(range(len(names)), names, color=INK, fontsize=9)
    _hour_ticks(axes)
    axes.grid(False)
    axes.tick_params(length=0)
    bar = axes.get_figure(root=True).colorbar(mesh, ax=axes, pad=0.01, aspect=16, extend="both")  # type: ignore[union-attr]
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(_tick))
    headline(axes, "By series and hour of day", "Blue: better; orange: worse; a dot: significant (Holm)")


def _line(axes: Axes, series: str, timezone: str, hours: pl.DataFrame) -> None:
    """One series by local hour with its intervals."""
    table = hours.filter((pl.col("series") == series) & pl.col("low").is_not_null()).sort("hour")
    x = table["hour"].to_numpy()
    middle, low, high = (table[name].cast(pl.Float64).to_numpy() for name in ("difference", "low", "high"))
    sure = (table["p_holm"].fill_null(1.0) < SIGNIFICANT).to_numpy()
    colours = [COOL if value < 0 else WARM for value in middle]
    inside = [colour if is_sure else PAPER for colour, is_sure in zip(colours, sure, strict=True)]
    axes.axhline(0, color=INK, lw=1.1)
    axes.vlines(x, low, high, color=colours, lw=2.2, alpha=0.45)
    axes.scatter(x, middle, s=34, c=inside, edgecolors=colours, lw=1.5, zorder=3)
    axes.set_xlim(-0.5, 23.5)
    _hour_ticks(axes)
    axes.set_xlabel(f"hour of day of the target ({timezone})")
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    headline(axes, f"{series} by hour of day", "All horizons together, with 95 % intervals; below zero is better")


def _tick(value: float, _: int | None) -> str:
    return f"{value:+.10g} %".replace("-", "\N{MINUS SIGN}") if value else "0"


def _hour_ticks(axes: Axes) -> None:
    axes.set_xticks(range(0, 24, 3), [f"{hour:02d}" for hour in range(0, 24, 3)])


def _interval(row: dict[str, float | None]) -> str:
    return f"95 %: {signed(row['low'])} to {signed(row['high'])}"
