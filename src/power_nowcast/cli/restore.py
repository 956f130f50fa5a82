"""Restore a backup into places where nothing is yet: NOWCAST_DATA, NOWCAST_ARTIFACTS, MLFLOW_TRACKING_URI."""

from pathlib import Path
from typing import Annotated

import typer

from power_nowcast.cli.base import console, errors, progress
from power_nowcast.settings import settings


def restore(
    place: Annotated[Path, typer.Argument(metavar="FOLDER_OR_FILE", help="What nowcast backup has made.")],
) -> None:
    from power_nowcast.jobs.backup import restore

    with errors():
        told = restore(place, settings(), progress)
        console.print(f"{told.files:,} files with {told.bytes:,} bytes are checked and restored.", highlight=False)
