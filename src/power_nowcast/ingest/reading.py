"""From the bytes of one delivery to a batch: the same bytes, read in the same way, give the same rows."""

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from traceback import format_exc
from typing import Any, NamedTuple

import polars as pl

from power_nowcast.checks.usual import to_text
from power_nowcast.contracts import Batch, Reading, Reason, Received, Table
from power_nowcast.errors import NowcastError, SourceFormatError
from power_nowcast.ingest.align import align, split_last_slot
from power_nowcast.ingest.catalog import source_of
from power_nowcast.ingest.names import listed
from power_nowcast.ingest.parts import join_parts
from power_nowcast.ingest.published import PUBLISHED, Request, Source
from power_nowcast.ingest.sources.replay import REPLAY, versions
from power_nowcast.ingest.validate import Checked, check, quarantined
from power_nowcast.ingest.web import redact
from power_nowcast.regions import Region, SourceSpec

logger = logging.getLogger("power_nowcast.ingest")

READ_BY = 2
"""Incremented when the parsers read the same bytes in another way: deliveries are then read again."""

MOST_LOST = 0.5
"""A file that loses a larger share of its values, and at least `MANY`, is refused as a whole."""
MANY = 10

_READ_FOR: dict[str, Any] = {
    **dict.fromkeys(("name", "unit", "timezone", "interval_minutes", "total"), True),
    "zones": {"__all__": {"name", "kind", "latitude", "longitude", "max_mw", "allow_zero"}},
}
"""Keys of a region that decide how its deliveries are read."""

_PLACES = ("folder", "files", "url")
"""Options that say where a delivery is. They do not decide how it is read."""


class Held(NamedTuple):
    """Rows of `PUBLISHED` in a slot that the next delivery may still add to, and the SHA-256 of their delivery."""

    rows: pl.DataFrame
    sha256: str = ""

    @classmethod
    def nothing(cls) -> "Held":
        """No rows: the last slot of the delivery before is over, or there was none."""
        return cls(PUBLISHED.to_frame())


def batch_of(
    request: Request,
    received: Received,
    origin: str,
    *,
    held: Held | None = None,
    is_last: bool = False,
    read_at: datetime | None = None,
    usual: pl.DataFrame | None = None,
) -> tuple[Batch, Held]:
    """The batch of one delivery, and its rows in a slot that the next delivery may still add to.

    The batch depends on nothing but its arguments, so that tables can be rebuilt from raw bytes.

    Args:
        request: the request that it belongs to.
        received: its bytes.
        origin: file or address of the bytes.
        held: such rows of the delivery before it.
        is_last: whether no delivery follows: its last slot is then over, too.
        read_at: when this system had them; None if that is not known.
        usual: the usual levels of power in the tables at that time, rows of `checks.usual.USUAL`.

    Raises:
        ConfigurationError: there is no such source.
        SourceFormatError: the bytes do not have the agreed form.
    """
    with _unforeseen_told(request.spec.source, received, origin):
        return _batch_of(request, received, origin, held or Held.nothing(), is_last, read_at, usual)


def _batch_of(
    request: Request,
    received: Received,
    origin: str,
    held: Held,
    is_last: bool,
    read_at: datetime | None,
    usual: pl.DataFrame | None,
) -> tuple[Batch, Held]:
    region, table, spec, start, end = request.region, request.table, request.spec, request.start, request.end
    if spec.source == REPLAY:
        return _played(request, received, origin), Held.nothing()
    source = source_of(region, spec)
    checked = _checked(source, received, held.rows, request, origin, read_at, usual)
    closed, still_open, bad = checked.rows, held.rows.clear(), [checked.bad]
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
    is_unusable = source.reads_files and _is_unusable(checked)
    aligned, superseded = align(closed.clear() if is_unusable else closed, region, table, spec, received)
    if start is not None:
        aligned = aligned.filter(pl.col("valid_at") >= start)
    if end is not None:
        aligned = aligned.filter(pl.col("valid_at") <= end)
    sha256 = hashlib.sha256(received.data).hexdigest()
    reading = Reading(
        source=spec.source,
        sha256=sha256,
        published_at=received.published_at,
        received_at=received.received_at,
        start=start,
        end=end,
        after=held.sha256 if len(held.rows) else None,
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
        is_unusable=is_unusable,
        passed=len(checked.rows),
    )
    return batch, Held(still_open, sha256)


def _is_unusable(checked: Checked) -> bool:
    """Whether no row of a file passed, or most of those that have a value fell out: it is not what it is taken for.

    Rows of the future, codes of missing values and zeros in place of them do not count, nor do values or stamps without
    a digit: they say that there is no value, or are the lines of a total.
    """
    bad = checked.bad
    if checked.rows.is_empty():
        return bool((bad["reason"] != Reason.FUTURE).any())
    says_nothing = [Reason.FUTURE.value, Reason.MISSING_CODE.value, Reason.ZERO.value]
    has_digits = pl.all_horizontal(pl.col("value", "stamp").str.contains(r"\d"))
    lost = bad.filter(has_digits, ~pl.col("reason").is_in(says_nothing))
    return len(lost) >= MANY and len(lost) > MOST_LOST * (len(lost) + len(checked.rows))


def _played(request: Request, received: Received, origin: str) -> Batch:
    """The batch of a replay's delivery, whose rows were checked and aligned when they were first stored."""
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
    """Keys of the bytes and of how they are read: for all of them, and for the requested span."""
    start, end = request.start, request.end
    how = _how(request.region, request.table, request.spec)
    whole = hashlib.sha256(how + hashlib.sha256(received.data).digest()).hexdigest()
    span = f"{start and start.isoformat()}..{end and end.isoformat()}" if start or end else ""
    return whole, f"{whole}{span}"


def _is_over(region: Region, spec: SourceSpec, read_at: datetime | None) -> pl.Expr:
    """Whether the interval that a part belongs to was over when it was received."""
    if read_at is None:
        return pl.lit(True)
    grid = region.interval
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
    """The plausible rows of a delivery, and the others; errors and warnings name the delivery's origin."""
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
    """The origin of a live delivery, as a sentence."""
    if received.url is None:
        return ""
    return f" It came from {received.url} at {received.received_at:%Y-%m-%dT%H:%M:%SZ}."


@contextmanager
def _unforeseen_told(source: str, received: Received, origin: str) -> Iterator[None]:
    """Turn an unforeseen exception into an error of the delivery; the trace goes into the log: it may be a defect."""
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


def _how(region: Region, table: Table, spec: SourceSpec) -> bytes:
    options = {name: value for name, value in spec.options.items() if name not in _PLACES}
    reading = {
        "version": READ_BY,
        "table": table.value,
        "region": region.model_dump(mode="json", include=_READ_FOR),
        "spec": {**spec.model_dump(mode="json", exclude={"options"}), "options": options},
    }
    return json.dumps(reading, sort_keys=True, default=str).encode()
