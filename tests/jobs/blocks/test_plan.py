"""Which block a zone belongs to, and what a region by blocks may have."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from power_nowcast.errors import ConfigurationError, MissingDataError
from power_nowcast.jobs.blocks.plan import blocks_of, grouped, split_of
from power_nowcast.regions import Zone
from tests.jobs.blocks.small_grid import PLAN, job_of, write_region


def zone(name: str, kind: str = "load") -> Zone:
    return Zone(name=name, kind=kind, latitude=50.0, longitude=10.0, max_mw=5.0)


def test_zones_fill_blocks_by_kind() -> None:
    zones = [zone("A"), zone("S", "solar"), zone("B"), zone("C"), zone("T", "solar")]
    assert grouped(zones, [], 2) == [["A", "B"], ["S", "T"], ["C"]]


def test_a_zone_stays_in_its_block() -> None:
    """Its tables are there: neither a new zone nor one that goes moves any other."""
    kept = [["A", "B"], ["C"]]
    zones = [zone("NEW"), zone("B"), zone("C"), zone("D")]
    assert grouped(zones, kept, 2) == [["A", "B"], ["C", "NEW"], ["D"]]
    assert kept == [["A", "B"], ["C"]], "not changed"


def test_blocks_are_regions_with_tables_of_their_own(tmp_path: Path) -> None:
    job = job_of(write_region(tmp_path))
    blocks = blocks_of(job, 5)
    assert [len(block.region.zones) for block in blocks] == [5, 5, 2]
    assert [block.name for block in blocks] == ["grid.0000", "grid.0001", "grid.0002"]
    assert len({block.address.root for block in blocks}) == 3
    assert tuple(name for block in blocks for name in block.region.series) == job.region.series
    assert blocks_of(job, 7) == blocks, "another size is for new blocks only"


def test_a_region_of_many_zones_has_power_from_files_and_nothing_else(tmp_path: Path) -> None:
    job = job_of(write_region(tmp_path))
    for change, said in (
        ({"total": "ALL"}, "a total"),
        ({"weather": job.region.power}, "a table of weather"),
        ({"power": job.region.power.model_copy(update={"source": "nyiso"})}, "the source nyiso"),
    ):
        other = type(job)(job.region.model_copy(update=change), job.store, job.settings)
        with pytest.raises(ConfigurationError, match=said):
            blocks_of(other)


def test_from_101_zones_on_a_region_is_one_of_many(tmp_path: Path) -> None:
    region = job_of(write_region(tmp_path)).region
    assert not region.model_copy(update={"zones": (zone("A"),) * 100}).is_many
    assert region.model_copy(update={"zones": (zone("A"),) * 101}).is_many


def test_all_blocks_share_borders_on_the_grid(tmp_path: Path) -> None:
    region = job_of(write_region(tmp_path)).region
    first = datetime(2024, 3, 4, 0, 30, tzinfo=UTC)
    split = split_of(region, PLAN, first, first + timedelta(days=20))
    assert int(split.train_start.astype("int64")) % PLAN.every_minutes == 0
    assert split.train_start < split.valid_start < split.test_start < split.test_end
    with pytest.raises(MissingDataError, match="has 17 days of data; training, validation and test need 18"):
        split_of(region, PLAN, first, first + timedelta(days=17))
