"""The scorecard and a fan chart for a terminal: 80 columns, readable without colour."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from power_nowcast.contracts import Floats, Times
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.regions import Region
from power_nowcast.report.words import headline, number, percent, power, relative, relative_name, shown_horizons
from power_nowcast.scoring import BANDS

HOURS = 3
ROWS = 15
FAN_SHARE = 0.5
"""The fan chart fills at least this share of the height; older values beyond it are marked at the edge."""
HIGHER, LOWER = "\N{BLACK UP-POINTING SMALL TRIANGLE}", "\N{BLACK DOWN-POINTING SMALL TRIANGLE}"
ACTUAL, MEDIAN, NOW = (
    "\N{BLACK CIRCLE}",
    "\N{BOX DRAWINGS HEAVY HORIZONTAL}",
    "\N{BOX DRAWINGS LIGHT TRIPLE DASH VERTICAL}",
)
SHADES = {90: "\N{LIGHT SHADE}", 80: "\N{MEDIUM SHADE}", 50: "\N{DARK SHADE}"}
COLOURS = {90: "blue", 80: "blue", 50: "bright_blue"}
PLAIN = {
    "\N{LIGHT SHADE}": ".",
    "\N{MEDIUM SHADE}": ":",
    "\N{DARK SHADE}": "#",
    ACTUAL: "o",
    MEDIAN: "=",
    NOW: "|",
    HIGHER: "^",
    LOWER: "v",
}


def summary(card: Scorecard, series: str | None = None) -> Group:
    """Headline and compact scorecard of one series, by default the first."""
    name = series or card.series[0]
    return Group(Text(headline(card, name)), Text(), scorecard_table(card, name))


def scorecard_table(card: Scorecard, series: str) -> Table:
    """Errors, skills and coverage by horizon, at most 80 columns wide with four baselines."""
    title = f"{series}, {card.first:%d %b} to {card.last:%d %b %Y}"
    table = plain_table(title)
    table.add_column("ahead", justify="right", no_wrap=True)
    for heading in (f"MAE {card.unit}", relative_name(card, series), "in 80 %"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name in card.baselines:
        words = ("saved vs", *name.split())  # as narrow as the longest word
        table.add_column(f"saved vs {name}", justify="right", width=max(map(len, words)))
    for horizon in shown_horizons(card.steps_minutes):
        row = card.row(series, horizon)
        skills = [row.get(f"skill_{name}") for name in card.baselines]
        table.add_row(
            f"{horizon} min",
            power(row.get("MAE"), card.unit),
            relative(row, 2),
            percent(row.get("coverage_80")),
            *(Text(percent(skill), style=_good(skill)) for skill in skills),
        )
    return table


def families_table(card: Scorecard, families: Mapping[str, Mapping[str, float]], chosen_by: str) -> Table:
    """Trained models beside each other on the period of a scorecard: its first series, at the furthest horizon.

    Args:
        card: the scorecard of one of them.
        families: figures of each model by its name, as `evaluate.scorecard.figures` names them, and `chosen_by`.
        chosen_by: name of the figure by which the best model is chosen; the table is sorted by it.
    """
    far, unit = shown_horizons(card.steps_minutes)[-1], card.unit
    period = f"{card.first:%d %b} to {card.last:%d %b %Y}"
    table = plain_table(f"Trained models: {card.series[0]}, {far} min ahead, {period}, unseen in training")
    relative_error = relative_name(card, card.series[0])
    table.add_column("model", no_wrap=True)
    for heading in (f"MAE {unit}", f"RMSE {unit}", relative_error, f"pinball {unit}", "in 80 %", "valid loss"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, found in sorted(families.items(), key=lambda item: item[1].get(chosen_by, np.inf)):
        at = {
            figure.removesuffix(f"_{far}min"): value for figure, value in found.items() if figure.endswith(f"_{far}min")
        }
        table.add_row(
            name,
            *(power(at.get(figure), unit) for figure in ("MAE", "RMSE")),
            relative(at, 2),
            power(at.get("pinball"), unit),
            percent(at.get("coverage_80")),
            number(found.get(chosen_by), 4),
        )
    return table


@dataclass(frozen=True)
class Fan:
    """One nowcast, and the observations before it.

    `times` (time,) in UTC and `actual` (time,) in MW are observations; `values` (step, quantile) is the nowcast in MW.
    """

    region: Region
    series: str
    times: Times
    actual: Floats
    issue_time: np.datetime64
    steps_minutes: tuple[int, ...]
    values: Floats
    quantiles: tuple[float, ...]


def draw_fan(fan: Fan, *, width: int = 80, rows: int = ROWS, ascii_only: bool = False) -> RenderableType:
    """The last three hours as dots, and the next hour as shaded bands around the median.

    Args:
        fan: the nowcast to draw.
        width: total number of columns.
        rows: number of lines of the plot.
        ascii_only: use ASCII characters only.
    """
    begin = fan.issue_time - np.timedelta64(HOURS * 60, "m")
    shown = (fan.times >= begin) & (fan.times <= fan.issue_time) & np.isfinite(fan.actual)
    load = fan.actual[shown]
    if not fan.values.size or not np.isfinite(fan.values).all():
        return Text(f"{fan.series}: no nowcast at {_clock(fan.issue_time, fan.region)}.")
    bottom, top = float(fan.values.min()), float(fan.values.max())
    reach = (top - bottom) / FAN_SHARE
    low = max(float(load.min(initial=bottom)), top - reach)
    high = min(float(load.max(initial=top)), bottom + reach)
    margin = 0.04 * (high - low) or 0.01 * abs(high) or 1.0
    edges = np.linspace(high + margin, low - margin, rows + 1)
    # The labels of two rows differ in their last digits.
    apart, middles = float(edges[0] - edges[3]), (edges[:-1] + edges[1:]) / 2
    labels = [power(float(middle), fan.region.unit, beside=apart) for middle in middles]
    axis = max(map(len, labels))
    columns = width - axis - 2
    minutes = HOURS * 60 + fan.steps_minutes[-1]
    grid = _Grid(rows, columns, edges, -HOURS * 60, minutes / (columns - 1))
    grid.fan(fan)
    ages = (fan.times[shown] - fan.issue_time).astype(np.int64)
    grid.history(ages, load)
    lines = [
        _head(fan),
        *(_line(grid, row, label if row % 3 == 0 else "", axis, ascii_only) for row, label in enumerate(labels)),
        _hours(grid, fan, axis),
    ]
    return Group(*lines, _key(ascii_only))


def fan_table(fan: Fan) -> Table:
    """The median and the bands of each step, at most 80 columns wide; times are the region's."""
    table = plain_table()
    table.add_column("ahead", justify="right", no_wrap=True)
    unit, width = fan.region.unit, float(np.nanmax(np.ptp(fan.values, axis=1), initial=0.0))
    times = [fan.issue_time + np.timedelta64(step, "m") for step in fan.steps_minutes]
    zones = "/".join(dict.fromkeys(_clock(time, fan.region, "%Z") for time in times))  # two on the night of a change
    for heading in (f"at, {zones}", f"nowcast {unit}", *(f"{nominal} % within" for nominal in sorted(BANDS))):
        table.add_column(heading, justify="right", no_wrap=True)
    for step, time, values in zip(fan.steps_minutes, times, fan.values, strict=True):
        told = [power(float(value), unit, beside=width) if np.isfinite(value) else "" for value in values]
        places = [[fan.quantiles.index(level) for level in BANDS[nominal]] for nominal in sorted(BANDS)]
        within = (f"{told[low]} to {told[high]}" if told[low] else "" for low, high in places)
        table.add_row(f"{step} min", _clock(time, fan.region), told[fan.quantiles.index(0.5)], *within)
    return table


def plain_table(title: str | None = None) -> Table:
    """An empty table without borders, with a bold title on the left."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        collapse_padding=True,
        pad_edge=False,
        show_edge=False,
        expand=False,
    )


class _Grid:
    """Characters and their colours, (row, column); columns are minutes from the issue time."""

    def __init__(self, rows: int, columns: int, edges: NDArray[np.float64], first: int, per_column: float) -> None:
        self.signs = np.full((rows, columns), " ")
        self.styles = np.full((rows, columns), "", dtype="U16")
        self.edges, self.per_column = edges, per_column
        self.minutes = first + np.arange(columns) * per_column
        self.now = int(np.argmin(np.abs(self.minutes)))

    def row(self, value: float) -> int:
        """The row of a value."""
        place = np.searchsorted(-self.edges, -value, side="right") - 1
        return int(np.clip(place, 0, len(self.signs) - 1))

    def put(self, row: int, column: int, sign: str, style: str) -> None:
        self.signs[row, column], self.styles[row, column] = sign, style

    def history(self, ages: NDArray[np.int64], load: Floats) -> None:
        for column in range(self.now + 1):
            near = np.abs(ages - self.minutes[column]) if len(ages) else np.empty(0)
            # A gap in the data stays a gap: only columns close to an observation are drawn.
            if len(near) and near.min() <= max(self.per_column, _spacing(ages)) / 2:
                value = float(load[near.argmin()])
                beyond = HIGHER if value > self.edges[0] else LOWER if value < self.edges[-1] else ""
                self.put(self.row(value), column, beyond or ACTUAL, "dim" if beyond else "bold")

    def fan(self, fan: Fan) -> None:
        steps = np.array(fan.steps_minutes)
        at = [np.interp(self.minutes, steps, fan.values[:, i]) for i in range(len(fan.quantiles))]
        centres = (self.edges[:-1] + self.edges[1:]) / 2
        for column in range(self.now + 1, len(self.minutes)):
            for nominal, (lower, upper) in sorted(BANDS.items(), reverse=True):
                bottom, top = at[fan.quantiles.index(lower)][column], at[fan.quantiles.index(upper)][column]
                for row in np.flatnonzero((centres >= bottom) & (centres <= top)):
                    self.put(int(row), column, SHADES[nominal], COLOURS[nominal])
            middle = float(at[fan.quantiles.index(0.5)][column])
            self.put(self.row(middle), column, MEDIAN, "bold bright_cyan")
        for line in range(len(self.signs)):
            self.put(line, self.now, NOW, "dim")


def _head(fan: Fan) -> Text:
    low, middle, high = (fan.values[-1, fan.quantiles.index(level)] for level in (0.1, 0.5, 0.9))
    unit, width = fan.region.unit, float(high - low)
    shown = [power(float(value), unit, beside=width) for value in (low, middle, high)]
    text = Text()
    text.append(f"{fan.series} ", style="bold")
    text.append(f"in {fan.steps_minutes[-1]} min: ")
    text.append(f"{shown[1]} {unit}", style="bold bright_cyan")
    text.append(f", 80 % within {shown[0]} to {shown[2]}")
    return text


def _line(grid: _Grid, row: int, label: str, axis: int, ascii_only: bool) -> Text:
    text = Text()
    text.append(f"{label:>{axis}} ", style="dim")
    for sign, style in zip(grid.signs[row], grid.styles[row], strict=True):
        text.append(PLAIN.get(str(sign), str(sign)) if ascii_only else str(sign), style=str(style))
    return text


def _hours(grid: _Grid, fan: Fan, axis: int) -> Text:
    line = [" "] * len(grid.minutes)
    for ahead in (*range(-60 * HOURS, 0, 60), 0, fan.steps_minutes[-1]):
        label = _clock(fan.issue_time + np.timedelta64(ahead, "m"), fan.region)
        place = int(np.argmin(np.abs(grid.minutes - ahead)))
        start = min(max(0, place - len(label) // 2), len(line) - len(label))
        line[start : start + len(label)] = label
    return Text(" " * (axis + 1) + "".join(line), style="dim")


def _key(ascii_only: bool) -> Text:
    text = Text("  ")
    for sign, style, name in (
        (ACTUAL, "bold", "actual"),
        (MEDIAN, "bold bright_cyan", "nowcast"),
        *((SHADES[p], COLOURS[p], f"{p} %") for p in sorted(SHADES)),
    ):
        text.append(PLAIN[sign] if ascii_only else sign, style=style)
        text.append(f" {name}   ", style="dim")
    return text


def _spacing(ages: NDArray[np.int64]) -> float:
    return float(np.median(np.diff(np.sort(ages)))) if len(ages) > 1 else 0.0


def _clock(time: np.datetime64, region: Region, form: str = "%H:%M") -> str:
    stamp = pl.Series([time.astype("datetime64[us]").item()]).dt.replace_time_zone("UTC")
    return f"{stamp.dt.convert_time_zone(region.timezone)[0]:{form}}"


def _good(skill: object) -> str:
    if not isinstance(skill, float):
        return "dim"
    return "green" if skill > 0 else "red"
