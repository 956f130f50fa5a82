"""The way in: deliveries of a region's sources, parsed, checked, aligned."""

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from traceback import format_exc
from typing import Any

import polars as pl

from power_nowcast.checks.usual import USUAL, to_text
from power_nowcast.contracts import Batch, Reading, Reason, Received, Table
from power_nowcast.errors import ConfigurationError, NowcastError, SourceFormatError, SourceUnavailableError
from power_nowcast.ingest.align import align, split_last_slot
from power_nowcast.ingest.caiso import Caiso
from power_nowcast.ingest.elia import Elia
from power_nowcast.ingest.entsoe import Entsoe
from power_nowcast.ingest.files import Files
from power_nowcast.ingest.gridstatus import Gridstatus
from power_nowcast.ingest.http import Http, redact
from power_nowcast.ingest.meteostat import Meteostat
from power_nowcast.ingest.names import listed
from power_nowcast.ingest.nws import Nws
from power_nowcast.ingest.nyiso import NyisoArchives
from power_nowcast.ingest.nyiso_live import NyisoLive
from power_nowcast.ingest.options import check_forms
from power_nowcast.ingest.parts import join_parts
from power_nowcast.ingest.published import PUBLISHED, Delivery, Request, Source
from power_nowcast.ingest.replay import REPLAY, Replay, versions
from power_nowcast.ingest.sample import Sample
from power_nowcast.ingest.validate import Checked, check, quarantined
from power_nowcast.regions import Region, SourceSpec

logger = logging.getLogger("power_nowcast.ingest")

SOURCES: dict[str, Source] = {
    "sample": Sample(),
    "nyiso": NyisoArchives(),
    "files": Files(),
    "nyiso_live": NyisoLive(),
    "caiso": Caiso(),
    "elia": Elia(),
    "nws": Nws(),
    "gridstatus": Gridstatus(),
    "entsoe": Entsoe(),
    "meteostat": Meteostat(),
    REPLAY: Replay(lambda request: _batches(request, ())),
}

NOT_FOUND = 404

READ_BY = 2
"""Counts up when the same bytes would be read in another way: deliveries are then read again."""

_READ_FOR: dict[str, Any] = {
    **dict.fromkeys(("name", "timezone", "interval_minutes", "total"), True),
    "zones": {"__all__": {"name", "kind", "latitude", "longitude", "max_mw", "allow_zero"}},
}
"""What of a region decides how its deliveries are read."""

_PLACES = ("folder", "files", "url")
"""Options that say where a delivery is, not how it is read."""


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
        region: whose sources.
        start: earliest `valid_at`.
        end: latest `valid_at`.
        days: only so many days before the newest power value, in place of `start`.
        tables: which tables.
        known: keys of deliveries that need not be read again.
        place: folder that the sources' files are in (or the one file), in place of their option `folder`.
        http: asks the servers of live sources; the process's own client where it is None.
        clock: what time it is: what a file has of later times was not measured; a replay plays what is known by then.
        since: until when each table was played, for a replay.
        usual: what is usual of power by what is stored, rows of `checks.usual.USUAL`; asked for each delivery.

    Raises:
        ConfigurationError: a source is unknown or lacks an option.
        SourceUnavailableError: a source's server does not answer; batches of earlier deliveries were whole.
        SourceFormatError: a delivery is not what its source agreed to.
        MissingDataError: a source has nothing.
    """
    if place is not None:
        _check_place(region, place)
    if days is not None:
        newest = _newest(Request(region, Table.POWER, region.power, end=end, place=place, http=http, clock=clock))
        start = None if newest is None else newest - timedelta(days=days)
    for table in tables:
        spec = region.spec(table)
        if spec is not None:
            played = (since or {}).get(table)
            yield from _batches(Request(region, table, spec, start, end, place, http, clock, played), known, usual)


def reads_files(region: Region) -> bool:
    """Whether a folder that the caller names means something to one of the region's sources."""
    specs = [spec for table in Table if (spec := region.spec(table)) is not None]
    return any(source_of(region, spec).reads_files for spec in specs)


def _check_place(region: Region, place: Path) -> None:
    if not reads_files(region):
        raise ConfigurationError(
            f"--data {place} does not say what it holds: no source of {region.name} reads files.",
            remedy="Add --source nyiso or --source files.",
            option="data",
            place=str(place),
        )


def check_sources(region: Region) -> None:
    """Check that every source of a region exists, and takes its options.

    Raises:
        ConfigurationError: a source is unknown, or an option is missing, unknown or wrong.
    """
    for table in Table:
        if (spec := region.spec(table)) is not None:
            source_of(region, spec).check(Request(region, table, spec))


def with_source(region: Region, source: str, **options: object) -> Region:
    """The region with all of its tables from another source."""
    changed = {
        table.value: spec.model_copy(update={"source": source, "options": {**spec.options, **options}})
        for table in Table
        if (spec := region.spec(table)) is not None
    }
    return region.model_copy(update=changed)


def _batches(
    request: Request, known: Collection[str], usual: Callable[[], pl.DataFrame] = USUAL.to_frame
) -> Iterator[Batch]:
    source = source_of(request.region, request.spec)
    deliveries = list(source.deliveries(request))
    nothing = PUBLISHED.to_frame()
    held, before, stored = nothing, "", None
    for number, delivery in enumerate(deliveries):
        received = _read(delivery)
        if received is None:
            continue
        whole, key = keys_of(request, received)
        if whole in known or key in known:
            held, stored = nothing, (received, delivery.origin)
            continue
        read_at = received.received_at or request.clock()
        told = usual() if request.table is Table.POWER else None
        if request.table is Table.POWER and stored is not None:
            # Its last slot goes on in this delivery, and may not have been stored before an interruption.
            _, held = batch_of(request, *stored, read_at=read_at, usual=told)
            before, stored = hashlib.sha256(stored[0].data).hexdigest(), None
        is_last = number + 1 == len(deliveries)
        batch, held = batch_of(
            request, received, delivery.origin, held=held, after=before, is_last=is_last, read_at=read_at, usual=told
        )
        before = batch.reading.sha256 if batch.reading else ""
        yield batch if delivery.keep else replace(batch, raw=None)


def batch_of(
    request: Request,
    received: Received,
    origin: str,
    *,
    held: pl.DataFrame | None = None,
    after: str = "",
    is_last: bool = False,
    read_at: datetime | None = None,
    usual: pl.DataFrame | None = None,
) -> tuple[Batch, pl.DataFrame]:
    """The batch of one delivery, and its rows of `PUBLISHED` in a slot that the next one may still add to.

    It depends on nothing but its arguments: tables can be rebuilt from raw bytes.

    Args:
        request: of what it is a part.
        received: its bytes.
        origin: where they are from.
        held: such rows of the delivery before it.
        after: SHA-256 of the delivery that `held` comes from.
        is_last: whether none follows: its last slot is over, too.
        read_at: when this system had them; None where that is not known.
        usual: what was usual of power by what was stored then, rows of `checks.usual.USUAL`.

    Raises:
        ConfigurationError: there is no such source.
        SourceFormatError: the bytes are not what the source agreed to.
    """
    with _unforeseen_told(request.spec.source, received, origin):
        return _batch_of(request, received, origin, held, after, is_last, read_at, usual)


def _batch_of(
    request: Request,
    received: Received,
    origin: str,
    held: pl.DataFrame | None,
    after: str,
    is_last: bool,
    read_at: datetime | None,
    usual: pl.DataFrame | None,
) -> tuple[Batch, pl.DataFrame]:
    region, table, spec, start, end = request.region, request.table, request.spec, request.start, request.end
    if spec.source == REPLAY:
        return _played(request, received, origin), PUBLISHED.to_frame()
    held = PUBLISHED.to_frame() if held is None else held
    source = source_of(region, spec)
    checked = _checked(source, received, held, request, origin, read_at, usual)
    closed, still_open, bad = checked.rows, held.clear(), [checked.bad]
    if table is Table.POWER:
        closed, still_open = split_last_slot(checked.rows, region, spec)
        joined, incomplete, waiting = join_parts(checked.rows if is_last else closed, region, spec)
        if is_last:
            incomplete = pl.concat([incomplete, waiting.filter(_is_over(region, spec, read_at))])
        elif len(waiting):
            still_open = waiting
        why = pl.lit("the mean of a part is not that of the interval")
        incomplete = incomplete.with_columns(reason=pl.lit(Reason.INCOMPLETE.value), detail=why)
        closed, bad = joined, [*bad, quarantined(incomplete, region, table, origin)]
    aligned, superseded = align(closed, region, table, spec, received)
    if start is not None:
        aligned = aligned.filter(pl.col("valid_at") >= start)
    if end is not None:
        aligned = aligned.filter(pl.col("valid_at") <= end)
    reading = Reading(
        source=spec.source,
        sha256=hashlib.sha256(received.data).hexdigest(),
        published_at=received.published_at,
        received_at=received.received_at,
        start=start,
        end=end,
        after=after if len(held) else None,
        is_last=is_last,
        read_at=read_at,
        usual=None if usual is None or usual.is_empty() else to_text(usual),
    )
    batch = Batch(
        region=region.name,
        table=table,
        rows=aligned,
        origin=origin,
        key=keys_of(request, received)[1],
        quarantined=pl.concat(bad),
        superseded=superseded,
        repeated=checked.repeated,
        raw=received.data,
        reading=reading,
        is_unusable=source.reads_files and checked.rows.is_empty() and (checked.bad["reason"] != Reason.FUTURE).any(),
    )
    return batch, still_open


def _played(request: Request, received: Received, origin: str) -> Batch:
    """The batch of a replay's delivery: what was checked and aligned when it was stored first."""
    return Batch(
        region=request.region.name,
        table=request.table,
        rows=versions(received.data, origin),
        origin=origin,
        key=keys_of(request, received)[1],
        raw=received.data,
        reading=Reading(
            source=REPLAY,
            sha256=hashlib.sha256(received.data).hexdigest(),
            received_at=received.received_at,
            start=request.start,
            end=request.end,
        ),
        are_versions=True,
    )


def keys_of(request: Request, received: Received) -> tuple[str, str]:
    """What names bytes together with how they are read: for all of them, and for the span that is asked for."""
    start, end = request.start, request.end
    how = _how(request.region, request.table, request.spec)
    whole = hashlib.sha256(how + hashlib.sha256(received.data).digest()).hexdigest()
    span = f"{start and start.isoformat()}..{end and end.isoformat()}" if start or end else ""
    return whole, f"{whole}{span}"


def _read(delivery: Delivery) -> Received | None:
    """The bytes of a delivery, None where the publisher does not have it yet and need not."""
    try:
        return delivery.read()
    except SourceUnavailableError as error:
        if delivery.expected or error.fields["status"] != NOT_FOUND:
            raise
        logger.info("%s is not there yet: %s", delivery.origin, error.message)
        return None


def _is_over(region: Region, spec: SourceSpec, read_at: datetime | None) -> pl.Expr:
    """Whether the interval that a part belongs to was over when it was received."""
    if read_at is None:
        return pl.lit(True)
    grid = timedelta(minutes=region.interval_minutes)
    begin = pl.col("at") if spec.label == "start" else pl.col("at") - timedelta(microseconds=1)
    return begin.dt.truncate(grid) + grid <= read_at


def _checked(
    source: Source,
    received: Received,
    held: pl.DataFrame,
    request: Request,
    origin: str,
    read_at: datetime | None,
    usual: pl.DataFrame | None,
) -> Checked:
    """The plausible rows of a delivery, and the others; errors and warnings tell where it came from."""
    region, table, spec = request.region, request.table, request.spec
    came = _came(received)
    try:
        rows = pl.concat([held, source.parse(received, request, origin)])
        checked = check(rows, region, table, spec, origin=origin, read_at=read_at, usual=usual)
    except SourceFormatError as error:
        if not came:
            raise
        where = {"source": spec.source, "url": received.url, "time": received.received_at}
        raise SourceFormatError(
            f"{spec.source}: {error.message}{came}", remedy=error.remedy, **{**error.fields, **where}
        ) from error
    if table is Table.POWER and len(rows):
        zones = [zone.name for zone in region.zones]
        if missing := sorted(set(zones) - set(rows["series"])):
            logger.warning(
                "%s: %s has no row of %s.%s The total of that time stays unknown; if it stays so, compare the region "
                "file's zones with the publisher's.",
                spec.source,
                origin,
                listed(missing),
                came,
            )
    return checked


def _came(received: Received) -> str:
    """Where a live delivery is from, as a sentence."""
    if received.url is None:
        return ""
    return f" It came from {received.url} at {received.received_at:%Y-%m-%dT%H:%M:%SZ}."


@contextmanager
def _unforeseen_told(source: str, received: Received, origin: str) -> Iterator[None]:
    """What no parser foresaw becomes an error of the delivery, and its trace goes into the log: it may be a defect."""
    try:
        yield
    except NowcastError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        what = f"{source}: {origin} cannot be read: {type(error).__name__}"
        said = redact(" ".join(str(error).split())[:300])
        logger.error("%s.%s\n%s", what, _came(received), redact(format_exc()))  # noqa: TRY400 - a trace may hold keys
        raise SourceFormatError(
            f"{what}{': ' * bool(said)}{said.rstrip('.')}.{_came(received)}",
            remedy="Look at the delivery; if it is in order, report this with the trace in the log.",
            source=source,
            file=origin,
            url=received.url,
            time=received.received_at,
        ) from error


def source_of(region: Region, spec: SourceSpec) -> Source:
    """The kind of source that a table's rows come from.

    Raises:
        ConfigurationError: there is none of this name, or an option has another form than sources read.
    """
    if spec.source not in SOURCES:
        raise ConfigurationError(
            f"{region.name}: there is no source {spec.source!r}.",
            remedy=f"Use one of: {', '.join(SOURCES)}.",
            region=region.name,
            source=spec.source,
        )
    check_forms(region, spec)
    return SOURCES[spec.source]


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


def _how(region: Region, table: Table, spec: SourceSpec) -> bytes:
    options = {name: value for name, value in spec.options.items() if name not in _PLACES}
    reading = {
        "version": READ_BY,
        "table": table.value,
        "region": region.model_dump(mode="json", include=_READ_FOR),
        "spec": {**spec.model_dump(mode="json", exclude={"options"}), "options": options},
    }
    return json.dumps(reading, sort_keys=True, default=str).encode()
