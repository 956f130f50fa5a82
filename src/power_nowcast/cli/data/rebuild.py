"""Make the tables again from the bytes as received, without the network; exit code 1 if they differ."""

from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli import show
from power_nowcast.cli.base import DEFAULTS, JsonOption, RegionOption, open_job


def rebuild(
    into: Annotated[Path, typer.Option(help="Empty folder for the new tables.")],
    region: RegionOption = DEFAULTS.region,
    as_json: JsonOption = False,
) -> None:
    from power_nowcast import collect
    from power_nowcast.store import Store

    with open_job(region, must_exist=True) as job:
        made = collect.rebuild(
            job.store, job.region, Store(into), progress=lambda origin: job.progress(f"rebuild: {origin}")
        )
        rows = [
            {
                "table": one.table.value,
                "rows_before": one.before.rows,
                "rows_after": one.after.rows,
                "digest_before": one.before.sha256[:12],
                "digest_after": one.after.sha256[:12],
                "same": "yes" if one.is_same else "no",
                "read_otherwise": one.otherwise,
            }
            for one in made
        ]
        show.rows(rows, f"Rebuilt tables in {into}; set NOWCAST_DATA to use them", as_json=as_json)
        if not all(one.is_same for one in made):
            raise typer.Exit(1)
