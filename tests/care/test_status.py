"""status: what is there, what is missing, and asking again for just that."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from power_nowcast.care.status import Gap, _spans, fill, gaps, status
from power_nowcast.contracts import Table
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.store import Store, write_all
from tests.toy import toy_region, toy_rows

START = datetime(2024, 3, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)


def write(folder: Path, rows: pl.DataFrame) -> Region:
    rows.drop("KTOY.temperature_c").write_csv(folder / "power.csv")
    spec = SourceSpec(source="files", options={"files": str(folder / "power.csv")})
    return toy_region().model_copy(update={"power": spec, "weather": None})


def slot(n: int) -> datetime:
    return START + n * STEP


@pytest.fixture
def rows() -> pl.DataFrame:
    return toy_rows(2)


def test_gaps_are_told_by_series_and_span(tmp_path: Path, rows: pl.DataFrame) -> None:
    n = pl.int_range(pl.len())
    one = rows.filter(~n.is_in([10, 11, 12])).with_columns(
        pl.when(pl.col("valid_at") == rows["valid_at"][20]).then(None).otherwise("N.E.").alias("N.E.")
    )
    region, store = write(tmp_path, one), Store(tmp_path / "data")
    write_all(store, region)
    assert gaps(store, region) == [
        Gap(("N.E.", "SOUTH 1"), slot(10), slot(12), 3),
        Gap(("N.E.",), slot(20), slot(20), 1),
    ]
    (power,) = status(store, region, now=slot(96))
    assert (power.table, power.rows, power.series, power.missing, power.quarantined) == (Table.POWER, 185, 2, 7, 1)
    assert (power.first, power.last) == (slot(0), slot(95))


def test_filling_asks_for_the_gaps_alone(tmp_path: Path, rows: pl.DataFrame) -> None:
    region, store = write(tmp_path, rows.filter(~pl.int_range(pl.len()).is_in([10, 11, 40]))), Store(tmp_path / "data")
    write_all(store, region)
    write(tmp_path, rows)
    asked: list[tuple[datetime, datetime]] = []

    def ingest(*arguments: object, **options: datetime) -> object:
        asked.append((options["start"], options["end"]))
        return write_all(*arguments, **options)  # type: ignore[arg-type]

    report = fill(store, region, gaps(store, region), ingest=ingest)  # type: ignore[arg-type]
    assert asked == [(slot(10), slot(11)), (slot(40), slot(40))]
    assert report.stored == 6
    assert gaps(store, region) == []


@pytest.mark.parametrize(("age", "fresh"), [(STEP, True), (3 * STEP, True), (3 * STEP + timedelta(seconds=1), False)])
def test_a_table_goes_stale(tmp_path: Path, rows: pl.DataFrame, age: timedelta, fresh: bool) -> None:
    region, store = write(tmp_path, rows), Store(tmp_path / "data")
    write_all(store, region)
    (power,) = status(store, region, now=slot(95) + age)
    assert power.fresh is fresh


def test_nothing_is_there_before_the_first_ingest(tmp_path: Path, rows: pl.DataFrame) -> None:
    region, store = write(tmp_path, rows), Store(tmp_path / "data")
    (power,) = status(store, region, now=START)
    assert (power.rows, power.last, power.fresh) == (0, None, False)
    assert gaps(store, region) == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5)), max_size=12))
def test_spans_cover_every_gap_once(found: list[tuple[int, int]]) -> None:
    missing = [Gap(("A",), slot(first), slot(first + more), more + 1) for first, more in found]
    spans = _spans(missing, STEP)
    covered = [n for first, last in spans for n in range(int((first - START) / STEP), int((last - START) / STEP) + 1)]
    assert covered == sorted({n for first, more in found for n in range(first, first + more + 1)})
    assert all(later[0] > earlier[1] + STEP for earlier, later in itertools.pairwise(spans))
