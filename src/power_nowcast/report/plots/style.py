"""One style for every plot: a palette safe for colour-blind readers, grid, titles, labels."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from power_nowcast.regions.units import TO_MW
from power_nowcast.report.words import power

INK = "#1c2530"
MUTED = "#5f6b78"
GRID = "#e3e7eb"
PAPER = "#ffffff"
MODEL = "#0b62a4"
BASELINES = ("#7d848c", "#c8500a", "#1a8163", "#8d4a9c")
"""Persistence first, then the other baselines in the given order."""
BANDS = {90: "#d9e7f4", 80: "#b3d0ea", 50: "#80b0da"}
FAR_ABOVE = 2.5
WARM, COOL = "#c8500a", "#0b62a4"

_STYLE: dict[Any, Any] = {
    "figure.facecolor": PAPER,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "savefig.facecolor": PAPER,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "axes.facecolor": PAPER,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.5,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 25,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "text.parse_math": False,
}


@contextmanager
def style() -> Iterator[None]:
    """Apply the style for the length of the block only."""
    with mpl.rc_context(_STYLE):
        yield


def canvas(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `width` x `height` inches with its axes row by row, without pyplot's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.ravel())


def headline(axes: Axes, title: str, subtitle: str = "", *, small: bool = False) -> None:
    """A title on the left, and below it in a lighter colour a description with the unit."""
    axes.set_title(title, fontsize=10.5 if small else 13, pad=22 if subtitle else 8)
    if subtitle:
        under = axes.annotate(
            subtitle,
            (0, 1),
            xytext=(0, 7),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=8.5 if small else 9.5,
            color=MUTED,
        )
        under.set_in_layout(False)


def legend(axes: Axes) -> None:
    """The legend of lines and bands, on the title's line at the right."""
    above = axes.transAxes + ScaledTranslation(0, 19 / 72, axes.get_figure(root=True).dpi_scale_trans)  # type: ignore[union-attr]
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 1),
        bbox_transform=above,
        borderaxespad=0,
        ncols=6,
        fontsize=9,
        handlelength=1.3,
        columnspacing=1.2,
    )


def power_ticks(axis: Axis, unit: str) -> None:
    """Write the ticks of an axis in MW in a region's unit, with thousands separators."""
    factor = TO_MW[unit]
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / factor:,.10g}".replace("-", "\N{MINUS SIGN}")))


def scale_from_zero(axes: Axes, lines: Mapping[str, NDArray[np.float64]]) -> str:
    """Scale y from 0 to a value that fits the lines; a line far above the others is cut. Returns its name."""
    tops = {name: float(np.nanmax(y)) for name, y in lines.items() if np.isfinite(y).any()}
    ranked = sorted(tops.values())
    cut = len(ranked) > 1 and ranked[-1] > FAR_ABOVE * ranked[-2]
    top = ranked[-2] if cut else ranked[-1] if ranked else 1.0
    axes.set_ylim(0, 1.12 * top if top > 0 else 1.0)
    if not cut:
        return ""
    return max(tops, key=lambda name: tops[name])


def end_label(name: str, mw: float, unit: str, *, cut: bool) -> str:
    """A line's name and figure, with an arrow if the line leaves the plot.

    >>> end_label("model", 1234.5, "MW", cut=False)
    'model 1,234'
    """
    return f"{name} {power(mw, unit)}" + (" \N{UPWARDS ARROW}" if cut else "")


def end_labels(axes: Axes, x: Any, labels: Sequence[tuple[str, float, str]], *, gap: float = 0.055) -> None:
    """Labels (text, y, colour) at the right end of lines, moved apart if lines end close together."""
    low, high = axes.get_ylim()
    room = gap * (high - low)
    placed = sorted(labels, key=lambda item: item[1])
    heights = [y for _, y, _ in placed]
    for i in range(1, len(heights)):
        heights[i] = max(heights[i], heights[i - 1] + room)
    # Labels beyond the top are moved back down, and lower labels with them.
    for i in range(len(heights) - 1, -1, -1):
        ceiling = high if i == len(heights) - 1 else heights[i + 1] - room
        heights[i] = min(heights[i], ceiling)
    for (text, _, colour), height in zip(placed, heights, strict=True):
        axes.annotate(
            text,
            (x, height),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontsize=9,
            fontweight="bold",
            annotation_clip=False,
        )


def time_axis(axes: Axes, zone: ZoneInfo) -> None:
    """Format the x axis in local time."""
    locator = dates.AutoDateLocator(tz=zone, minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        dates.ConciseDateFormatter(  # type: ignore[no-untyped-call]
            locator,
            tz=zone,
            formats=["%Y", "%b", "%a %d %b", "%H:%M", "%H:%M", "%S"],
            zero_formats=["", "%b %Y", "%a %d %b", "%a %d %b", "%H:%M", "%H:%M"],
            offset_formats=["", "", "", "", "%d %b %Y", "%d %b %Y"],
        )
    )
