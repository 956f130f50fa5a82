"""A chart as the page draws it: marks in the coordinates of the data, ticks in percent of the plot's size.

The browser stretches the plot to the width that there is, and text keeps its size, so that one chart fits a phone and a
wide screen. A path holds the data themselves (y upside down, as SVG counts), so that a script can read values from it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from power_nowcast.contracts import Floats

ROOM = 0.05
"""Free space above and below the marks, as a share of the chart's height."""
PERCENT = "%"
MOST_TICKS = 6
MOST_DECIMALS = 9


@dataclass(frozen=True)
class Mark:
    """A line, band or row of dots: its `name` in the legend ("" for none), its `look` in the style sheet, its path."""

    name: str
    look: str
    path: str
    low: float
    high: float


@dataclass(frozen=True)
class Tick:
    """A label at so many percent of the plot's width or height; a `few` tick stays where the screen is narrow."""

    percent: float
    text: str
    few: bool = True


@dataclass(frozen=True)
class Axis:
    """The x axis: its ends, ticks, and `labels` of whole numbers of x on hover.

    An axis of time counts minutes since `start`, seconds since 1970 in UTC, and can be zoomed.
    """

    ends: tuple[float, float]
    ticks: tuple[Tick, ...]
    labels: tuple[str, ...] = ()
    start: int | None = None


@dataclass(frozen=True)
class Chart:
    """A chart with its text alternative.

    `y` are the ends of the y axis in `unit`, which is % for shares of 1; a line goes at `guide`, the right value.
    """

    title: str
    about: str
    alt: str
    marks: tuple[Mark, ...]
    axis: Axis
    y: tuple[float, float]
    unit: str
    guide: float | None = None

    @property
    def view_box(self) -> str:
        """The SVG's `viewBox`."""
        (left, right), (low, high) = self.axis.ends, self.y
        return f"{left:g} {-high:.10g} {right - left:g} {high - low:.10g}"

    @property
    def y_ticks(self) -> tuple[Tick, ...]:
        """Ticks at round numbers, from the top of the plot in percent."""
        low, high = self.y
        return tuple(
            Tick(100 * (high - value) / (high - low), tick_text(value, self.unit)) for value in round_ticks(low, high)
        )

    @property
    def grid(self) -> str:
        """The path of the lines at the y ticks."""
        (left, right), (low, high) = self.axis.ends, self.y
        return "".join(f"M{left:g} {0 - value:.10g}H{right:g}" for value in round_ticks(low, high))


def tick_text(value: float, unit: str) -> str:
    """A value of the y axis; shares of 1 (`unit` is %) in percent.

    >>> tick_text(12500.0, "MW"), tick_text(0.8, "%")
    ('12,500', '80 %')
    """
    text = f"{100 * value:,.10g} %" if unit == PERCENT else f"{value:,.10g}"
    return text.replace("-", "\N{MINUS SIGN}")


def round_ticks(low: float, high: float) -> list[float]:
    """At most `MOST_TICKS` + 1 round numbers from low to high.

    >>> round_ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * n, 12) for n in range(first, last + 1)]


def reach(marks: Sequence[Mark], *, floor: float | None = None, ceiling: float | None = None) -> tuple[float, float]:
    """The ends of the y axis that show all marks, or those of a fixed `floor` and `ceiling`."""
    low = min((mark.low for mark in marks if mark.path), default=0.0) if floor is None else floor
    high = max((mark.high for mark in marks if mark.path), default=1.0) if ceiling is None else ceiling
    if not high > low:
        high = low + (abs(low) or 1.0)
    room = ROOM * (high - low)
    return (low - room if floor is None else low, high + room if ceiling is None else high)


def line(name: str, look: str, x: ArrayLike, y: ArrayLike, decimals: int = 3) -> Mark:
    """A line through finite points, interrupted where a value is missing.

    >>> line("a", "model", [0, 5, 10], [1.0, float("nan"), 2.5]).path
    'M0 -1M10 -2.5'
    """
    times, values = np.asarray(x, np.float64), np.asarray(y, np.float64)
    path, is_open = [], False
    for time, value in zip(times, values, strict=True):
        if np.isfinite(value):
            path.append(f"{'L' if is_open else 'M'}{time:g} {_text(-value, decimals)}")
        is_open = bool(np.isfinite(value))
    return _mark(name, look, "".join(path), values)


def band(name: str, look: str, x: ArrayLike, low: ArrayLike, high: ArrayLike, decimals: int = 3) -> Mark:
    """The area between two lines, in parts where a value is missing.

    >>> band("80 %", "b80", [0, 5], [1, 2], [3, 4]).path
    'M0 -3L5 -4L5 -2L0 -1Z'
    """
    times = np.asarray(x, np.float64)
    lower, upper = np.asarray(low, np.float64), np.asarray(high, np.float64)
    known = np.flatnonzero(np.isfinite(lower) & np.isfinite(upper))
    path = ""
    for part in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1) if len(known) else []:
        points = [(times[n], upper[n]) for n in part] + [(times[n], lower[n]) for n in part[::-1]]
        path += "M" + "L".join(f"{time:g} {_text(-value, decimals)}" for time, value in points) + "Z"
    return _mark(name, look, path, np.concatenate([lower[known], upper[known]]))


def dots(name: str, look: str, x: ArrayLike, y: ArrayLike, decimals: int = 3) -> Mark:
    """One dot for each finite value: a line without length, whose round ends are the dot.

    >>> dots("a", "near", [1, 2], [0.5, float("nan")]).path
    'M1 -0.5h0'
    """
    return whiskers(name, look, x, y, y, decimals)


def whiskers(name: str, look: str, x: ArrayLike, low: ArrayLike, high: ArrayLike, decimals: int = 3) -> Mark:
    """An upright line from low to high at each x where both are finite.

    >>> whiskers("95 % interval", "near", [1], [0.5], [0.75]).path
    'M1 -0.5V-0.75'
    """
    lower, upper = np.asarray(low, np.float64), np.asarray(high, np.float64)
    known = np.isfinite(lower) & np.isfinite(upper)
    path = ""
    for place, one, other in zip(np.asarray(x, np.float64)[known], lower[known], upper[known], strict=True):
        path += f"M{place:g} {_text(-one, decimals)}" + ("h0" if one == other else f"V{_text(-other, decimals)}")
    return _mark(name, look, path, np.concatenate([lower[known], upper[known]]))


def _mark(name: str, look: str, path: str, values: Floats) -> Mark:
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (math.nan, math.nan)
    return Mark(name, look, path, low, high)


def _text(value: float, decimals: int) -> str:
    text = f"{value:.{min(decimals, MOST_DECIMALS)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text
