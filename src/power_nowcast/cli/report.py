"""One page about what was published since a date: accuracy, coverage, rungs, alarms and events, from the tables."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, MOMENT, RegionOption, console, open_job


def report(
    region: RegionOption = DEFAULTS.region,
    since: Annotated[datetime | None, typer.Option(help="First issue time; a day ago if absent.", **MOMENT)] = None,
    out: Annotated[Path | None, typer.Option(help="The page; by default published.html in the reports.")] = None,
    track: Annotated[bool, typer.Option("--track", help="Keep page and figures as a run of MLflow.")] = False,
) -> None:
    from power_nowcast.jobs.report import report as write
    from power_nowcast.live.clock import clock_of

    with open_job(region, must_exist=True) as job:
        now = clock_of(job.store, job.region.name)()
        path = write(job, since or now - timedelta(days=1), now, out=out, is_tracked=track)
        console.print(f"Page: {path}", soft_wrap=True)
