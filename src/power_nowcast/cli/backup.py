"""Back up tables, keys, states of calibration, artifacts and the registry, also while services run."""

from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli.base import console, errors, progress
from power_nowcast.settings import settings


def backup(
    place: Annotated[Path, typer.Argument(metavar="FOLDER_OR_FILE", help="A new folder, or a new file NAME.tar.")],
) -> None:
    from power_nowcast.jobs.backup import backup
    from power_nowcast.mlflow_client import place as registry
    from power_nowcast.store import Store

    with errors():
        told = backup(place, settings(), Store(settings().data), progress)
        console.print(f"{told.files:,} files with {told.bytes:,} bytes are in {place}.", highlight=False)
        if not told.has_registry:
            text = f"The registry ({registry()}) is no file here and is not among them: back it up where it runs."
            console.print(text, highlight=False, soft_wrap=True)
