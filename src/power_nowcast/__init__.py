"""Calibrated 15-60 minute nowcasts of power load and generation.

The package reads like its data flows, each folder importing only from its left or from the flat modules beside it:

    ingest -> store -> features -> models -> evaluate -> mlflow_client -> live -> serve -> jobs -> cli
"""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415 - it takes longer than the rest of what most commands need

    return version("power-nowcast")
