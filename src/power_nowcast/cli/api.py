"""Serve nowcasts by the project's own API."""

from typing import Annotated

import typer

from power_nowcast.cli.base import DEFAULTS, check_free, errors
from power_nowcast.settings import settings


def api(
    port: Annotated[int, typer.Option()] = DEFAULTS.api_port,
    host: Annotated[str, typer.Option()] = DEFAULTS.host,
    region: Annotated[list[str] | None, typer.Option("--region", "-r", help="Regions to serve; repeatable.")] = None,
) -> None:
    from power_nowcast.serve.start import serve_api

    with errors():
        check_free(host, port)
        serve_api(host, port, region or [settings().region])
