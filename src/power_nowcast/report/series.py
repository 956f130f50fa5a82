"""What the report shows of one series: sentences, tables and charts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.evaluate.slices import OBSERVED_RAMP, PREDICTED_RAMP
from power_nowcast.report import charts
from power_nowcast.report.cells import (
    Cells,
    Heat,
    delay_cells,
    heat_cells,
    month_cells,
    ramp_cells,
    reliability_cells,
    scorecard_cells,
    tiles,
    worst_days_cells,
)
from power_nowcast.report.charts import Chart
from power_nowcast.report.words import headline, ramps, shown_horizons, where

FEW_DAYS = 4


@dataclass(frozen=True)
class SeriesView:
    """One series of a report: its figures at the top, its sentences, and its tables and charts by name."""

    name: str
    headline: str
    where: str
    ramps: str
    tiles: list[tuple[str, str, str]]
    cells: Mapping[str, Cells]
    heats: tuple[Heat, Heat]
    charts: Mapping[str, Chart]
    by_day: tuple[Chart, ...]


def view(backtest: Backtest, card: Scorecard, series: str) -> SeriesView:
    """The view of one series."""
    horizons = shown_horizons(card.steps_minutes)
    drawn = {
        "error_by_horizon": charts.error_by_horizon(card, series),
        "skill_by_horizon": charts.skill_by_horizon(card, series),
        "reliability": charts.reliability(card, series),
        "residuals": charts.residuals(backtest, series, horizons[-1]),
        "coverage_by_hour": charts.coverage_by_hour(card, series),
        "error_by_hour": charts.error_by_hour(card, series),
        "coverage_by_day": charts.coverage_by_day(card, series),
    }
    return SeriesView(
        name=series,
        headline=headline(card, series),
        where=where(card, series),
        ramps=ramps(card, series),
        tiles=tiles(card, series),
        cells={
            "scorecard": scorecard_cells(card, series),
            "months": month_cells(card, series),
            "reliability": reliability_cells(card, series),
            "predicted_ramps": ramp_cells(card, series, PREDICTED_RAMP),
            "observed_ramps": ramp_cells(card, series, OBSERVED_RAMP),
            "worst_days": worst_days_cells(card, series),
            "delays": delay_cells(card, series),
        },
        heats=heat_cells(card, series),
        charts=drawn | _examples(backtest, card, series),
        by_day=tuple(charts.error_by_day(card, series, horizon) for horizon in (horizons[0], horizons[-1])),
    )


def _examples(backtest: Backtest, card: Scorecard, series: str) -> dict[str, Chart]:
    """One nowcast, the last days, and a typical day beside the worst one, as they were and relative to the nowcast."""
    far = shown_horizons(card.steps_minutes)[-1]
    last = (backtest.last + timedelta(minutes=far)).astimezone(backtest.region.tz).date()
    shown: list[tuple[str, str, date | None, int]] = [
        ("last_days", "The last days", last - timedelta(days=FEW_DAYS - 1), FEW_DAYS),
        ("typical_day", "A typical day", _first_day(card.typical_days, series), 1),
        ("worst_day", "The worst day", _first_day(card.worst_days, series), 1),
    ]
    found = {}
    for name, title, day, count in shown:
        if day is not None:
            found[name] = charts.days(backtest, series, far, day, count, title=title)
            found[f"{name}_relative"] = charts.days(
                backtest, series, far, day, count, title=f"{title}: bands around the nowcast", relative=True
            )
    if (fan := charts.fan(backtest, series)) is not None:
        found["fan"] = fan
    return found


def _first_day(table: pl.DataFrame, series: str) -> date | None:
    days: list[date] = table.filter(pl.col("series") == series)["date"].to_list()
    return days[0] if days else None
