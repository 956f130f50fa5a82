from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.store.manifest import manifest_of

from .conftest import rows_of

SEEN = datetime(2026, 1, 1, tzinfo=UTC)


def stored(rows: pl.DataFrame, *, seen: datetime = SEEN) -> pl.DataFrame:
    return rows.with_columns(first_seen_at=pl.lit(seen))


ROWS = stored(rows_of(("A", 0, 1.0), ("A", 5, 2.0), ("B", 0, 0.0), ("A", 0, 3.0)))


@given(order=st.permutations(range(4)))
def test_order_does_not_matter(order: list[int]) -> None:
    assert manifest_of("power", 3, ROWS[order]) == manifest_of("power", 3, ROWS)


def test_ingest_times_do_not_matter() -> None:
    seen = ROWS.with_columns(basis=pl.lit("seen"))
    later = seen.with_columns(pl.col("available_at", "first_seen_at") + timedelta(days=1))
    assert manifest_of("power", 1, later).sha256 == manifest_of("power", 1, seen).sha256
    assert manifest_of("power", 1, stored(ROWS.drop("first_seen_at"), seen=SEEN + timedelta(1))) == manifest_of(
        "power", 1, ROWS
    )


def test_content_matters() -> None:
    digests = {
        manifest_of("power", 1, frame).sha256
        for frame in (
            ROWS,
            ROWS[:3],
            ROWS.with_columns(value=pl.col("value") + 1e-9),
            ROWS.with_columns(series=pl.col("series") + "x"),
            ROWS.with_columns(pl.col("valid_at") + timedelta(microseconds=1)),
            ROWS.with_columns(pl.col("available_at") + timedelta(microseconds=1)),
            ROWS.with_columns(basis=pl.lit("written")),
        )
    }
    assert len(digests) == 7


def test_zero_has_one_sign() -> None:
    negative = ROWS.with_columns(value=pl.when(pl.col("value") == 0).then(-0.0).otherwise("value"))
    assert manifest_of("power", 1, negative).sha256 == manifest_of("power", 1, ROWS).sha256


def test_range_and_count() -> None:
    manifest = manifest_of("power", 7, ROWS)
    assert (manifest.table, manifest.version, manifest.rows) == ("power", 7, 4)
    assert (manifest.first, manifest.last) == ("2024-01-31T23:00:00+00:00", "2024-01-31T23:05:00+00:00")
