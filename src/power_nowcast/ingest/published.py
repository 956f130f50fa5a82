"""What a source hands over: the publisher's rows, parsed and otherwise untouched."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC as _UTC
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import polars as pl

from power_nowcast.contracts import UTC, Received, Table
from power_nowcast.errors import ConfigurationError
from power_nowcast.regions import Region, SourceSpec

if TYPE_CHECKING:
    from power_nowcast.ingest.http import Http

PUBLISHED = pl.Schema(
    {
        "series": pl.String(),
        "at": UTC,  # the publisher's stamp; null where it cannot be read
        "value": pl.Float64(),  # MW, or the unit that the weather variable names; null where it cannot be read
        "written": UTC,  # the publisher's own time of the row, where there is one
        "basis": pl.String(),  # a Basis, where `written` is not the time of a file but the hour of a schedule
        "stamp": pl.String(),  # as received, null where `at` says it all
        "text": pl.String(),  # the value as received, null where `value` says it all
        "fault": pl.String(),  # a Reason that the parser alone can know
    }
)
"""One row a published value, in the publisher's order."""


def _now() -> datetime:
    return datetime.now(_UTC)


@dataclass(frozen=True)
class Request:
    """What a source is asked for: one table of one region, from `start` to `end` by `valid_at` (None: all there is).

    A source may hand over more than the span; what lies outside of it is left out later. `place` is the folder that
    files are in, or the one file, where the caller names it and not the region. Live sources ask through `http`, the
    process's own client where it is None; without `start` they hand over the last days only. Of a file what lies after
    `clock` was not measured. A replay hands over what
    was known by `clock` and was not at `since`, the time of the table's last delivery (None: there was none).
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


@dataclass(frozen=True)
class Delivery:
    """One file or answer: where it is from (file or address), and its bytes.

    `keep` is false where the bytes are part of this package, `expected` where the publisher may not have it yet.
    `server` is whom a library asks by itself, None where the request's client asks.
    """

    origin: str
    read: Callable[[], Received]
    keep: bool = True
    expected: bool = True
    server: str | None = None


class Source(Protocol):
    """A kind of source; `reads_files` if a request's `place` means something to it."""

    reads_files: ClassVar[bool]

    def check(self, request: Request) -> None:
        """Check the region's options for this source.

        Raises:
            ConfigurationError: an option is missing, unknown or wrong.
        """
        ...

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """What there is, in the publisher's order."""
        ...

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        """Rows of `PUBLISHED`; depends on nothing but its arguments, so that tables can be rebuilt from raw bytes.

        Raises:
            SourceFormatError: the bytes are not what the source agreed to.
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
    """Rows with all columns of `PUBLISHED`, absent ones null."""
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in PUBLISHED.items() if name not in rows.columns]
    return rows.with_columns(absent).select(pl.col(name).cast(dtype) for name, dtype in PUBLISHED.items())
