"""Rebuild tables from the bytes as received into another store, to compare them or to use them."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from power_nowcast.checks.usual import from_text
from power_nowcast.collect.load import write, write_calendar
from power_nowcast.contracts import Manifest, Progress, Received, Table
from power_nowcast.errors import StoreError
from power_nowcast.ingest.catalog import source_of
from power_nowcast.ingest.published import Request
from power_nowcast.ingest.reading import Held, batch_of, keys_of
from power_nowcast.regions import Region
from power_nowcast.store import Store


@dataclass(frozen=True)
class Rebuilt:
    """One table before and after. `otherwise` counts deliveries that are now read in another way: the region file or a
    parser has changed, and the tables differ on purpose.
    """

    table: Table
    before: Manifest
    after: Manifest
    otherwise: int

    @property
    def is_same(self) -> bool:
        return self.before.sha256 == self.after.sha256


def rebuild(store: Store, region: Region, into: Store, *, progress: Progress | None = None) -> list[Rebuilt]:
    """Read every delivery of a region again, in the original order and with the original times.

    Args:
        store: the source of the raw bytes; it does not change.
        region: the region of the tables. Deliveries are read by its current region file.
        into: another store, which is empty.
        progress: gets a sentence for each delivery.

    Raises:
        StoreError: bytes are missing or damaged, or `into` already has data of the region.
        SourceFormatError: bytes are no longer readable because the region file has changed.
    """
    if len(into.deliveries(region.name)):
        raise StoreError(f"{into.root} has data of {region.name}.", remedy="Name an empty folder.", store=into.root)
    otherwise = dict.fromkeys(Table, 0)
    still_open: dict[tuple[Table, str], Held] = {}
    newest = None
    with into.lease():
        for row in store.deliveries(region.name).iter_rows(named=True):
            request = request_of(region, row)
            received = Received(bytes_of(store, request, row), row["published_at"], row["received_at"])
            batch, rest = batch_of(
                request,
                received,
                row["origin"],
                held=still_open.get((request.table, row["after"])) if row["after"] else None,
                is_last=row["is_last"],
                read_at=row["read_at"] or row["received_at"] or row["first_seen_at"],
                usual=from_text(row["usual"]),
            )
            still_open[request.table, row["sha256"]] = rest
            otherwise[request.table] += row["key"] not in keys_of(request, received)
            newest = row["first_seen_at"]
            write(into, batch if row["raw"] else replace(batch, raw=None), now=newest)
            if progress is not None:
                progress(row["origin"])
        if newest is not None:
            write_calendar(into, region, now=newest)
    return [
        Rebuilt(table, store.manifest(table, region.name), into.manifest(table, region.name), otherwise[table])
        for table in region.specs
    ]


def request_of(region: Region, delivery: dict[str, Any]) -> Request:
    """The request of a delivery, from its row in the store.

    Raises:
        StoreError: the row does not say how it was read, or the region no longer has the table.
    """
    table = Table(delivery["table"])
    spec = region.spec(table)
    if spec is None or delivery["source"] is None:
        why = f"{region.name} no longer has {table}" if spec is None else "the store does not say how it was read"
        raise StoreError(
            f"{delivery['origin']} cannot be read again: {why}.",
            remedy="Correct the region file, or ingest into an empty folder (NOWCAST_DATA).",
            origin=delivery["origin"],
        )
    spec = spec.model_copy(update={"source": delivery["source"]})
    return Request(region, table, spec, delivery["start"], delivery["end"])


def bytes_of(store: Store, request: Request, delivery: dict[str, Any]) -> bytes:
    """The bytes of a delivery as received, from the store, or from this package if they are part of it.

    Raises:
        StoreError: the bytes are missing or have changed.
    """
    if delivery["raw"] is not None:
        data = store.read_raw(delivery["raw"])
    else:
        source = source_of(request.region, request.spec)
        own = [one for one in source.deliveries(request) if one.origin == delivery["origin"]]
        data = own[0].read().data if own else b""
    if hashlib.sha256(data).hexdigest() != delivery["sha256"]:
        raise StoreError(
            f"{delivery['raw'] or delivery['origin']} has changed since it was received: its SHA-256 differs.",
            remedy="Restore it from a copy; tables cannot be rebuilt without it.",
            origin=delivery["origin"],
        )
    return data
