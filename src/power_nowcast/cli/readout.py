"""One page about a version, from what MLflow has tracked: figures, charts, swaps, and where it was trained."""

from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, RegionOption, console, open_job


def readout(
    region: RegionOption = DEFAULTS.region,
    version: Annotated[str, typer.Option(help="Version or alias.")] = "production",
    out: Annotated[Path | None, typer.Option(help="The page; by default readout.html in the reports.")] = None,
) -> None:
    from power_nowcast.jobs.readout import readout as write

    with open_job(region) as job:
        console.print(f"Page: {write(job, version, out)}", soft_wrap=True)
