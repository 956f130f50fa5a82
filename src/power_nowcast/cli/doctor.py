"""Python, packages, disk, sources, clock, MLflow, data; exit code 1 if something is broken."""

from dataclasses import asdict
from typing import Annotated

import typer

from power_nowcast.cli import show
from power_nowcast.cli.base import JsonOption, errors
from power_nowcast.settings import settings


def doctor(
    region: Annotated[list[str] | None, typer.Option("--region", "-r", help="Regions to look at; repeatable.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Make one real request to each source.")] = False,
    as_json: JsonOption = False,
) -> None:
    from power_nowcast.collect.findings import failed
    from power_nowcast.jobs.doctor import examine
    from power_nowcast.regions import load

    with errors():
        findings = examine([load(name) for name in region or [settings().region]], settings(), live=live)
        show.rows([asdict(one) for one in findings], "This machine", as_json=as_json)
        if failed(findings):
            raise typer.Exit(1)
