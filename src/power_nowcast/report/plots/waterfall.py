"""Waterfall plot of one nowcast: from the last known value, contribution by contribution, to the median."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from power_nowcast.report.plots.style import (
    BANDS,
    COOL,
    GRID,
    INK,
    MODEL,
    MUTED,
    WARM,
    canvas,
    headline,
    power_ticks,
    style,
)
from power_nowcast.report.words import change, power

MOST_NOTE = 64
TENTH = 10
"""Contributions have a digit more than levels."""


def waterfall(
    start: float,
    parts: Sequence[tuple[str, float, str]],
    *,
    title: str,
    unit: str = "MW",
    subtitle: str = "",
    band: tuple[float, float] | None = None,
    outcome: float | None = None,
) -> Figure:
    """Bars from top to bottom; each begins at the end of the bar above it.

    Args:
        start: the last known value in MW.
        parts: name, contribution in MW and note of each part, in order.
        title: names the nowcast.
        unit: the unit that the figures are written in.
        subtitle: a lighter line below it.
        band: bounds of the 80 % band.
        outcome: the outcome in MW, if known.
    """
    values = np.array([value for _, value, _ in parts], np.float64)
    ends = start + np.cumsum(values)
    begins = np.concatenate([[start], ends[:-1]])
    median = float(ends[-1]) if len(ends) else start
    rows = len(parts) + 2
    y = np.arange(rows)[::-1]
    reached = [start, *ends.tolist(), *(band or ()), *([outcome] if outcome is not None else [])]
    low, high = min(reached), max(reached)
    room = (high - low) or 1.0
    with style():
        figure, (axes,) = canvas(11, 1.5 + 0.46 * rows)
        if band is not None:
            axes.axvspan(*band, color=BANDS[90], lw=0, zorder=0)
        if outcome is not None:
            axes.axvline(outcome, color=INK, lw=1.4, ls=(0, (1, 1.5)), zorder=1)
        for row in range(rows - 1):
            level = start if row == 0 else float(ends[row - 1])
            axes.plot([level, level], [y[row] - 0.3, y[row + 1] + 0.3], color=MUTED, lw=0.9, zorder=2)
        axes.scatter([start], [y[0]], s=70, color=MUTED, zorder=4)
        _figure(axes, start, y[0], f"{power(start, unit, beside=room)} {unit}", right=True)
        for n, value in enumerate(values):
            colour = WARM if value > 0 else COOL
            axes.barh(y[n + 1], value, left=begins[n], color=colour, height=0.58, zorder=3)
            axes.plot([ends[n], ends[n]], [y[n + 1] - 0.29, y[n + 1] + 0.29], color=colour, lw=1.2, zorder=3)
            edge = max(begins[n], ends[n]) if value >= 0 else min(begins[n], ends[n])
            _figure(axes, edge, y[n + 1], change(float(value), unit, beside=room / TENTH), right=value >= 0)
        axes.scatter([median], [y[-1]], s=90, marker="D", color=MODEL, zorder=4)
        _figure(axes, median, y[-1], f"{power(median, unit, beside=room)} {unit}", right=True, bold=True)
        axes.set_yticks(y, ["last known value", *(name for name, _, _ in parts), "nowcast"], color=INK, fontsize=10)
        _note(axes, y[0], "what tells most (usual value)", weight="bold")
        for n, (_, _, note) in enumerate(parts):
            short = note if len(note) <= MOST_NOTE else f"{note[: MOST_NOTE - 1]}\N{HORIZONTAL ELLIPSIS}"
            _note(axes, y[n + 1], short)
        axes.set_xlim(low - 0.13 * room, high + 0.13 * room)
        axes.set_ylim(-0.6, rows - 0.4)
        power_ticks(axes.xaxis, unit)
        axes.set_xlabel(unit)
        axes.grid(axis="y", visible=False)
        axes.spines["bottom"].set_color(GRID)
        marks = []
        if band is not None:
            marks.append("shaded: the 80 % band")
        if outcome is not None:
            marks.append(f"dotted: what came, {power(outcome, unit, beside=room)} {unit}")
        headline(axes, title, "; ".join([*([subtitle] if subtitle else []), *marks]))
    return figure


def _note(axes: Axes, y: float, text: str, *, weight: str = "normal") -> None:
    """A text to the right of the bars."""
    axes.annotate(
        text,
        (1.015, y),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=8.5,
        fontweight=weight,
        color=MUTED,
        annotation_clip=False,
    )


def _figure(axes: Axes, x: float, y: float, text: str, *, right: bool, bold: bool = False) -> None:
    axes.annotate(
        text,
        (x, y),
        xytext=(8 if right else -8, 0),
        textcoords="offset points",
        va="center",
        ha="left" if right else "right",
        fontsize=9.5,
        fontweight="bold" if bold else "normal",
        color=INK,
        zorder=5,
        bbox={"facecolor": "white", "alpha": 0.7, "pad": 1.2, "linewidth": 0},
    )
