"""From sources to batches: deliveries of a region's sources, parsed, checked and aligned."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from power_nowcast.checks.usual import USUAL
from power_nowcast.contracts import Batch, Received, Table
from power_nowcast.errors import ConfigurationError, SourceUnavailableError
from power_nowcast.ingest.catalog import reads_files, source_of
from power_nowcast.ingest.published import Delivery, Request
from power_nowcast.ingest.reading import Held, batch_of, keys_of
from power_nowcast.ingest.web import Http
from power_nowcast.regions import Region

logger = logging.getLogger("power_nowcast.ingest")

NOT_FOUND = 404


def fetch(
    region: Region,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    days: int | None = None,
    tables: Sequence[Table] = tuple(Table),
    known: Collection[str] = frozenset(),
    place: Path | None = None,
    http: Http | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    since: Mapping[Table, datetime] | None = None,
    usual: Callable[[], pl.DataFrame] = USUAL.to_frame,
) -> Iterator[Batch]:
    """Batches of a region's sources, oldest delivery first.

    Args:
        region: the region of the sources.
        start: earliest `valid_at`.
        end: latest `valid_at`.
        days: only so many days before the newest power value, in place of `start`.
        tables: which tables.
        known: keys of deliveries that need not be read again.
        place: folder of the sources' files (or the one file), in place of their option `folder`.
        http: the client for live sources; the process's own client where it is None.
        clock: what time it is: later rows of a file are no measurements; a replay plays what is known by then.
        since: for a replay, the time until which each table was played.
        usual: gives the usual levels of power in the tables, rows of `checks.usual.USUAL`; called for each delivery.

    Raises:
        ConfigurationError: a source is unknown or lacks an option.
        SourceUnavailableError: a source's server does not answer; batches of earlier deliveries are complete.
        SourceFormatError: a delivery does not have the agreed form.
        MissingDataError: a source has no data.
    """
    if place is not None:
        _check_place(region, place)
    if days is not None:
        newest = _newest(
            Request(region, Table.POWER, region.power, end=end, place=place, http=http, clock=clock, batches=_batches)
        )
        start = None if newest is None else newest - timedelta(days=days)
    for table in tables:
        spec = region.spec(table)
        if spec is not None:
            played = (since or {}).get(table)
            request = Request(region, table, spec, start, end, place, http, clock, played, _batches)
            yield from _batches(request, known, usual)


def _check_place(region: Region, place: Path) -> None:
    if not reads_files(region):
        raise ConfigurationError(
            f"--data {place} does not say what it holds: no source of {region.name} reads files.",
            remedy="Add --source nyiso or --source files.",
            option="data",
            place=str(place),
        )


def _batches(
    request: Request, known: Collection[str] = (), usual: Callable[[], pl.DataFrame] = USUAL.to_frame
) -> Iterator[Batch]:
    source = source_of(request.region, request.spec)
    deliveries = list(source.deliveries(request))
    held, stored = Held.nothing(), None
    for number, delivery in enumerate(deliveries):
        received = _read(delivery)
        if received is None:
            continue
        whole, key = keys_of(request, received)
        if whole in known or key in known:
            held, stored = Held.nothing(), (received, delivery.origin)
            continue
        read_at = received.received_at or request.clock()
        told = usual() if request.table is Table.POWER else None
        if request.table is Table.POWER and stored is not None:
            # Its last slot continues in this delivery, and may not have been stored before an interruption.
            _, held = batch_of(request, *stored, read_at=read_at, usual=told)
            stored = None
        is_last = number + 1 == len(deliveries)
        batch, held = batch_of(
            request, received, delivery.origin, held=held, is_last=is_last, read_at=read_at, usual=told
        )
        yield batch if delivery.keep else replace(batch, raw=None)


def _read(delivery: Delivery) -> Received | None:
    """The bytes of a delivery; None if the publisher does not have it yet, where that is allowed."""
    try:
        return delivery.read()
    except SourceUnavailableError as error:
        if delivery.expected or error.fields["status"] != NOT_FOUND:
            raise
        logger.info("%s is not there yet: %s", delivery.origin, error.message)
        return None


def _newest(request: Request) -> datetime | None:
    source, end = source_of(request.region, request.spec), request.end
    for delivery in reversed(list(source.deliveries(request))):
        received = _read(delivery)
        if received is None:
            continue
        stamps = source.parse(received, request, delivery.origin)["at"].drop_nulls()
        if end is not None:
            stamps = stamps.filter(stamps <= end)
        if len(stamps):
            newest: datetime = stamps.sort()[-1]
            return newest
    return None
