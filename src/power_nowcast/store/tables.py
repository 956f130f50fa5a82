"""Schemas of the tables beside the values, and rows that conform to one."""

from datetime import datetime

import polars as pl

from power_nowcast.contracts import UTC
from power_nowcast.errors import SourceFormatError
from power_nowcast.regions.calendar import CALENDAR
from power_nowcast.store.looks import COVERAGE

DELIVERIES = pl.Schema(
    {
        "region": pl.String(),
        "table": pl.String(),
        "key": pl.String(),  # of the bytes and of how they are read
        "origin": pl.String(),
        "rows": pl.Int64(),
        "quarantined": pl.Int64(),
        "superseded": pl.Int64(),
        "raw": pl.String(),  # where its bytes are, below the root; null where they are part of the package
        "source": pl.String(),  # ... and what follows: contracts.Reading
        "sha256": pl.String(),
        "published_at": UTC,
        "received_at": UTC,
        "start": UTC,
        "end": UTC,
        "after": pl.String(),
        "is_last": pl.Boolean(),
        "read_at": UTC,
        "usual": pl.String(),
        "first_seen_at": UTC,
        **COVERAGE,  # null where it was noted before this was
    }
)
"""One row a delivery that is in the tables completely: how it came, what it covers, and how to make its rows again."""

DAYS = pl.Schema({"region": pl.String(), **CALENDAR, "first_seen_at": UTC})

CALIBRATIONS = pl.Schema(
    {
        "region": pl.String(),
        "model_digest": pl.String(),
        "calibration_id": pl.String(),
        "as_of": UTC,  # outcomes are counted up to then
        "state": pl.String(),  # JSON
        "first_seen_at": UTC,
    }
)

MANIFESTS = pl.Schema(
    {
        "region": pl.String(),
        "table": pl.String(),
        "version": pl.Int64(),
        "rows": pl.Int64(),
        "first": pl.String(),
        "last": pl.String(),
        "sha256": pl.String(),
        "first_seen_at": UTC,
    }
)
"""One row a manifest that somebody relies on: its version of the table is kept."""


def conform(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The columns of a schema, with its types.

    Raises:
        SourceFormatError: a column is missing.
    """
    if missing := [name for name in schema if name not in rows.columns]:
        raise SourceFormatError(
            f"Rows for the store lack the columns {', '.join(missing)}.",
            remedy=f"Give {', '.join(schema)}.",
            columns=missing,
        )
    return rows.select(schema.names()).cast(schema)


def span_of(rows: pl.DataFrame) -> tuple[datetime, datetime]:
    """The first and the last `valid_at` of rows."""
    first, last = rows.select(first=pl.col("valid_at").min(), last=pl.col("valid_at").max()).row(0)
    return first, last
