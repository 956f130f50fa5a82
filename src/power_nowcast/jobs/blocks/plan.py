"""The blocks of a region of many zones, and the borders in time that all of them share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from power_nowcast.contracts.times import minute
from power_nowcast.errors import ConfigurationError, MissingDataError
from power_nowcast.ingest.parsing.file_options import OTHERS, SLICE
from power_nowcast.jobs.job import Job, Plan
from power_nowcast.models.examples import HISTORY_DAYS, Split
from power_nowcast.regions import Region, Zone
from power_nowcast.regions.region import MOST_TOGETHER
from power_nowcast.store import Store
from power_nowcast.store.address import Address

BLOCK_ZONES = 50
"""Zones of a block. A Dask task costs milliseconds and a block's tables tens of them, so far fewer do not pay; a block
of far more needs more memory and shares the work out worse."""
BLOCKS = "blocks"
"""The document that says which block each zone belongs to, and the folder of the blocks' tables."""


@dataclass(frozen=True)
class Block:
    """What a worker needs to know of a block; it is small and plain, as it goes through the scheduler.

    Attributes:
        region: the block's zones as a region.
        address: its tables.
        artifacts: the folder of its bundles.
    """

    region: Region
    address: Address
    artifacts: Path

    @property
    def name(self) -> str:
        return self.region.name

    @property
    def kind(self) -> str:
        """What its zones measure: load, wind or solar."""
        return self.region.zones[0].kind

    def store(self) -> Store:
        """Its tables, opened."""
        return Store.open(self.address)


def blocks_of(job: Job, size: int = BLOCK_ZONES) -> list[Block]:
    """The blocks of the job's region. A zone stays in its block for good; the document `blocks` says in which.

    Raises:
        ConfigurationError: the region has a total, forecasts or weather, or a power source other than files.
    """
    region = job.region
    _check(region)
    kept: list[list[str]] = job.store.documents.read(job.document(BLOCKS)) or []
    planned = grouped(region.zones, kept, size)
    if planned != kept:
        job.store.documents.write(job.document(BLOCKS), planned)
    zones = {zone.name: zone for zone in region.zones}
    found = []
    for number, names in enumerate(planned):
        own = tuple(zones[name] for name in names if name in zones)
        if own:
            found.append(_block(job, number, own))
    return found


def grouped(zones: Sequence[Zone], kept: Sequence[Sequence[str]], size: int) -> list[list[str]]:
    """Names of zones by block: those of the `kept` blocks stay, new ones fill the last block of their kind.

    All zones of a block have the same kind, because kinds have other features.
    """
    kinds = {zone.name: zone.kind for zone in zones}
    planned = [list(names) for names in kept]
    placed = {name for names in planned for name in names}
    last = {kinds[name]: names for names in planned for name in names if name in kinds}
    for zone in zones:
        if zone.name in placed:
            continue
        block = last.get(zone.kind)
        if block is None or len(block) >= size:
            block = last[zone.kind] = []
            planned.append(block)
        block.append(zone.name)
    return planned


def _block(job: Job, number: int, zones: tuple[Zone, ...]) -> Block:
    region, given, name = job.region, job.store.address, f"{number:04d}"
    power = region.power.model_copy(update={"options": {**region.power.options, "ignore": OTHERS, SLICE: True}})
    own = region.model_copy(update={"name": f"{region.name}.{name}", "zones": zones, "power": power})
    address = Address(
        given.uri(BLOCKS, region.name, name), given.options, given.cache_bytes, wait_seconds=given.wait_seconds
    )
    return Block(own, address, job.artifacts.absolute() / name)


def _check(region: Region) -> None:
    further = [table.value for table in region.specs if table.value != "power"]
    why = ("a total" if region.total else f"a table of {further[0]}" if further else None) or (
        region.power.source != "files" and f"the source {region.power.source}"
    )
    if why:
        raise ConfigurationError(
            f"{region.name} has {len(region.zones)} zones and {why}. Regions of more than {MOST_TOGETHER} zones have "
            "power from files and nothing else.",
            remedy="Leave it out of the region file; docs/scale.md.",
            region=region.name,
        )


def split_of(region: Region, plan: Plan, first: datetime, last: datetime) -> Split:
    """The borders of training, validation and test of all blocks, from the first and the last time of any.

    Raises:
        MissingDataError: there are too few days.
    """
    if plan.days is not None:
        first = max(first, last - timedelta(days=plan.days))
    needed = HISTORY_DAYS + 2 * plan.valid_days + plan.test_days
    if last - first < timedelta(days=needed):
        raise MissingDataError(
            f"{region.name} has {(last - first).days} days of data; training, validation and test need {needed}.",
            remedy="Ingest more days, or choose fewer by --valid-days and --test-days.",
            region=region.name,
            needed=needed,
        )
    day = np.timedelta64(24 * 60, "m")
    test_end = minute(last)
    test_start = (test_end - plan.test_days * day).astype("datetime64[h]").astype("datetime64[m]")
    every = plan.every_minutes
    start = int(minute(first).astype(np.int64)) + plan.spec.minimum_history_minutes
    train_start = np.datetime64(-(-start // every) * every, "m")
    return Split(train_start, test_start - plan.valid_days * day, test_start, test_end)
