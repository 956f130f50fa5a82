"""What a source hands over: the publisher's rows, parsed and otherwise untouched."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from power_nowcast.contracts import UTC, Table
from power_nowcast.regions import Region, SourceSpec

PUBLISHED = pl.Schema(
    {
        "series": pl.String(),
        "at": UTC,  # the publisher's stamp; null where it cannot be read
        "value": pl.Float64(),  # MW, or the unit that the weather variable names; null where it cannot be read
        "written": UTC,  # the publisher's own time of the row, where there is one
        "stamp": pl.String(),  # as received, null where `at` says it all
        "text": pl.String(),  # the value as received, null where `value` says it all
        "fault": pl.String(),  # a Reason that the parser alone can know
    }
)
"""One row a published value, in the publisher's order."""


@dataclass(frozen=True)
class Delivery:
    """One file or answer: where it is from, its bytes, and how to parse them into `PUBLISHED`.

    `keep` is false where the bytes are part of this package.
    """

    origin: str
    read: Callable[[], bytes]
    parse: Callable[[bytes], pl.DataFrame]
    keep: bool = True


class Source(Protocol):
    """A kind of source: its deliveries of a table, in the publisher's order."""

    def deliveries(self, region: Region, table: Table, spec: SourceSpec) -> Iterator[Delivery]: ...


def published(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with all columns of `PUBLISHED`, absent ones null."""
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in PUBLISHED.items() if name not in rows.columns]
    return rows.with_columns(absent).select(pl.col(name).cast(dtype) for name, dtype in PUBLISHED.items())
