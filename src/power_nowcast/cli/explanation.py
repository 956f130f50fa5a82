"""The output of `nowcast explain`."""

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table as Grid

from power_nowcast.cli.base import console, show_table

if TYPE_CHECKING:
    from power_nowcast.jobs.explain import Explained, Overview

BAR = 12
TOP = 15


def show_overview(found: "Overview") -> None:
    grid = _grid(f"Features that the accuracy of {found.kind} depends on")
    for heading in ("family of features", "loss added", "spread", ""):
        number = heading in ("loss added", "spread")
        grid.add_column(heading, justify="right" if number else "left", no_wrap=not heading)  # a bar has no heading
    most = max((mean for mean, _ in found.rests_on.values()), default=0.0)
    for name, (mean, spread) in found.rests_on.items():
        bar = "\N{FULL BLOCK}" * round(BAR * max(0.0, mean) / most) if most > 0 else ""
        grid.add_row(name, f"{mean:+.4f}", f"{spread:.4f}", bar)
    show_table(grid)
    console.print(
        f"Increase of the pinball loss, in units of persistence's MAE, when a family has values of other times: "
        f"{found.rows} issue times, {found.first} to {found.last}.",
        highlight=False,
    )
    if found.gains:
        shares = _grid("Share of the splits' gains")
        for heading in ("feature", "share"):
            shares.add_column(heading, justify="right" if heading == "share" else "left")
        for name, share in list(found.gains.items())[:TOP]:
            shares.add_row(name, f"{100 * share:.1f} %")
        show_table(shares)


def show_one(found: "Explained", unit: str) -> None:
    from power_nowcast.report.words import change, power

    width = found.high_80_mw - found.low_80_mw

    def level(mw: float) -> str:
        return power(mw, unit, beside=width / 10)

    def moved(mw: float) -> str:
        return change(mw, unit, beside=width / 10)

    grid = _grid(f"{found.series} {found.horizon_minutes} minutes after {found.issue_time}")
    for heading in ("", unit, "", "value (usual)"):
        grid.add_column(heading, justify="right" if heading == unit else "left", no_wrap=not heading)
    grid.add_row("last known value", level(found.persistence_mw), "", f"{found.age_minutes:.0f} minutes old")
    most = max(abs(part.contribution_mw) for part in found.parts) or 1.0
    for part in found.parts:
        value = part.contribution_mw
        sign = "\N{FULL BLOCK}" if value > 0 else "\N{LIGHT SHADE}"
        grid.add_row(part.family, moved(value), sign * round(BAR * abs(value) / most), part.note(1))
    low, high = (power(mw, unit, beside=width) for mw in (found.low_80_mw, found.high_80_mw))
    band = f"80 % within {low} to {high}"
    grid.add_row("nowcast", level(found.median_mw), "", band, style="bold")
    if found.outcome_mw is not None:
        grid.add_row(
            "what came", level(found.outcome_mw), "", f"{moved(found.outcome_mw - found.median_mw)} from the nowcast"
        )
    show_table(grid)
    console.print(f"By {found.method}; usual: {found.compared_with}.", highlight=False)
    for one in found.similar:
        console.print(
            f"Similar: {one.issue_time}, {change(one.ramp_mw, unit, beside=width)} {unit} in the same time.",
            highlight=False,
        )


def _grid(title: str) -> Grid:
    return Grid(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
