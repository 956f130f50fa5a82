"""Train a model on the feature tables, calibrate it, and register it."""

from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, ModelOption, RegionOption, console, open_job


def train(
    region: RegionOption = DEFAULTS.region,
    model: ModelOption = "lightgbm",
    n_estimators: Annotated[int | None, typer.Option(min=1, help="Boosting rounds at most.")] = None,
    max_depth: Annotated[int | None, typer.Option(min=1, help="Depth of XGBoost's trees.")] = None,
    num_leaves: Annotated[int | None, typer.Option(min=2, help="Leaves of LightGBM's trees.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=1e-4, max=1, help="Shrinkage of each tree; a network's highest.")
    ] = None,
    early_stopping: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many rounds or epochs without gain on valid.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="A network's passes over the data at most.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all randomness.")] = None,
    params: Annotated[
        Path | None,
        typer.Option(help="JSON file of options, as nowcast tune writes it; options of this command come first."),
    ] = None,
) -> None:
    from power_nowcast.bundle.train import VALID_LOSS
    from power_nowcast.cli.show import naming
    from power_nowcast.jobs import train as training

    with open_job(region) as job:
        own = {
            "n_estimators": n_estimators,
            "max_depth": max_depth,
            "num_leaves": num_leaves,
            "learning_rate": learning_rate,
            "early_stopping": early_stopping,
            "epochs": epochs,
            "seed": seed,
        }
        given = {name: value for name, value in own.items() if value is not None}
        _, version = training.train(job, model, **((training.read_params(params, model) if params else {}) | given))
        console.print(
            f"{version.name} version {version.version} ({version.kind}): "
            f"pinball on validation {version.metrics[VALID_LOSS]:.4f} of persistence's MAE."
        )
        which = f"--version {version.version}{naming(job.named or job.region.name, ' --region ')}"
        console.print(f"Report    nowcast evaluate {which}", highlight=False, soft_wrap=True)
        console.print(f"Promote   nowcast promote {which}", highlight=False, soft_wrap=True)
