"""Calibrated 15-60 minute nowcasts of power load and generation, from public signals to a served model."""

from typing import Annotated

import typer

from power_nowcast.cli.group import group

__all__ = ["app", "main"]

app = group(
    __name__,
    __file__,
    *("run", "now", "ingest", "features", "train", "evaluate", "promote", "models", "tune", "backtest", "explain"),
    *("compare", "readout", "reproduce", "doctor", "live", "watch", "alarms", "check", "report", "canary", "mark"),
    *("adjust", "serve", "api", "mlflow", "keys", "backup", "restore", "registry", "config", "data", "regions"),
)


def _tell(asked: bool) -> None:
    if asked:
        from power_nowcast import __version__
        from power_nowcast.mlflow_client import git_sha

        commit = git_sha()
        typer.echo(f"power-nowcast {__version__}" + (f" ({commit})" if commit != "unknown" else ""))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_tell, help="Version, and commit where it is known."),
    ] = False,
) -> None: ...


def main() -> None:
    """Entry point of the command."""
    app()
