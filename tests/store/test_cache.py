"""The cache of data files: it holds no more bytes than it may, and reads do not depend on it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.contracts import Table
from power_nowcast.store import Store
from power_nowcast.store.datafiles import FileCache, bytes_of
from power_nowcast.store.delta import Delta

from .conftest import START, rows_of

NOW = datetime(2024, 7, 1, tzinfo=UTC)
MONTHS = 5
KIB = 1024


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Hourly values of two zones over some months: a file each."""
    store = Store(tmp_path_factory.mktemp("cache"))
    for month in range(MONTHS):
        hours = range(month * 31 * 24, month * 31 * 24 + 28 * 24)
        rows = rows_of(*((zone, 60 * hour, float(hour)) for hour in hours for zone in ("A", "B")))
        store.append(Table.POWER, rows, now=NOW)
    return store


def months(store: Store) -> list[pl.DataFrame]:
    """Each month, oldest first, as a read of its own."""
    days = [START + timedelta(days=31 * month) for month in range(MONTHS)]
    return [store.as_of(Table.POWER, "nyiso", start=day, end=day + timedelta(days=28)) for day in days]


@pytest.mark.parametrize("bound", [0, 200 * KIB, 600 * KIB])
def test_a_bound_in_bytes_holds_and_reads_stay_right(filled: Store, bound: int) -> None:
    whole, store = months(filled), Store(filled.root, cache_bytes=bound)
    needed = filled._cache.held_bytes
    assert needed > 600 * KIB  # so that each bound bites
    for _ in range(2):
        held = []
        for got, expected in zip(months(store), whole, strict=True):
            assert got.equals(expected)
            held.append(store._cache.held_bytes)
        assert max(held) <= bound
        # It is made use of: what is held is no less than the bound but for one file.
        assert bound == 0 or max(held) > bound - needed / MONTHS
    assert store.manifest(Table.POWER, "nyiso") == filled.manifest(Table.POWER, "nyiso")
    assert store._cache.held_bytes <= bound


def test_what_was_read_least_recently_goes_first() -> None:
    rows = pl.DataFrame({"x": range(100)})
    size = bytes_of(rows)
    cache = FileCache(2 * size)
    for name in "ab":
        cache.put(name, rows)
    assert cache.get("a") is not None
    cache.put("c", rows)
    assert [cache.get(name) is not None for name in "abc"] == [True, False, True]
    assert cache.held_bytes == 2 * size


def test_texts_count_with_what_points_to_them() -> None:
    assert bytes_of(pl.DataFrame({"x": ["A"] * 1000})) >= 1000 * 16


def test_a_file_that_is_put_again_counts_once_and_one_too_large_is_not_held() -> None:
    rows = pl.DataFrame({"x": range(100)})
    size = bytes_of(rows)
    cache = FileCache(2 * size)
    for _ in range(3):
        cache.put("a", rows)
    assert cache.held_bytes == size
    cache.put("b", pl.concat([rows] * 3))
    assert cache.get("b") is None
    assert cache.get("a") is not None
    cache.put("a", pl.concat([rows] * 3))
    assert (cache.get("a"), cache.held_bytes) == (None, 0)


def test_files_that_are_no_longer_part_of_the_table_leave_the_cache(tmp_path: Path) -> None:
    """A service that follows a table for months holds its rows once, not again for each merge of small files."""
    delta = Delta(str(tmp_path / "table"), pl.Schema({"part": pl.String(), "x": pl.Int64()}), ("part",))
    cache = FileCache()
    reader = Delta(delta.uri, delta.schema, ("part",), cache=cache)
    for number in range(12):
        delta.append(pl.DataFrame({"part": ["a"], "x": [number]}), onto=delta.version)
        assert len(reader.read()) == number + 1
    before = cache.held_bytes
    delta.compact()
    assert sorted(reader.read()["x"]) == list(range(12))
    assert cache.held_bytes == bytes_of(reader.read()) <= before
