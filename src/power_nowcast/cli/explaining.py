"""Why a model says what it says."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table as Grid

from power_nowcast.cli.backtests import FORMATS
from power_nowcast.cli.base import DEFAULTS, HorizonOption, RegionOption, app, console, open_job
from power_nowcast.cli.data import JsonOption
from power_nowcast.features.families import without_horizon

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from power_nowcast.jobs.explain import Explained, Overview, Part

BAR = 12
TOP = 15


@app.command()
def explain(
    region: RegionOption = DEFAULTS.region,
    version: Annotated[str, typer.Option(help="Version or alias.")] = "production",
    at: Annotated[
        datetime | None, typer.Option(formats=FORMATS, help="Issue time, UTC: explain one nowcast, not the model.")
    ] = None,
    series: Annotated[str | None, typer.Option(help="With --at: the region's first if absent.")] = None,
    horizon: HorizonOption = 60,
    repeats: Annotated[int, typer.Option(min=1, help="Without --at: draws of each family of features.")] = 5,
    out: Annotated[Path | None, typer.Option(help="PNG of the plot; in the region's reports if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What a model looks at or, with --at, why one nowcast is what it is: contributions in MW that add up."""
    from power_nowcast.evaluate.plots import Plot, rests_on
    from power_nowcast.jobs import explain as explaining

    with open_job(region) as job:
        bundle = explaining.load(job, version)
        if at is None:
            whole, draws = explaining.overview(job, bundle, repeats=repeats)
            told, plot = whole.to_json(), Plot("rests_on", rests_on(draws), "")
        else:
            moment = at.replace(tzinfo=UTC)
            one = explaining.explain(job, bundle, at=moment, series=series, horizon_minutes=horizon)
            told = one.to_json()
            plot = Plot("explained", drawn(one), "")
        file = out or job.reports / bundle.model.kind / f"{plot.name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(plot.png())
        if as_json:
            typer.echo(json.dumps(told, indent=1))
        elif at is None:
            _show_overview(whole)
        else:
            _show_one(one)
        if not as_json:
            console.print(f"Plot: {file}", soft_wrap=True)


def drawn(one: "Explained") -> "Figure":
    """The waterfall of one nowcast."""
    from power_nowcast.evaluate.plots import waterfall

    return waterfall(
        one.persistence_mw,
        [(part.family, part.contribution_mw, _note(part)) for part in one.parts],
        title=f"{one.series}, {one.horizon_minutes} minutes ahead: why {one.median_mw:,.0f} MW",
        subtitle=f"issued {one.issue_time.replace('T', ' ').removesuffix('Z')} UTC by {one.kind}",
        band=(one.low_80_mw, one.high_80_mw),
        outcome=one.outcome_mw,
    )


def _show_overview(found: "Overview") -> None:
    grid = _grid(f"What the accuracy of {found.kind} rests on")
    for heading in ("family of features", "loss added", "spread", ""):
        grid.add_column(heading, justify="right" if heading in ("loss added", "spread") else "left")
    most = max((mean for mean, _ in found.rests_on.values()), default=0.0)
    for name, (mean, spread) in found.rests_on.items():
        bar = "\N{FULL BLOCK}" * round(BAR * max(0.0, mean) / most) if most > 0 else ""
        grid.add_row(name, f"{mean:+.4f}", f"{spread:.4f}", bar)
    console.print(grid)
    console.print(
        f"Growth of the pinball loss, in units of persistence's MAE, when a family is drawn from other times: "
        f"{found.rows} issue times, {found.first} to {found.last}.",
        highlight=False,
    )
    if found.gains:
        shares = _grid("Share of the splits' gains")
        for heading in ("feature", "share"):
            shares.add_column(heading, justify="right" if heading == "share" else "left")
        for name, share in list(found.gains.items())[:TOP]:
            shares.add_row(name, f"{100 * share:.1f} %")
        console.print(shares)


def _show_one(found: "Explained") -> None:
    grid = _grid(f"{found.series} {found.horizon_minutes} minutes after {found.issue_time}")
    for heading in ("", "MW", "", "value (usual)"):
        grid.add_column(heading, justify="right" if heading == "MW" else "left")
    grid.add_row("last known value", f"{found.persistence_mw:,.1f}", "", f"{found.age_minutes:.0f} minutes old")
    most = max(abs(part.contribution_mw) for part in found.parts) or 1.0
    for part in found.parts:
        value = part.contribution_mw
        sign = "\N{FULL BLOCK}" if value > 0 else "\N{LIGHT SHADE}"
        grid.add_row(part.family, f"{value:+,.1f}", sign * round(BAR * abs(value) / most), _note(part, 1))
    band = f"80 % within {found.low_80_mw:,.0f} to {found.high_80_mw:,.0f}"
    grid.add_row("nowcast", f"{found.median_mw:,.1f}", "", band, style="bold")
    if found.outcome_mw is not None:
        grid.add_row("what came", f"{found.outcome_mw:,.1f}", "", f"{found.outcome_mw - found.median_mw:+,.1f} beside")
    console.print(grid)
    console.print(f"By {found.method}; usual: {found.compared_with}.", highlight=False)
    for one in found.similar:
        console.print(f"Similar: {one.issue_time}, {one.ramp_mw:+,.0f} MW in the same time.", highlight=False)


def _grid(title: str) -> Grid:
    return Grid(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)


def _note(part: "Part", most: int = 2) -> str:
    """The most telling values, each beside what is usual."""
    shown = (f"{without_horizon(one.name)} {one.value:,.4g} ({one.usual:,.4g})" for one in part.values[:most])
    return ", ".join(shown)
