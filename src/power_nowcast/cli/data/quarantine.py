"""What fell out on the way into the tables: reasons, counts, examples."""

from dataclasses import asdict
from typing import Annotated

import typer

from power_nowcast.cli import show
from power_nowcast.cli.base import DEFAULTS, JsonOption, RegionOption, console, open_job


def quarantine(
    region: RegionOption = DEFAULTS.region,
    examples: Annotated[int, typer.Option(min=1, help="Examples of each reason.")] = 3,
    as_json: JsonOption = False,
) -> None:
    from power_nowcast import collect

    with open_job(region) as job:
        found = collect.fell_out(job.store, job.region, examples=examples)
        if as_json:
            show.rows([asdict(one) for one in found], "", as_json=True)
            return
        if not found:
            console.print(f"Nothing fell out of the data of {job.region.title}.", highlight=False, soft_wrap=True)
        for one in found:
            when = f", {one.first:%Y-%m-%d %H:%M} to {one.last:%Y-%m-%d %H:%M} UTC" if one.first and one.last else ""
            console.print(f"{one.table}: {one.rows:,} rows: {one.reason}{when}", highlight=False, soft_wrap=True)
            for example in one.examples:
                console.print(f"    {example}", highlight=False, soft_wrap=True)
