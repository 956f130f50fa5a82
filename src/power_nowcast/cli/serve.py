"""Serve the production model by MLflow's own server."""

from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, RegionOption, check_free, console, open_job, replace_by


def serve(
    region: RegionOption = DEFAULTS.region,
    port: Annotated[int, typer.Option()] = DEFAULTS.serve_port,
    host: Annotated[str, typer.Option()] = DEFAULTS.host,
    env_manager: Annotated[str, typer.Option(help="local, uv or virtualenv.")] = "local",
    alias: Annotated[str, typer.Option(help="Alias or version.")] = "production",
) -> None:
    from power_nowcast import mlflow_client

    with open_job(region) as job:
        check_free(host, port)
        uri = mlflow_client.find(job.region, alias).uri
        console.print(f"MLflow starts: POST http://{host}:{port}/invocations will answer with {uri}")
        replace_by(
            mlflow_client.serve_command(uri, host=host, port=port, env_manager=env_manager), mlflow_client.environment()
        )
