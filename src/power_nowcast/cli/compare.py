"""Compare nowcasts pair by pair: Diebold-Mariano tests by series, horizon and hour; tables, plots, a page."""

import json
from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, RegionOption, console, open_job, show_table


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN...",
            help="MLflow run, version or alias of the model, or Parquet file of predictions; the first is the "
            "reference.",
        ),
    ],
    region: RegionOption = DEFAULTS.region,
    series: Annotated[list[str] | None, typer.Option(help="Only these series; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All figures as JSON instead of tables.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of page and plots; by default one in the reports.")] = None,
) -> None:
    from power_nowcast.evaluate.comparison import LOSSES
    from power_nowcast.jobs.compare import compare as compared
    from power_nowcast.report import comparison as told

    if len(runs) < 2:
        raise typer.BadParameter("Name two or more; the first is the reference.", param_hint="RUN RUN...")
    with open_job(region) as job:
        result, page = compared(job, runs, series, out)
        if as_json:
            console.print_json(json.dumps(result.to_json() | {"page": str(page)}))
            return
        for run in result.others:
            for loss in LOSSES:
                show_table(told.table(result, run, loss))
        console.print(told.closing(result), highlight=False)
        console.print(f"Page: {page}")
