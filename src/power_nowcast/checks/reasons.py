"""Rows that do not pass, each with its reason."""

import polars as pl

from power_nowcast.contracts import Reason

REASONS = pl.Schema({"row": pl.UInt32(), "reason": pl.String(), "detail": pl.String()})
"""Number of a row, a `contracts.Reason`, and a detail for people."""


def reasons(rows: pl.DataFrame, reason: Reason, detail: pl.Expr) -> pl.DataFrame:
    """Rows of `REASONS`: the same reason for all `rows`, which have their number in the column `row`."""
    return rows.select("row", reason=pl.lit(reason.value), detail=detail).cast(REASONS)
