"""Calibrated 15-60 minute nowcasts of power load and generation, from public signals to a served model."""

from power_nowcast.cli.group import group

__all__ = ["app", "main"]

app = group(
    __name__,
    __file__,
    *("run", "ingest", "features", "train", "evaluate", "promote", "models", "tune", "backtest", "explain", "compare"),
    *("doctor", "live", "serve", "api", "mlflow", "data", "regions"),
)


def main() -> None:
    """Entry point of the command."""
    app()
