"""The data types that packages exchange, and the meaning of each time in them."""

from power_nowcast.contracts.delivery import BAD_ROWS, LIVE, ROWS, WHOLE_KEY, Batch, Reading, Received
from power_nowcast.contracts.forecasts import (
    MEDIAN,
    PREDICTIONS,
    QUANTILES,
    FeatureBlock,
    Nowcasts,
    from_table,
    to_table,
)
from power_nowcast.contracts.panel import Floats, Grid, Panel, Part, Patches
from power_nowcast.contracts.progress import Progress
from power_nowcast.contracts.tables import QUARANTINE, VALUES, Basis, Flag, Manifest, Reason, Table
from power_nowcast.contracts.times import UTC, Times

__all__ = [
    "BAD_ROWS",
    "LIVE",
    "MEDIAN",
    "PREDICTIONS",
    "QUANTILES",
    "QUARANTINE",
    "ROWS",
    "UTC",
    "VALUES",
    "WHOLE_KEY",
    "Basis",
    "Batch",
    "FeatureBlock",
    "Flag",
    "Floats",
    "Grid",
    "Manifest",
    "Nowcasts",
    "Panel",
    "Part",
    "Patches",
    "Progress",
    "Reading",
    "Reason",
    "Received",
    "Table",
    "Times",
    "from_table",
    "to_table",
]
