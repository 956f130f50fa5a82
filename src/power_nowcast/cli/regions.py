"""Regions: those that can be named, and whether a file is one."""

from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli.base import app, console, errors

regions = typer.Typer(help="List the regions that can be named; check a region file.", invoke_without_command=True)
app.add_typer(regions, name="regions")


@regions.callback()
def listed(context: typer.Context) -> None:
    """List the regions that can be named; check a region file."""
    from power_nowcast.regions import available, load

    if context.invoked_subcommand is not None:
        return
    with errors():
        for name in available():
            one = load(name)
            console.print(
                f"{name:12} {one.title}: {len(one.series)} series, every {one.interval_minutes} minutes", soft_wrap=True
            )


@regions.command()
def check(file: Annotated[Path, typer.Argument(help="A region's TOML file.")]) -> None:
    """Say whether a file is a region; if not, which key is wrong and what to write."""
    from power_nowcast.contracts import Table
    from power_nowcast.ingest.fetch import check_sources
    from power_nowcast.regions import load

    with errors():
        one = load(file)
        check_sources(one)
        kinds = ", ".join(sorted({zone.kind for zone in one.zones}))
        said = f"{file} is a region: {one.title}, {len(one.series)} series ({kinds})."
        console.print(said, highlight=False, soft_wrap=True)
        for table in Table:
            spec = one.spec(table)
            console.print(f"  {table:16} {spec.source if spec else 'none'}", highlight=False)
