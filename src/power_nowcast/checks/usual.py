"""The usual level of each zone's power, from the stored values and from a delivery itself.

A delivery may be too short to show whether its values are usual. So each delivery is compared with the tables as they
were when it came. The usual level is kept with the delivery: tables that are rebuilt from raw bytes are then the same.
"""

import json
from datetime import UTC as _UTC
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from power_nowcast.contracts import UTC, Floats

USUAL = pl.Schema({"series": pl.String(), "level": pl.Float64(), "at": UTC, "value": pl.Float64()})
"""For each zone: the median of its substantial values in MW (`level_of`), and its newest value, valid `at`."""
USUAL_OVER = timedelta(days=28)
"""Stored values of this newest span show what is usual."""
ENOUGH = 24
"""This many stored values show what is usual."""
SUBSTANTIAL = 1 / 30
"""Values below this share of nearly the largest value do not count for the level: zeros say nothing about it."""
NEARLY_ALL = 0.98


def usual_of(stored: pl.DataFrame) -> pl.DataFrame:
    """Rows of `USUAL` from rows of `contracts.VALUES`, one version a slot."""
    ordered = stored.sort("series", "valid_at")
    values, rows = ordered["value"].to_numpy(), []
    for series, mine in parts_of(ordered["series"]).items():
        level = level_of(values[mine]) if mine.stop - mine.start >= ENOUGH else None
        rows.append((series, level, ordered["valid_at"][mine.stop - 1], float(values[mine.stop - 1])))
    return pl.DataFrame(rows, USUAL, orient="row")


def parts_of(series: pl.Series) -> dict[str, slice]:
    """The rows of each series by its name; `series` are names in order, without nulls."""
    lengths, names = series.rle().struct.unnest().get_columns()
    ends = lengths.cum_sum().to_list()
    begins = [0, *ends][: len(ends)]
    return {name: slice(begin, end) for name, begin, end in zip(names, begins, ends, strict=True)}


def level_of(values: Floats) -> float | None:
    """Median of the substantial magnitudes in MW, None where no value is one; `values` (n,) finite."""
    size = np.abs(values)
    if not len(size):
        return None
    most = float(np.quantile(size, NEARLY_ALL, method="lower"))
    most = most or float(size.max())
    return float(np.median(size[size >= most * SUBSTANTIAL])) if most > 0 else None


def to_text(usual: pl.DataFrame) -> str:
    """Rows of `USUAL` as JSON, to be kept with a delivery."""
    return json.dumps({row[0]: [row[1], row[2].isoformat(), row[3]] for row in usual.iter_rows()})


def from_text(text: str | None) -> pl.DataFrame:
    """Rows of `USUAL` from what `to_text` made; none where nothing was kept."""
    found = json.loads(text or "{}")
    rows = [
        (name, level, datetime.fromisoformat(at).astimezone(_UTC), value) for name, (level, at, value) in found.items()
    ]
    return pl.DataFrame(rows, USUAL, orient="row")
