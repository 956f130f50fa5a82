"""Charts of one series by local hour and by local day: where bands hold, and where errors are large."""

import numpy as np
import polars as pl

from power_nowcast.evaluate.scorecard import HALF_A_DAY, Scorecard
from power_nowcast.evaluate.slices import DAY, HOUR, NOMINAL
from power_nowcast.regions.units import TO_MW
from power_nowcast.report.charts.chart import PERCENT, Axis, Chart, Mark, Tick, dots, reach, whiskers
from power_nowcast.report.charts.figures import column, errors, top_of
from power_nowcast.report.words import told_rows

HIGHEST = 1.02
"""Room for the dots at 100 %."""
APART = 0.14
"""Half the distance of near and far horizons at the same hour."""
MOST_DAY_TICKS = 8
LOWEST = 0.4
"""The axis of coverages begins here, or lower where a coverage is lower."""


def coverage_by_hour(card: Scorecard, series: str) -> Chart:
    """Coverage of the 80 % band by local hour at the nearest and the farthest horizon, with 95 % intervals."""
    marks = _by_hour(card, series, "coverage_80", 1.0)
    return Chart(
        "Coverage by hour",
        f"{series}: share of outcomes inside the 80 % band by local hour; bars are 95 % intervals",
        f"Dots by local hour: the share of outcomes of {series} inside the 80 % band, with 95 % intervals.",
        marks,
        _hours(),
        _shares(marks),
        PERCENT,
        NOMINAL,
    )


def error_by_hour(card: Scorecard, series: str) -> Chart:
    """Mean absolute error by local hour at the nearest and the farthest horizon, with 95 % intervals."""
    marks = _by_hour(card, series, "MAE", TO_MW[card.unit])
    return Chart(
        "Error by hour",
        f"{series}: mean absolute error in {card.unit} by local hour; bars are 95 % intervals",
        f"Dots by local hour: the mean absolute error of {series}, with 95 % intervals.",
        marks,
        _hours(),
        reach(marks, floor=0.0),
        card.unit,
    )


def coverage_by_day(card: Scorecard, series: str) -> Chart:
    """Coverage of the 80 % band of each whole local day at the farthest horizon, with 95 % intervals."""
    far = sliced_horizons(card)[-1]
    table = whole_days(card.slices.filter(pl.col("by") == DAY).rename({"group": "date"}), series, far)
    x = np.arange(len(table))
    marks = (
        whiskers("", "far", x, column(table, "coverage_80_low"), column(table, "coverage_80_high"), 4),
        dots(f"{far} min", "far", x, column(table, "coverage_80"), 4),
    )
    return Chart(
        "Coverage by day",
        f"{series}, {far} minutes ahead: share of outcomes inside the 80 % band; bars are 95 % intervals",
        f"Dots by local day: the share of outcomes of {series} inside the 80 % band, with 95 % intervals.",
        marks,
        _days(table),
        _shares(marks),
        PERCENT,
        NOMINAL,
    )


def error_by_day(card: Scorecard, series: str, horizon_min: int) -> Chart:
    """Mean absolute error of each whole local day, of the model and of each baseline."""
    table = whole_days(card.by_day, series, horizon_min)
    marks = errors(card, table, np.arange(len(table), dtype=np.float64))
    top, beyond = top_of(marks, of=1)
    return Chart(
        f"Error by day, {horizon_min} minutes ahead",
        f"{series}: mean absolute error in {card.unit} of each local day{beyond}",
        f"Lines by day: mean absolute error of {series} {horizon_min} minutes ahead, by model and baselines.",
        marks,
        _days(table),
        (0.0, top),
        card.unit,
    )


def whole_days(table: pl.DataFrame, series: str, horizon_min: int) -> pl.DataFrame:
    """The rows of whole days by `date`; the days at the edges of the period have a few hours only."""
    rows = table.filter((pl.col("series") == series) & (pl.col("horizon_min") == horizon_min))
    return rows.filter(pl.col("n") >= HALF_A_DAY * pl.col("n").max()).sort("date")


def sliced_horizons(card: Scorecard) -> list[int]:
    """The horizons of `Scorecard.slices`."""
    return sorted(card.slices["horizon_min"].unique().to_list()) or [card.steps_minutes[-1]]


def _by_hour(card: Scorecard, series: str, name: str, factor: float) -> tuple[Mark, ...]:
    horizons = sliced_horizons(card)
    table = told_rows(card.slices.filter((pl.col("series") == series) & (pl.col("by") == HOUR)))
    shown = {"near": (horizons[0], -APART), "far": (horizons[-1], APART)} if len(horizons) > 1 else {}
    marks: list[Mark] = []
    for look, (horizon, shift) in (shown or {"far": (horizons[-1], 0.0)}).items():
        rows = table.filter(pl.col("horizon_min") == horizon).sort("place")
        x = rows["place"].to_numpy() + shift
        low, value, high = (column(rows, f"{name}{end}") / factor for end in ("_low", "", "_high"))
        marks += [whiskers("", look, x, low, high, 5), dots(f"{horizon} min", look, x, value, 5)]
    return tuple(marks)


def _shares(marks: tuple[Mark, ...]) -> tuple[float, float]:
    return min([LOWEST, *(mark.low for mark in marks if mark.path)]), HIGHEST


def _hours() -> Axis:
    ticks = tuple(Tick(100 * (hour + 0.5) / 24, f"{hour:02d}", hour % 6 == 0) for hour in range(0, 24, 3))
    return Axis((-0.5, 23.5), ticks, tuple(f"{hour:02d}:00 to {hour:02d}:59" for hour in range(24)))


def _days(table: pl.DataFrame) -> Axis:
    """One place a day, with ticks at Mondays."""
    days = (
        table["date"].cast(pl.Date, strict=False) if table.schema["date"] != pl.String else table["date"].str.to_date()
    )
    count = max(1, len(days))
    mondays = [place for place, day in enumerate(days) if day.weekday() == 0] or [0] * min(1, len(days))
    chosen = mondays[:: -(-len(mondays) // MOST_DAY_TICKS)] if mondays else []
    ticks = tuple(
        Tick(100 * (place + 0.5) / count, f"{days[place]:%d %b}", n % 2 == 0) for n, place in enumerate(chosen)
    )
    return Axis((-0.5, count - 0.5), ticks, tuple(f"{day:%a %d %b %Y}" for day in days))
