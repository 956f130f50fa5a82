"""The tables of the report as text.

A row of a few pairs says nothing about a model. Such rows are left out, and the table's caption says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from power_nowcast.contracts import Manifest
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.evaluate.slices import NOMINAL
from power_nowcast.features.families import family_of
from power_nowcast.report.plots import Explanation
from power_nowcast.report.words import (
    FEWEST_DAYS,
    NONE,
    WEEKDAYS,
    best_baseline,
    change,
    number,
    percent,
    power,
    relative,
    relative_name,
    shown_horizons,
    signed,
    told_rows,
)

SATURDAY = 6
FULL_SHADE = 0.3
"""A coverage so far below 80 % has the darkest shade."""


@dataclass(frozen=True)
class Cells:
    """A table as text: the first column has the row headers."""

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    wide: bool = False
    text: tuple[int, ...] = ()  # columns of text, not of figures


def tiles(card: Scorecard, series: str) -> list[tuple[str, str, str]]:
    """The four figures at the top: value, name, and reference."""
    far = shown_horizons(card.steps_minutes)[-1]
    row, best = card.row(series, far), best_baseline(card, series)
    skill = row.get(f"skill_{best}")
    found = [
        (relative(row, 2), f"mean error {far} minutes ahead", f"{power(row.get('MAE'), card.unit)} {card.unit}"),
        (percent(row.get("coverage_80")), "of outcomes inside the 80 % band", f"{far} minutes ahead; 80 % is right"),
        (f"{card.issues:,}", "nowcasts of every series scored", f"{card.first:%d %b} to {card.last:%d %b %Y}"),
    ]
    if best and isinstance(skill, float):
        side = "less" if skill >= 0 else "more"
        found.insert(
            1, (percent(abs(skill)), f"{side} error than {best}", f"{far} minutes ahead, the best simple method")
        )
    return found


def scorecard_cells(card: Scorecard, series: str) -> Cells:
    """Every metric of one series at the displayed horizons."""
    unit = card.unit
    metrics = (f"MAE, {unit}", f"RMSE, {unit}", relative_name(card, series), f"Bias, {unit}", f"CRPS, {unit}")
    columns = ("Minutes ahead", *metrics, "In 80 % band", "Below", "Above")
    rows = []
    for horizon in shown_horizons(card.steps_minutes):
        row = card.row(series, horizon)
        figures = [power(row.get(name), unit) for name in ("MAE", "RMSE")]
        figures += [relative(row, 3), power(row.get("bias"), unit), power(row.get("CRPS"), unit)]
        figures += [percent(row.get(f"{name}_80"), 1) for name in ("coverage", "below", "above")]
        figures += [power(row.get("width_80"), unit)]
        figures += [_slope(card, series, horizon)]
        figures += [percent(row.get(f"skill_{name}")) for name in card.baselines]
        rows.append((str(horizon), *figures))
    saved = tuple(f"Saved of {name}" for name in card.baselines)
    caption = f"Scorecard of {series}. Saved: share of a simple method's mean absolute error that the model avoids."
    return Cells(caption, (*columns, f"Width, {unit}", "Ramp slope", *saved), rows, wide=True)


def _slope(card: Scorecard, series: str, horizon: int) -> str:
    found = card.slopes.filter((pl.col("series") == series) & (pl.col("horizon_min") == horizon))
    return number(found["slope"].first(), 2) if len(found) else NONE


def every_series_cells(card: Scorecard) -> Cells:
    """Relative error and the share of error saved, for every series and displayed horizon."""
    horizons = shown_horizons(card.steps_minutes)
    rows = []
    for series in card.series:
        best = best_baseline(card, series)
        found = [card.row(series, horizon) for horizon in horizons]
        rows.append(
            (
                series,
                *(relative(row, 2) for row in found),
                best or "none",
                *(percent(row.get(f"skill_{best}")) for row in found),
                percent(found[-1].get("coverage_80")),
            )
        )
    columns = ("Series", *(f"{relative_name(card)} {h} min" for h in horizons), "Best simple method")
    columns += (*(f"saved {h} min" for h in horizons), f"In 80 % band, {horizons[-1]} min")
    return Cells("Every series", columns, rows, wide=True, text=(len(horizons) + 1,))


def reliability_cells(card: Scorecard, series: str) -> Cells:
    """Share of outcomes at or below each quantile."""
    table = card.reliability.filter(pl.col("series") == series)
    horizons = shown_horizons(card.steps_minutes)
    rows = []
    for level in sorted(set(table["level"].to_list())):
        shares = [
            table.filter((pl.col("level") == level) & (pl.col("horizon_min") == horizon))["share"].item()
            for horizon in horizons
        ]
        rows.append((percent(level), *(percent(share, 1) for share in shares)))
    caption = f"Outcomes of {series} at or below each quantile: each row should read as its first cell."
    return Cells(caption, ("Quantile", *(f"{horizon} min" for horizon in horizons)), rows)


def worst_days_cells(card: Scorecard, series: str) -> Cells:
    """The worst days of one series."""
    columns = ("Day", "Weekday", "Scaled error", "In 80 % band", *(f"{name}, scaled" for name in card.baselines))
    rows = [
        (
            f"{row['date']}",
            row["weekday"],
            number(row["scaled_error"], 2),
            percent(row["coverage_80"]),
            *(number(row[f"scaled_{name}"], 2) for name in card.baselines),
            power(row["MAE"], card.unit),
            f"{row['worst_hour']:02d}:00",
            power(row["worst_error"], card.unit),
        )
        for row in card.worst_days.filter(pl.col("series") == series).sort("rank").iter_rows(named=True)
    ]
    whose = card.baselines[0] if card.baselines else "the model"
    caption = (
        f"Worst days of {series}. Scaled: 1 is the mean error of {whose} at the same horizon over the whole period."
    )
    columns = (*columns, f"MAE, {card.unit}", "Worst hour", f"Worst error, {card.unit}")
    return Cells(caption, columns, rows, wide=True, text=(1,))


def delay_cells(card: Scorecard, series: str) -> Cells:
    """Accuracy with data on time and with late data."""
    table = card.delays.filter(pl.col("series") == series)
    horizons, rows = shown_horizons(card.steps_minutes), []
    for delay in table["delay_min"].unique().sort().to_list():
        found = {row["horizon_min"]: row for row in table.filter(pl.col("delay_min") == delay).iter_rows(named=True)}
        line = [relative(found.get(h, {}), 2) for h in horizons]
        if delay:
            line += [signed(found.get(h, {}).get("MAE_change")) for h in horizons]
        else:
            line += ["" for _ in horizons]
        coverage = percent(found.get(horizons[-1], {}).get("coverage_80"))
        rows.append(("on time" if not delay else f"{delay} min late", *line, coverage))
    name = relative_name(card, series)
    columns = ("Data", *(f"{name} {h} min" for h in horizons), *(f"error {h} min" for h in horizons))
    caption = f"{series} when data come late. Error: change of the mean absolute error against data on time."
    return Cells(caption, (*columns, f"In 80 % band, {horizons[-1]} min"), rows, wide=True)


def month_cells(card: Scorecard, series: str) -> Cells:
    """Relative error by month at the displayed horizons."""
    horizons = shown_horizons(card.steps_minutes)
    table = card.by_month.filter((pl.col("series") == series) & pl.col("horizon_min").is_in(horizons))
    told = told_rows(table)
    thin = sorted(set(table["month"].to_list()) - set(told["month"].to_list()))
    table, rows = told, []
    for month in table["month"].unique().sort().to_list():
        found = {row["horizon_min"]: row for row in table.filter(pl.col("month") == month).iter_rows(named=True)}
        figures = [relative(found.get(h, {}), 2) for h in horizons]
        far = found.get(horizons[-1], {})
        rows.append((month, number(far.get("n")), *figures, percent(far.get("coverage_80"))))
    name = relative_name(card, series)
    columns = ("Month", "Nowcasts", *(f"{name} {h} min" for h in horizons), f"In 80 % band, {horizons[-1]} min")
    left_out = f". Too short to tell, and left out: {', '.join(thin)}" if thin else ""
    return Cells(f"{series} by month (local time of the target){left_out}.", columns, rows, wide=True)


def ramp_cells(card: Scorecard, series: str, by: str) -> Cells:
    """Coverage and error by size of ramp at the nearest and the farthest horizon, with their 95 % intervals."""
    unit = card.unit
    table = card.slices.filter((pl.col("series") == series) & (pl.col("by") == by)).sort("horizon_min", "place")
    ends = {table["horizon_min"].min(), table["horizon_min"].max()}
    rows = [
        (
            row["group"].capitalize(),
            str(row["horizon_min"]),
            *(change(row[f"{name}_ramp"], unit) for name in ("predicted", "observed")),
            number(row["n"]),
            percent(row["coverage_80"]),
            _interval(row, "coverage_80", percent),
            *(percent(row[f"{name}_80"]) for name in ("below", "above")),
            power(row["MAE"], unit),
            _interval(row, "MAE", lambda mw: power(mw, unit)),
        )
        for row in told_rows(table).iter_rows(named=True)
        if row["horizon_min"] in ends
    ]
    columns = ("Ramp", "Minutes ahead", f"Predicted, {unit}", f"Observed, {unit}", "Nowcasts", "In 80 % band")
    figures = ("95 % interval", "Below", "Above", f"MAE, {unit}", "95 % interval")
    return Cells(
        f"{series} by {by}: tenths, fifths and the middle two fifths of all ramps",
        (*columns, *figures),
        rows,
        wide=True,
    )


def _interval(row: Mapping[str, Any], name: str, text: Callable[[float], str]) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return NONE if low is None else f"{text(low)} to {text(high)}"


@dataclass(frozen=True)
class Heat:
    """A table of shades or bars. A cell has its text and a strength from 0 to 1."""

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, tuple[tuple[str, float], ...]]]


def heat_cells(card: Scorecard, series: str) -> tuple[Heat, Heat]:
    """Error and missing coverage by local hour and weekday, all horizons together.

    Where a weekday has fewer than `FEWEST_DAYS` days, working days and weekends are merged.
    """
    table = card.by_hour_weekday.filter(pl.col("series") == series).drop_nulls("days")
    merged = bool((table["days"] < FEWEST_DAYS).any())
    names = ("Mon to Fri", "Sat, Sun") if merged else WEEKDAYS
    place = (pl.col("weekday") >= SATURDAY).cast(pl.Int64) if merged else pl.col("weekday") - 1
    whole = pl.col("n").sum()
    cells = table.group_by("hour", place=place).agg(
        days=pl.col("days").sum(),
        **{name: (pl.col(name) * pl.col("n")).sum() / whole for name in ("MAE", "coverage_80")},
    )
    cells = cells.filter(pl.col("days") >= FEWEST_DAYS)
    found = {(row["hour"], row["place"]): row for row in cells.iter_rows(named=True)}
    highest = cells["MAE"].max() or 1.0

    def shown(name: str, text: Callable[[Any], str], strength: Callable[[Any], float]) -> list[Any]:
        return [
            (
                f"{hour:02d}",
                tuple(
                    (text(row[name]), min(1.0, max(0.0, strength(row[name]))))
                    if (row := found.get((hour, n)))
                    else ("", 0)
                    for n in range(len(names))
                ),
            )
            for hour in range(24)
        ]

    few = f" Weekdays have fewer than {FEWEST_DAYS} days each and are merged." if merged else ""
    days = sorted(cells["days"].to_list()) or [0]
    most = f"{days[0]} to {days[-1]} days a cell.{few}"
    error = shown("MAE", lambda mw: power(mw, card.unit), lambda mw: mw / highest)
    inside = shown("coverage_80", lambda share: number(100 * share), lambda share: (NOMINAL - share) / FULL_SHADE)
    return (
        Heat(f"Mean absolute error of {series} in {card.unit} by local hour and weekday; {most}", names, error),
        Heat(
            f"Outcomes of {series} inside the 80 % band in percent; the darker, the farther below 80; {most}",
            names,
            inside,
        ),
    )


def importance_cells(explanation: Explanation) -> Heat | None:
    """Permutation importance and share in training by family of features, the most important first."""
    gains: dict[str, float] = {}
    for feature, gain in explanation.importance.items():
        gains[family_of(feature)] = gains.get(family_of(feature), 0.0) + gain
    total = sum(gains.values()) or 1.0
    grown = {family: float(np.mean(draws)) for family, draws in explanation.rests_on.items()}
    families = sorted({*gains, *grown}, key=lambda family: (-grown.get(family, 0.0), -gains.get(family, 0.0)))
    if not families:
        return None
    columns = ["Permutation importance"] * bool(grown) + ["Share in training"] * bool(gains)
    most = max([*grown.values(), 0.0]) or 1.0
    rows = []
    for family in families:
        cells = []
        if grown:
            draws, mean = explanation.rests_on.get(family, ()), grown.get(family)
            spread = f" \N{PLUS-MINUS SIGN} {np.std(draws):.4f}" if len(draws) > 1 else ""
            cells.append((f"{number(mean, 4)}{spread}", max(0.0, (mean or 0.0) / most)))
        if gains:
            gain = gains.get(family, 0.0)
            cells.append((percent(gain / total, 1), gain / (max(gains.values()) or 1.0)))
        rows.append((family, tuple(cells)))
    caption = "Families of features by importance; \N{PLUS-MINUS SIGN}: standard deviation over draws of other times"
    return Heat(caption, tuple(columns), rows)


def manifest_cells(manifests: Sequence[Manifest]) -> Cells:
    """The table of the data."""
    rows = [
        (one.table, str(one.version), f"{one.rows:,}", one.first or "", one.last or "", one.sha256[:16])
        for one in manifests
    ]
    columns = ("Table", "Version", "Rows", "First", "Last", "SHA-256 (first 16)")
    return Cells("Data that were read", columns, rows, wide=True, text=(3, 4, 5))
