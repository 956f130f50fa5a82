"""The border of sources: requests, deliveries, and the publisher's rows, parsed and otherwise untouched."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC as _UTC
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import polars as pl

from power_nowcast.contracts import UTC, Batch, Received, Table
from power_nowcast.errors import ConfigurationError
from power_nowcast.regions import Region, SourceSpec

if TYPE_CHECKING:
    from power_nowcast.ingest.web import Http

PUBLISHED = pl.Schema(
    {
        "series": pl.String(),
        "at": UTC,  # the publisher's stamp; null where it cannot be read
        "value": pl.Float64(),  # MW, or the unit that the weather variable names; null where it cannot be read
        "written": UTC,  # the publisher's own time of the row, where there is one
        "basis": pl.String(),  # a Basis, if `written` is the hour of a schedule and not the time of a file
        "stamp": pl.String(),  # as received, null where `at` says everything
        "text": pl.String(),  # the value as received, null where `value` says everything
        "fault": pl.String(),  # a Reason that only the parser can know
    }
)
"""One row for each published value, in the publisher's order."""


def _now() -> datetime:
    return datetime.now(_UTC)


@dataclass(frozen=True)
class Request:
    """A request to a source: one table of one region, from `start` to `end` by `valid_at` (None: everything).

    A source may hand over more than the span; later steps leave out the rest. `place` is the folder of the files, or
    the one file, if the caller names it in place of the region. Live sources send requests through `http`, the
    process's own client where it is None; without `start` they hand over the last days only. Rows of a file that are
    later than `clock` are no measurements. A replay hands over the versions that were known by `clock` and not at
    `since`, the time of the table's last delivery (None: there was none); `batches` gives it the batches of another
    request.
    """

    region: Region
    table: Table
    spec: SourceSpec
    start: datetime | None = None
    end: datetime | None = None
    place: Path | None = None
    http: "Http | None" = None
    clock: Callable[[], datetime] = _now
    since: datetime | None = None
    batches: "Callable[[Request], Iterator[Batch]] | None" = None


@dataclass(frozen=True)
class Delivery:
    """One file or answer: its origin (file or address), and its bytes.

    `keep` is false if the bytes are part of this package, `expected` if the publisher must have it by now.
    `server` is the server that a library asks itself, None if the request's client asks.
    """

    origin: str
    read: Callable[[], Received]
    keep: bool = True
    expected: bool = True
    server: str | None = None


class Source(Protocol):
    """A kind of source; `reads_files` if it can use a request's `place`."""

    reads_files: ClassVar[bool]

    def check(self, request: Request) -> None:
        """Check the region's options for this source.

        Raises:
            ConfigurationError: an option is missing, unknown or wrong.
        """
        ...

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """The deliveries of a request, in the publisher's order."""
        ...

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        """Rows of `PUBLISHED`. The result depends on nothing but the arguments: tables can be rebuilt from raw bytes.

        Raises:
            SourceFormatError: the bytes do not have the agreed form.
        """
        ...


def check_options(request: Request, *known: str) -> None:
    """Check that a region's source has no options but `known` and those of every live source.

    Raises:
        ConfigurationError: an option is unknown.
    """
    known = ("url", "allow_negative", *known)
    source = request.spec.source
    if unknown := [name for name in request.spec.options if name not in known]:
        raise ConfigurationError(
            f"{request.region.name}: the source {source} has no option {unknown[0]!r}.",
            remedy=f"Use {', '.join(known)}.",
            region=request.region.name,
            source=source,
            option=unknown[0],
        )


def published(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with all columns of `PUBLISHED`; absent ones are null."""
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in PUBLISHED.items() if name not in rows.columns]
    return rows.with_columns(absent).select(pl.col(name).cast(dtype) for name, dtype in PUBLISHED.items())
