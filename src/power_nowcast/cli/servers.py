"""Servers: MLflow's own for the production model and for runs, and the nowcast API."""

import os
import subprocess
from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, RegionOption, app, console, errors, open_job
from power_nowcast.settings import settings


@app.command()
def serve(
    region: RegionOption = DEFAULTS.region,
    port: Annotated[int, typer.Option()] = DEFAULTS.serve_port,
    host: Annotated[str, typer.Option()] = DEFAULTS.host,
    env_manager: Annotated[str, typer.Option(help="local, uv or virtualenv.")] = "local",
    alias: Annotated[str, typer.Option(help="Alias or version.")] = "production",
) -> None:
    """Serve the production model by MLflow's own server."""
    from power_nowcast import mlflow_client

    with open_job(region) as job:
        uri = mlflow_client.find(job.region, alias).uri
        console.print(f"POST http://{host}:{port}/invocations answers with {uri}")
        _exec(
            mlflow_client.serve_command(uri, host=host, port=port, env_manager=env_manager), mlflow_client.environment()
        )


@app.command()
def api(
    port: Annotated[int, typer.Option()] = DEFAULTS.api_port,
    host: Annotated[str, typer.Option()] = DEFAULTS.host,
    region: Annotated[list[str] | None, typer.Option("--region", "-r", help="Regions to serve; repeatable.")] = None,
) -> None:
    """Serve nowcasts by the project's own API."""
    from power_nowcast.serve.fastapi_app import serve_api

    with errors():
        serve_api(host, port, region or [settings().region])


@app.command()
def mlflow(
    port: Annotated[int, typer.Option()] = DEFAULTS.mlflow_port,
    host: Annotated[str, typer.Option()] = DEFAULTS.host,
) -> None:
    """Start the MLflow server: runs, models, reports."""
    from power_nowcast import mlflow_client

    with errors():
        console.print(f"MLflow listens on http://{host}:{port}")
        _exec(mlflow_client.server_command(host=host, port=port), mlflow_client.environment())


def _exec(command: list[str], environment: dict[str, str]) -> None:
    if os.name == "nt":
        raise typer.Exit(subprocess.call(command, env=environment))
    os.execvpe(command[0], command, environment)  # noqa: S606 - the server takes this process's place and its signals
