"""Explain a model by its features or, with --at, one nowcast by contributions that add up to it."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli import explanation
from power_nowcast.cli.base import DEFAULTS, MOMENT, HorizonOption, JsonOption, RegionOption, console, open_job


def explain(
    region: RegionOption = DEFAULTS.region,
    version: Annotated[str, typer.Option(help="Version or alias.")] = "production",
    at: Annotated[
        datetime | None, typer.Option(help="Issue time: explain one nowcast, not the model.", **MOMENT)
    ] = None,
    series: Annotated[str | None, typer.Option(help="With --at: the region's first if absent.")] = None,
    horizon: HorizonOption = 60,
    repeats: Annotated[int, typer.Option(min=1, help="Without --at: draws of each family of features.")] = 5,
    out: Annotated[Path | None, typer.Option(help="PNG of the plot; in the region's reports if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    from power_nowcast.jobs import explain as explaining
    from power_nowcast.jobs.train import registered
    from power_nowcast.report.plots import Plot, rests_on

    with open_job(region) as job:
        bundle, _ = registered(job, version)
        if at is None:
            whole, draws = explaining.overview(job, bundle, repeats=repeats)
            told, plot = whole.to_json(), Plot("rests_on", rests_on(draws), "")
        else:
            one = explaining.explain(job, bundle, at=at, series=series, horizon_minutes=horizon)
            told = one.to_json()
            plot = Plot("explained", explaining.drawn(one, job.region.unit), "")
        file = out or job.reports / bundle.model.kind / f"{plot.name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(plot.png())
        if as_json:
            typer.echo(json.dumps(told, indent=1))
        elif at is None:
            explanation.show_overview(whole)
        else:
            explanation.show_one(one, job.region.unit)
        if not as_json:
            console.print(f"Plot: {file}", soft_wrap=True)
