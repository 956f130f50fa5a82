"""Serve the production model by MLflow's own server, or a model in a folder."""

from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, RegionOption, check_free, console, errors, open_job, replace_by


def serve(
    region: RegionOption = DEFAULTS.region,
    port: Annotated[int, typer.Option()] = DEFAULTS.serve_port,
    host: Annotated[str, typer.Option()] = DEFAULTS.host,
    env_manager: Annotated[str, typer.Option(help="local, uv or virtualenv.")] = "local",
    alias: Annotated[str, typer.Option(help="Alias or version.")] = "production",
    model: Annotated[
        Path | None, typer.Option(help="Folder of an MLflow model to serve, without a registry.")
    ] = DEFAULTS.serve_model,
) -> None:
    if model is None:
        _serve_version(region, alias, host, port, env_manager)
    else:
        from power_nowcast.serve.invocations import serve_folder

        with errors():
            check_free(host, port)
            serve_folder(host, port, model)


def _serve_version(region: str, alias: str, host: str, port: int, env_manager: str) -> None:
    from power_nowcast import mlflow_client

    with open_job(region) as job:
        check_free(host, port)
        uri = mlflow_client.find(job.region, alias).uri
        console.print(f"MLflow starts: POST http://{host}:{port}/invocations will answer with {uri}")
        replace_by(
            mlflow_client.serve_command(uri, host=host, port=port, env_manager=env_manager), mlflow_client.environment()
        )
