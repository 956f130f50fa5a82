"""`nowcast`: each step of the main job as a command, the main job, data, regions, and the servers."""

from power_nowcast.cli import backtests, data, doctor, regions, run, servers, steps  # noqa: F401 - each adds its commands
from power_nowcast.cli.base import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point of the command."""
    app()
