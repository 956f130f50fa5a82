"""Digest of a table's logical rows: equal for equal content, independent of the appends."""

import hashlib

import numpy as np
import polars as pl

from power_nowcast.contracts import Basis, Manifest


def manifest_of(table: str, version: int, rows: pl.DataFrame) -> Manifest:
    """Manifest of rows of `contracts.VALUES`.

    The digest leaves out the times at which this system stored or first saw a row; the publisher's own times count.
    """
    logical = rows.select(
        "region",
        "series",
        "basis",
        "valid_at",
        "value",
        available_at=pl.when(pl.col("basis") != Basis.SEEN.value).then("available_at"),
    ).sort("region", "series", "basis", "valid_at", "available_at", "value")
    digest = hashlib.sha256()
    for (region, series, basis), part in logical.group_by("region", "series", "basis", maintain_order=True):
        digest.update(f"{region}\n{series}\n{basis}\n{len(part)}\n".encode())
        for name in ("valid_at", "available_at"):
            stamps = part[name].dt.epoch("us").fill_null(np.iinfo(np.int64).min)
            digest.update(stamps.to_numpy().astype("<i8").tobytes())
        # The sum with zero removes the sign of -0.0, which equals 0.0 but has other bits.
        digest.update((part["value"].to_numpy() + 0.0).astype("<f8").tobytes())
    times = logical["valid_at"].sort()
    return Manifest(
        table=table,
        version=version,
        rows=len(logical),
        first=times[0].isoformat() if len(times) else None,
        last=times[-1].isoformat() if len(times) else None,
        sha256=digest.hexdigest(),
    )
