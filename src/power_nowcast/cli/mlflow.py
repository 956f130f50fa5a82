"""Start the MLflow server: runs, models, reports."""

from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, check_free, console, errors, replace_by


def mlflow(
    port: Annotated[int, typer.Option()] = DEFAULTS.mlflow_port,
    host: Annotated[str, typer.Option()] = DEFAULTS.host,
) -> None:
    from power_nowcast import mlflow_client

    with errors():
        check_free(host, port)
        console.print(f"MLflow starts at http://{host}:{port} with {mlflow_client.place()}", soft_wrap=True)
        replace_by(mlflow_client.server_command(host=host, port=port), mlflow_client.environment())
