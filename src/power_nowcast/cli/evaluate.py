"""Backtest on the test period beside the baselines: report, plots, predictions."""

from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, RegionOption, open_job
from power_nowcast.cli.show import scorecard


def evaluate(
    region: RegionOption = DEFAULTS.region,
    version: Annotated[str, typer.Option(help="Version or alias; the best trained model if absent.")] = "",
) -> None:
    from power_nowcast import mlflow_client
    from power_nowcast.jobs import evaluate as evaluating
    from power_nowcast.jobs import train as training

    with open_job(region) as job:
        chosen = mlflow_client.find(job.region, version) if version else training.best(job)
        scorecard(job, evaluating.evaluate(job, chosen))
