"""Say whether a file is a region; if not, which key is wrong and what to write."""

from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli.base import console, errors


def check(file: Annotated[Path, typer.Argument(help="A region's TOML file.")]) -> None:
    from power_nowcast.contracts import Table
    from power_nowcast.ingest.catalog import check_sources
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
