"""A delivery on its way from a publisher to the tables: bytes as received, and the rows that were read from them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from power_nowcast.contracts.tables import QUARANTINE, VALUES, Table

ROWS = pl.Schema({name: dtype for name, dtype in VALUES.items() if name != "first_seen_at"})
"""`VALUES` before the store has seen them."""

BAD_ROWS = pl.Schema({name: dtype for name, dtype in QUARANTINE.items() if name != "first_seen_at"})
"""`QUARANTINE` before the store has seen them."""

LIVE = timedelta(hours=3)
"""What came within this of its `valid_at` was seen as it appeared; what is older may have stood there before."""

WHOLE_KEY = 64
"""Length of the part of a delivery's key that names its bytes and how they are read; the requested span follows."""


@dataclass(frozen=True)
class Received:
    """Bytes as received. `published_at` is the publisher's own time of them, `received_at` when they were fetched live,
    `url` from where (keys left out); all are None for a file of an archive.
    """

    data: bytes
    published_at: datetime | None = None
    received_at: datetime | None = None
    url: str | None = None


@dataclass(frozen=True)
class Reading:
    """How a delivery was read: with its bytes, and the region file, enough to read it again.

    `published_at` and `received_at` are those of `Received`, `start` and `end` the requested span. `after` is the
    SHA-256 of the delivery whose last slot continues in this one, if any; `is_last` if none followed. `read_at` is when
    this system had it, live or not: rows of later times are no measurements. `usual` is the usual level of power in the
    tables at that time (`checks.usual`).
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

    `rows` have the schema `ROWS`, `quarantined` has `BAD_ROWS`. `superseded` counts values that a later one of the same
    slot replaced by the publisher's own rule, `repeated` those that were published twice with the same value. `key`
    identifies the delivery together with how it is read: a delivery whose key the store knows need not be read again.
    `raw` is the answer as received, where it is not part of this package; `reading` says how it was read. Rows that
    `are_versions`, as in a replay, say when each was known and are stored as they are. A batch `is_unusable` if the
    file had rows and none of them passed, not only because they are of the future.
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

    @property
    def whole_key(self) -> str:
        """The key of the same delivery read without a span: tables that have that key have the rows of this one."""
        return self.key[:WHOLE_KEY]
