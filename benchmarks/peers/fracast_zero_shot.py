"""fracast: the foundation model Fracast-0 as it stands, without any training here.

After the page of the package: the checkpoint in full precision that the wheel holds, the newest 2,048 values as
context with missing ones left out, quantiles from the head of 48 steps. It takes no other inputs, not even a calendar.
"""

import numpy as np
import polars as pl
import torch
from fracast import FracastModel
from numpy.typing import NDArray

from peers.base import LEVELS, Grid, Peer, rows

AT_ONCE = 32


class FracastPeer(Peer):
    title = "Fracast-0, zero-shot"
    libraries = ("fracast", "torch")
    inputs = "a"

    def fit(self, grid: Grid) -> None:  # noqa: ARG002 - it learns nothing here
        torch.set_num_threads(self.job.threads)
        self.model = FracastModel.from_pretrained(weights="fp32", device="cpu")

    def predict(self, grid: Grid, issues: NDArray[np.datetime64]) -> pl.DataFrame:
        return rows(self.job, issues, {series: self.one(grid, series, issues) for series in self.job.series})

    def one(self, grid: Grid, series: str, issues: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Values of a series, shape (issue, horizon, level)."""
        y = grid.load(series)
        reach = np.arange(1 - self.model.context_length, 1)
        levels = [self.model.quantiles.index(level) for level in LEVELS]
        picked = np.array(self.job.steps) - 1
        parts = []
        for first in range(0, len(issues), AT_ONCE):
            at = grid.rows(issues[first : first + AT_ONCE])
            told = self.model.forecast_batch(y[at[:, None] + reach], horizon=max(self.job.steps))
            parts.append(told[:, picked][..., levels])
        return np.concatenate(parts)
