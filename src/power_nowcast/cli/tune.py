"""Search for better options of a model on folds of train and valid; an interrupted search continues."""

import json
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table as Grid

from power_nowcast.cli.base import DEFAULTS, ModelOption, RegionOption, console, open_job, show_table
from power_nowcast.errors import ConfigurationError

if TYPE_CHECKING:
    from power_nowcast.jobs.tune import Tuned


def tune(
    region: RegionOption = DEFAULTS.region,
    model: ModelOption = "lightgbm",
    trials: Annotated[int, typer.Option(min=1, help="Trials in all, including trials of earlier calls.")] = 40,
    timeout: Annotated[float | None, typer.Option(min=1, help="No trial begins after so many seconds.")] = None,
    folds: Annotated[int, typer.Option(min=1, max=12, help="Folds in time on which each trial is scored.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 1,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An option that is not tuned; repeatable."),
    ] = None,
) -> None:
    from power_nowcast.jobs import tune as tuning

    with open_job(region) as job:
        plan = tuning.Plan(trials, timeout, folds, seed, dict(_assignment(text) for text in fixed or ()))
        tuned = tuning.tune(job, model, plan)
        grid = Grid(title=f"Best options of {tuned.kind}", title_justify="left")
        grid.add_column("option")
        grid.add_column("value", justify="right")
        for name, value in tuned.params.items():
            grid.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
        show_table(grid)
        counted = f"{tuned.trials} trials, {tuned.pruned} of them stopped early"
        console.print(
            f"Pinball on the folds {tuned.loss:.4f} of persistence's MAE; the defaults reach {tuned.default_loss:.4f}: "
            f"{100 * tuned.gain:.1f} % saved ({counted}).",
            highlight=False,
        )
        console.print(_advice(tuned, region), highlight=False, soft_wrap=True)


def _advice(tuned: "Tuned", region: str) -> str:
    """What to do with the result: the command that trains with the options, unless they save nothing."""
    if tuned.gain <= 0:
        return f"No trial was better than the defaults: there is nothing to train anew. They stand in {tuned.file}."
    where = ["--region", region] if region != DEFAULTS.region else []
    command = shlex.join(["nowcast", "train", *where, "--model", tuned.kind, "--params", str(tuned.file)])
    return f"Train with them: {command}"


def _assignment(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not sign or not isinstance(found, int | float):
        raise ConfigurationError(
            f"--set {text!r} does not give an option a number.",
            remedy="Write for example --set n_estimators=300.",
            option="set",
        )
    return name.replace("-", "_"), found
