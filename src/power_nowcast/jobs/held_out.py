"""The test part of the feature tables: the time that no training saw, on which every trained model is scored."""

from datetime import UTC
from typing import Any

import numpy as np
import polars as pl

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import Panel, Times
from power_nowcast.errors import MissingDataError
from power_nowcast.evaluate import backtest as backtests
from power_nowcast.evaluate.scorecard import by_series
from power_nowcast.features.panel import WINDOW, Versions, history
from power_nowcast.regions import Region

PART = "test"
"""Name of the part in metrics: `test/MAE_60min`."""


def issues_and_panel(store: Versions, region: Region, manifest: dict[str, Any]) -> tuple[Times, Panel]:
    """The issue times of the test part (issue,), and the panel that their nowcasts need."""
    first, last = (np.datetime64(manifest["split"][name].removesuffix("Z"), "m") for name in ("test_start", "test_end"))
    issues = np.arange(first, last, np.timedelta64(manifest["every_minutes"], "m"))
    begin = first.item().replace(tzinfo=UTC) - WINDOW
    return issues, history(store, region, begin, last.item().replace(tzinfo=UTC))


def scores(store: Versions, bundle: Bundle, manifest: dict[str, Any]) -> pl.DataFrame | None:
    """Figures of a model on the test part by series and horizon, as `Scorecard.by_series`; None without any outcome."""
    issues, panel = issues_and_panel(store, bundle.region, manifest)
    try:
        return by_series(backtests.run(bundle, {}, panel, bundle.region, issues, delays=()))
    except MissingDataError:
        return None
