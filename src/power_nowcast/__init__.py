"""Calibrated 15-60 minute nowcasts of power load and generation.

The package reads like its data flows, each folder importing only from its left or from the flat modules beside it:

    ingest -> store -> features -> models -> evaluate -> mlflow_client -> live -> serve
"""

from importlib.metadata import version

__version__ = version("power-nowcast")
__all__ = ["__version__"]
