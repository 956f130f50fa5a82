"""The tables of the report as text."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from power_nowcast.contracts import Manifest
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.report.words import (
    best_baseline,
    number,
    percent,
    power,
    relative,
    relative_name,
    shown_horizons,
    signed,
)


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
        figures += [percent(row.get(f"skill_{name}")) for name in card.baselines]
        rows.append((str(horizon), *figures))
    saved = tuple(f"Saved of {name}" for name in card.baselines)
    caption = f"Scorecard of {series}. Saved: share of a simple method's mean absolute error that the model avoids."
    return Cells(caption, (*columns, f"Width, {unit}", *saved), rows, wide=True)


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
    columns = ("Day", "Weekday", "Scaled error", *(f"{name}, scaled" for name in card.baselines))
    rows = [
        (
            f"{row['date']}",
            row["weekday"],
            number(row["scaled_error"], 2),
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
    rows = []
    for month in table["month"].unique().sort().to_list():
        found = {row["horizon_min"]: row for row in table.filter(pl.col("month") == month).iter_rows(named=True)}
        figures = [relative(found.get(h, {}), 2) for h in horizons]
        far = found.get(horizons[-1], {})
        rows.append((month, number(far.get("n")), *figures, percent(far.get("coverage_80"))))
    name = relative_name(card, series)
    columns = ("Month", "Nowcasts", *(f"{name} {h} min" for h in horizons), f"In 80 % band, {horizons[-1]} min")
    return Cells(f"{series} by month (local time of the target)", columns, rows, wide=True)


def manifest_cells(manifests: Sequence[Manifest]) -> Cells:
    """The table of the data."""
    rows = [
        (one.table, str(one.version), f"{one.rows:,}", one.first or "", one.last or "", one.sha256[:16])
        for one in manifests
    ]
    columns = ("Table", "Version", "Rows", "First", "Last", "SHA-256 (first 16)")
    return Cells("Data that were read", columns, rows, wide=True, text=(3, 4, 5))
