"""Reports of a comparison: sentences, a table for the terminal, and one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from power_nowcast import __version__
from power_nowcast.contracts import Manifest
from power_nowcast.evaluate.comparison import LOSSES, SIGNIFICANT, Comparison
from power_nowcast.report.cells import Cells, manifest_cells
from power_nowcast.report.pages import picture, template, write_page
from power_nowcast.report.plots import Plot
from power_nowcast.report.plots.comparison import comparison_plots
from power_nowcast.report.terminal import plain_table
from power_nowcast.report.words import number, percent, power, shown_horizons, signed

WHICH = {"absolute error": "absolute error of the median", "pinball": "pinball loss of the quantiles"}
FEW_HORIZONS = 4
"""Columns of the terminal's table."""


def verdict(comparison: Comparison, run: str, loss: str) -> str:
    """A sentence with the better run, the size of the difference, and its significance.

    This is one test over all series and horizons, so its p-value is not adjusted.
    """
    row = comparison.row(run, loss)
    if row["p"] is None:
        return f"{run} and {comparison.reference} have too few pairs in common to tell which has the smaller {loss}."
    if row["difference"] == 0 and row["p"] == 1:
        return f"{run} has the same {loss} as {comparison.reference}."
    sure = row["p"] < SIGNIFICANT
    side = "smaller" if row["difference"] < 0 else "larger"
    size = percent(abs(row["difference"]) / 100, 1)
    said = f"{run} has a {size} {side} {loss} than {comparison.reference} (95 % interval {_interval(row)})"
    return f"{said}." if sure else f"{said}, which is not significant at 5 %."


def counted(comparison: Comparison, run: str, loss: str) -> str:
    """The number of cells in which a run is significantly better or worse."""
    rows = [row for row in comparison.cells.iter_rows(named=True) if row["run"] == run and row["loss"] == loss]
    better = sum(_sure(row) and row["difference"] < 0 for row in rows)
    worse = sum(_sure(row) and row["difference"] > 0 for row in rows)
    return f"{better} of {len(rows)} pairs of series and horizon are significantly better, {worse} significantly worse."


def table(comparison: Comparison, run: str, loss: str) -> RenderableType:
    """Differences in percent by series and horizon with half the interval's width; a star marks significant ones."""
    steps = _columns(comparison)
    grid = plain_table(f"{run} against {comparison.reference}: {loss}")
    grid.add_column("series", no_wrap=True)
    for step in steps:
        grid.add_column(f"{step} min", justify="right", no_wrap=True)
    for series in comparison.series:
        grid.add_row(series, *(_cell(comparison.row(run, loss, series, step)) for step in steps))
    return Group(grid, Text(f"{verdict(comparison, run, loss)} {counted(comparison, run, loss)}"), Text())


def closing(comparison: Comparison) -> str:
    """Legend of the tables."""
    return (
        f"{comparison.pairs:,} pairs of {comparison.issues:,} issue times, {comparison.first:%d %b %Y} to "
        f"{comparison.last:%d %b %Y}. Negative is better. *: significant at 5 %, by the test of Diebold and Mariano, "
        f"adjusted (Holm) for the {comparison.tests('cells')} tests of all series, horizons and runs."
    )


def write_comparison(
    folder: Path,
    comparison: Comparison,
    *,
    now: datetime,
    origins: Mapping[str, str] | None = None,
    manifests: Sequence[Manifest] = (),
) -> Path:
    """Write page (`compare.html`) and PNGs into `folder`; returns the page.

    Args:
        folder: folder of the files, which is created.
        comparison: the comparison to report.
        now: time of the report, UTC.
        origins: origin of each run by its name.
        manifests: manifests of the tables with the outcomes.

    Raises:
        ConfigurationError: the folder cannot be written.
    """
    drawn = list(comparison_plots(comparison))
    path = write_page(
        folder / "compare.html",
        render(comparison, drawn, now=now, origins=origins or {}, manifests=manifests),
    )
    for plot in drawn:
        (folder / f"{plot.name}.png").write_bytes(plot.png())
    return path


def render(
    comparison: Comparison,
    drawn: Sequence[Plot],
    *,
    now: datetime,
    origins: Mapping[str, str],
    manifests: Sequence[Manifest],
) -> str:
    """The page's HTML."""
    pictures = {plot.name: picture(plot) for plot in drawn}
    names = iter(pictures)
    return template("comparison.html.j2").render(
        comparison=comparison,
        now=now,
        package_version=__version__,
        pictures=pictures,
        tiles=[tile for run in comparison.others for tile in _tiles(comparison, run)],
        verdicts=[verdict(comparison, run, loss) for run in comparison.others for loss in LOSSES],
        parts=[
            {
                "run": run,
                "loss": loss,
                "title": f"{run}: {WHICH[loss]}",
                "words": f"{verdict(comparison, run, loss)} {counted(comparison, run, loss)}",
                "plot": next(names),
                "cells": _cells(comparison, run, loss),
            }
            for run in comparison.others
            for loss in LOSSES
        ],
        origins=origins,
        manifests=manifest_cells(manifests),
        methods=_methods(comparison),
    )


def _tiles(comparison: Comparison, run: str) -> list[tuple[str, str, str]]:
    return [
        (signed(row["difference"]), f"{loss} of {run}", f"95 %: {_interval(row)}; negative is better")
        for loss in LOSSES
        for row in [comparison.row(run, loss)]
    ]


def _cells(comparison: Comparison, run: str, loss: str) -> Cells:
    rows, unit = [], comparison.unit
    for series in comparison.series:
        for step in shown_horizons(comparison.steps_minutes):
            row = comparison.row(run, loss, series, step)
            figures = (number(row["n"]), power(row["reference_mw"], unit), power(row["run_mw"], unit))
            tested = (signed(row["difference"], 2), _interval(row), number(row["statistic"], 1))
            beyond = "better" if row["difference"] is not None and row["difference"] < 0 else "worse"
            rows.append(
                (series, f"{step}", *figures, *tested, _p(row["p_holm"]), beyond if _sure(row) else "not significant")
            )
    said = ("Series", "Minutes ahead", "Pairs", f"{comparison.reference}, {unit}", f"{run}, {unit}")
    columns = (*said, "Difference", "95 % interval", "Statistic", "p, Holm", "Verdict")
    return Cells(f"Mean {WHICH[loss]}", columns, rows, wide=True, text=(9,))


def _methods(comparison: Comparison) -> list[str]:
    levels = ", ".join(percent(level) for level in comparison.quantiles)
    cells, hours = comparison.tests("cells"), comparison.tests("hours")
    test = (
        "Tests are those of Diebold and Mariano (1995) with the variance of Newey and West (1987) and the correction "
    )
    test += "for small samples of Harvey, Leybourne and Newbold (1997). Losses are correlated in time: without a true "
    test += "difference, such a test at 5 % finds a difference in 5 to 9 % of samples."
    family = f"P-values are adjusted after Holm (1979) in families: {cells} tests by series and horizon, {hours} by "
    family += "series and local hour, for each loss. Intervals are not adjusted."
    return [
        f"A pair counts if every run answered and the value is published: {comparison.pairs:,} pairs.",
        f"Pinball loss is the mean over the levels that all runs have: {levels}.",
        test,
        family,
        "By hour, a local day is one observation: the mean over all horizons with a target in the hour.",
        "The overall figures are the unweighted mean over series and horizons of the differences in percent.",
        "A significant difference may be too small to matter: many issue times make small differences significant.",
    ]


def _columns(comparison: Comparison) -> tuple[int, ...]:
    steps = shown_horizons(comparison.steps_minutes)
    spread = {round(i * (len(steps) - 1) / (FEW_HORIZONS - 1)) for i in range(FEW_HORIZONS)}
    return tuple(steps[i] for i in sorted(spread))


def _cell(row: Mapping[str, Any]) -> Text:
    if row["difference"] is None:
        return Text("\N{EN DASH}", style="dim")
    room = "" if row["high"] is None else f" \N{PLUS-MINUS SIGN}{number((row['high'] - row['low']) / 2, 1)}"
    sure = _sure(row)
    colour = "dim" if not sure else "green" if row["difference"] < 0 else "red"
    return Text(f"{signed(row['difference'])}{room}{' *' if sure else '  '}", style=colour)


def _sure(row: Mapping[str, Any]) -> bool:
    return row["p_holm"] is not None and row["p_holm"] < SIGNIFICANT


def _interval(row: Mapping[str, Any]) -> str:
    return f"{signed(row['low'])} to {signed(row['high'])}"


def _p(value: object) -> str:
    return "< 0.001" if isinstance(value, float) and value < 0.001 else number(value, 3)
