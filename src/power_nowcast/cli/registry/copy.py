"""Copy a region's model to another MLflow: versions with their runs, tags, aliases and history."""

from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, RegionOption, console, errors, progress


def copy(
    source: Annotated[
        str, typer.Argument(metavar="FROM", envvar="MLFLOW_COPY_FROM", help="Address of the MLflow that has the model.")
    ],
    target: Annotated[
        str, typer.Argument(metavar="TO", envvar="MLFLOW_COPY_TO", help="Address of the MLflow that gets it.")
    ],
    region: RegionOption = DEFAULTS.region,
) -> None:
    from power_nowcast import mlflow_client
    from power_nowcast.regions import load

    with errors():
        model = load(region)
        done = mlflow_client.copy_model(model, source, target, progress)
        old = len(done.numbers) - len(done.made)
        aliases = ", ".join(f"{alias} is version {number}" for alias, number in sorted(done.aliases.items()))
        told = f"{model.model}: {len(done.made)} versions copied, {old} were there. {aliases or 'It has no alias'}."
        console.print(f"{told} {done.kept}".strip(), soft_wrap=True)
