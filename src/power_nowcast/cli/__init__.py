"""`nowcast`: each step of the main job as a command, the main job, data, regions, and the servers."""

# Each adds its commands; --help lists them in this order.
from power_nowcast.cli import run, steps, tuning, explaining, backtests, compare, data, doctor, regions, servers  # noqa: F401, I001
from power_nowcast.cli.base import app

__all__ = ["app", "main"]


def main() -> None:
    """Entry point of the command."""
    app()
