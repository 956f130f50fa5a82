"""A delivery on its way from a publisher to the tables: bytes as received, and the rows read from them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from power_nowcast.contracts.tables import QUARANTINE, VALUES, Table

ROWS = pl.Schema({name: dtype for name, dtype in VALUES.items() if name != "first_seen_at"})
"""`VALUES` without the columns that the store adds."""

BAD_ROWS = pl.Schema({name: dtype for name, dtype in QUARANTINE.items() if name != "first_seen_at"})
"""`QUARANTINE` without the columns that the store adds."""

LIVE = timedelta(hours=3)
"""A value received within this time of its `valid_at` was seen when it appeared; an older value may have been
published before."""

WHOLE_KEY = 64
"""Length of the first part of a delivery's key: the digest of its bytes and of how they are read. The requested span
follows."""


@dataclass(frozen=True)
class Received:
    """Bytes as received. `published_at` is the publisher's own time of them, `received_at` the time of a live request,
    and `url` its address without keys; all are None for a file of an archive.
    """

    data: bytes
    published_at: datetime | None = None
    received_at: datetime | None = None
    url: str | None = None


@dataclass(frozen=True)
class Reading:
    """How a delivery was read. With its bytes and the region file, this is enough to read it again.

    `published_at` and `received_at` are as in `Received`; `start` and `end` are the requested span. `after` is the
    SHA-256 of the delivery whose last slot continues in this one, if any; `is_last` is true if none followed.
    `read_at` is the time at which this system had the delivery, live or not: rows of later times are not measurements.
    `usual` is the usual level of power in the tables at that time (`checks.usual`).
    """

    source: str
    sha256: str
    published_at: datetime | None = None
    received_at: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    after: str | None = None
    is_last: bool = False
    read_at: datetime | None = None
    usual: str | None = None


@dataclass(frozen=True)
class Batch:
    """One delivery (a file, an answer) of one table of one region.

    `rows` have the schema `ROWS`, `quarantined` has `BAD_ROWS`. `superseded` counts values that a later value of the
    same slot replaced by the publisher's own rule, `repeated` the values that were published twice unchanged. `key`
    identifies the delivery and how it is read: a delivery with a key that the store knows need not be read again.
    `raw` is the answer as received, unless it is part of this package; `reading` says how it was read. If the rows
    `are_versions`, as in a replay, each row has the time at which it became known, and is stored unchanged. A batch
    `is_unusable` if it is a file of which no row or less than half passed the checks: it has no `rows` then. `passed`
    counts those that did.
    """

    region: str
    table: Table
    rows: pl.DataFrame
    origin: str
    key: str
    quarantined: pl.DataFrame = field(default_factory=BAD_ROWS.to_frame)
    superseded: int = 0
    repeated: int = 0
    raw: bytes | None = None
    reading: Reading | None = None
    are_versions: bool = False
    is_unusable: bool = False
    passed: int = 0

    @property
    def whole_key(self) -> str:
        """The key of the same delivery read without a span: tables with that key have the rows of this delivery."""
        return self.key[:WHOLE_KEY]
