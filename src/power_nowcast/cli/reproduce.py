"""Train a run's model again from what it recorded, and compare; exit code 1 if a result differs."""

from dataclasses import asdict
from typing import Annotated

import typer

from power_nowcast.cli import show
from power_nowcast.cli.base import DEFAULTS, JsonOption, RegionOption, console, open_job


def reproduce(
    run: Annotated[
        str, typer.Argument(metavar="RUN_ID", help="Id of a training's run; or a version or an alias of the model.")
    ],
    region: RegionOption = DEFAULTS.region,
    as_json: JsonOption = False,
) -> None:
    from power_nowcast.collect.findings import failed
    from power_nowcast.jobs.reproduce import reproduce as again

    with open_job(region) as job:
        found = again(job, run)
        version = found.version
        title = f"{version.name} version {version.version} ({version.kind}), trained again"
        show.rows([asdict(one) for one in found.findings], title, as_json=as_json)
        if failed(found.findings):
            if not as_json and found.fresh:
                console.print("To train again with the run's own code and packages:", highlight=False)
                for line in found.fresh:
                    console.print(f"  {line}", highlight=False, soft_wrap=True)
            raise typer.Exit(1)
