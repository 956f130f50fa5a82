"""Missing values as spans of each series; exit code 1 if there are any (left)."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from power_nowcast.cli import show
from power_nowcast.cli.base import DEFAULTS, DataOption, JsonOption, RegionOption, open_job


def gaps(
    region: RegionOption = DEFAULTS.region,
    fill: Annotated[bool, typer.Option("--fill", help="Fetch only the missing values.")] = False,
    start: Annotated[datetime | None, typer.Option(help="Earliest time, UTC; the first value if absent.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Latest time, UTC; the last value if absent.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    from power_nowcast import collect

    with open_job(region, data, must_exist=True) as job:
        first, last = start and start.replace(tzinfo=UTC), end and end.replace(tzinfo=UTC)
        found = collect.gaps(job.store, job.region, start=first, end=last)
        if fill and found:
            report = collect.fill(job.store, job.region, found, place=job.data)
            job.progress(f"gaps: {report.deliveries} files read, {report.stored:,} rows stored")
            found = collect.gaps(job.store, job.region, start=first, end=last)
        title = "Gaps, times in UTC" if found else f"No gap in the tables of {job.region.title}."
        show.rows([asdict(one) for one in found], title, as_json=as_json)
        if found:
            raise typer.Exit(1)
