"""The way in: deliveries of a region's sources, parsed, checked, aligned."""

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from power_nowcast.contracts import Table
from power_nowcast.errors import ConfigurationError
from power_nowcast.ingest.align import align, split_last_slot
from power_nowcast.ingest.batch import Batch
from power_nowcast.ingest.files import Files
from power_nowcast.ingest.nyiso import NyisoArchives
from power_nowcast.ingest.published import PUBLISHED, Request, Source
from power_nowcast.ingest.sample import Sample
from power_nowcast.ingest.validate import check
from power_nowcast.regions import Region, SourceSpec

SOURCES: dict[str, Source] = {"sample": Sample(), "nyiso": NyisoArchives(), "files": Files()}

READ_BY = 1
"""Counts up when the same bytes would be read in another way: deliveries are then read again."""

_PLACES = ("folder", "files")
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

    Raises:
        ConfigurationError: a source is unknown or lacks an option.
        SourceFormatError: a delivery is not what its source agreed to.
        MissingDataError: a source has nothing.
    """
    if place is not None:
        _check_place(region, place)
    if days is not None:
        newest = _newest(region, end, place)
        start = None if newest is None else newest - timedelta(days=days)
    for table in tables:
        spec = _spec(region, table)
        if spec is not None:
            yield from _batches(Request(region, table, spec, start, end, place), known)


def _check_place(region: Region, place: Path) -> None:
    specs = [spec for table in Table if (spec := _spec(region, table)) is not None]
    if not any(_source(region, spec).reads_files for spec in specs):
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
        if (spec := _spec(region, table)) is not None:
            _source(region, spec).check(Request(region, table, spec))


def with_source(region: Region, source: str, **options: object) -> Region:
    """The region with all of its tables from another source."""
    changed = {
        table: spec.model_copy(update={"source": source, "options": {**spec.options, **options}})
        for table, spec in (("power", region.power), ("forecast", region.forecast), ("weather", region.weather))
        if spec is not None
    }
    return region.model_copy(update=changed)


def _batches(request: Request, known: Collection[str]) -> Iterator[Batch]:
    region, table, spec, start, end = request.region, request.table, request.spec, request.start, request.end
    source = _source(region, spec)
    deliveries = list(source.deliveries(request))
    how = _how(region, table, spec)
    span = f"{start and start.isoformat()}..{end and end.isoformat()}" if start or end else ""
    held = PUBLISHED.to_frame()
    for number, delivery in enumerate(deliveries):
        received = delivery.read()
        whole = hashlib.sha256(how + hashlib.sha256(received.data).digest()).hexdigest()
        key = f"{whole}{span}"
        if whole in known or key in known:
            continue
        rows = pl.concat([held, source.parse(received, request, delivery.origin)])
        checked = check(rows, region, table, spec, origin=delivery.origin)
        passed, held = checked.rows, held.clear()
        if table is Table.POWER and number + 1 < len(deliveries):
            passed, held = split_last_slot(passed, region, spec)
        aligned, superseded = align(passed, region, table, spec)
        if start is not None:
            aligned = aligned.filter(pl.col("valid_at") >= start)
        if end is not None:
            aligned = aligned.filter(pl.col("valid_at") <= end)
        yield Batch(
            region=region.name,
            table=table,
            rows=aligned,
            origin=delivery.origin,
            key=key,
            quarantined=checked.bad,
            superseded=superseded,
            repeated=checked.repeated,
            raw=received.data if delivery.keep else None,
        )


def _spec(region: Region, table: Table) -> SourceSpec | None:
    return {Table.POWER: region.power, Table.FORECAST: region.forecast, Table.WEATHER: region.weather}[table]


def _source(region: Region, spec: SourceSpec) -> Source:
    if spec.source not in SOURCES:
        raise ConfigurationError(
            f"{region.name}: there is no source {spec.source!r}.",
            remedy=f"Use one of: {', '.join(SOURCES)}.",
            region=region.name,
            source=spec.source,
        )
    return SOURCES[spec.source]


def _newest(region: Region, end: datetime | None, place: Path | None) -> datetime | None:
    source, request = _source(region, region.power), Request(region, Table.POWER, region.power, end=end, place=place)
    for delivery in reversed(list(source.deliveries(request))):
        stamps = source.parse(delivery.read(), request, delivery.origin)["at"].drop_nulls()
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
        "region": region.model_dump(mode="json", include={"name", "timezone", "interval_minutes", "total", "zones"}),
        "spec": {**spec.model_dump(mode="json", exclude={"options"}), "options": options},
    }
    return json.dumps(reading, sort_keys=True, default=str).encode()
