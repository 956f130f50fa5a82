"""The newest nowcast of a region, from the production model and the tables."""

from datetime import datetime
from typing import Annotated

import typer

from power_nowcast.cli import show
from power_nowcast.cli.base import DEFAULTS, MOMENT, JsonOption, RegionOption, console, open_job, show_table


def now(
    region: RegionOption = DEFAULTS.region,
    series: Annotated[
        list[str] | None, typer.Option(help="Only these series; repeatable. The text shows the first one.")
    ] = None,
    at: Annotated[datetime | None, typer.Option(help="Issue time in the past.", **MOMENT)] = None,
    version: Annotated[str, typer.Option(help="Version or alias.")] = "production",
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, a row for each series and horizon.")] = False,
    as_json: JsonOption = False,
) -> None:
    from power_nowcast.jobs.now import newest
    from power_nowcast.jobs.train import registered
    from power_nowcast.report import terminal
    from power_nowcast.serve.answers import csv_of

    with open_job(region) as job:
        for name in series or ():
            job.region.check_series(name)
        bundle, chosen = registered(job, version)
        found = newest(job, bundle, chosen.version, at=at)
        answer = found.answer(series)
        if as_json:
            typer.echo(answer.model_dump_json(indent=1))
        elif as_csv:
            typer.echo(csv_of(answer), nl=False)
        else:
            fan = found.fan(series[0] if series else None)
            console.print(terminal.draw_fan(fan, width=min(80, console.width)))
            show_table(terminal.fan_table(fan))
            show.facts(answer)
