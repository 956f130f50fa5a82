"""Calibrated 15-60 minute nowcasts of power load and generation.

Each folder imports only from folders to its left, in the order in which the data flow:

    contracts -> regions -> checks -> ingest, store -> collect -> features -> models -> bundle -> evaluate
    -> report, mlflow_client -> live -> serve -> jobs -> cli
"""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415 - it takes longer than the rest of what most commands need

    return version("power-nowcast")
