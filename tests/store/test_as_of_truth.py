"""An as-of read equals a brute-force filter over all that was ever stored, and a later backfill changes none of it."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from power_nowcast import regions
from power_nowcast.contracts import Table
from power_nowcast.ingest import fetch, with_source
from power_nowcast.store import Store

from .conftest import at, rows_of

MINUTE = timedelta(minutes=1)
UTC_TIME = pl.Datetime("us", "UTC")
BACKFILL = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = 1000
WINDOW = timedelta(days=2)
LATE, CORRECTED, REVISED = 0.01, 0.005, 0.01

type Known = dict[tuple[str, datetime], float]


@dataclass
class Truth:
    """Every version of every value in plain lists, kept beside the store by the rules of the store."""

    versions: list[tuple[datetime, str, float, datetime]] = field(default_factory=list)

    def at(self, time: datetime, start: datetime, end: datetime) -> Known:
        """The version of each value that was known last; versions are sorted by valid_at, then by when known."""
        known = {}
        first = bisect_left(self.versions, start, key=lambda version: version[0])
        last = bisect_right(self.versions, end, key=lambda version: version[0])
        for valid_at, series, value, available_at in self.versions[first:last]:
            if available_at <= time:
                known[series, valid_at] = value
        return known

    def add(self, versions: Iterable[tuple[datetime, str, float, datetime]]) -> None:
        self.versions = sorted([*self.versions, *versions], key=lambda version: (version[0], version[3]))


def read(store: Store, time: datetime, start: datetime, end: datetime) -> Known:
    rows = store.as_of(Table.POWER, "nyiso", at=time, start=start, end=end)
    return {(series, valid_at): value for series, valid_at, value in rows["series", "valid_at", "value"].iter_rows()}


def live(rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """The same rows as seen at `now`."""
    return rows.with_columns(available_at=pl.lit(now).cast(rows.schema["available_at"]), basis=pl.lit("seen"))


@pytest.mark.slow
def test_a_thousand_times_in_two_real_years(bench_data: Path, tmp_path: Path) -> None:
    store, truth, chance = Store(tmp_path / "data"), Truth(), random.Random(5)
    region = with_source(regions.load("nyiso"), "nyiso", folder=str(bench_data / "nyiso"))
    archives = [batch.rows for batch in fetch(region, tables=[Table.POWER])]
    for archive in archives:
        # The archive as it was then: some rows were late, and some of the others are corrected days after.
        is_late = pl.Series([chance.random() < LATE for _ in range(len(archive))])
        on_time, late = archive.filter(~is_late), archive.filter(is_late)
        other = pl.col("value") * 1.5 + 1
        corrected = on_time.sample(fraction=CORRECTED, seed=chance.randrange(1 << 30)).with_columns(value=other)
        store.append(Table.POWER, on_time, now=archive["valid_at"].max())  # type: ignore[arg-type]
        truth.versions += on_time["valid_at", "series", "value", "available_at"].rows()
        told = pl.concat([late, corrected]).sort("valid_at")
        for (days,), part in told.group_by_dynamic("valid_at", every="4d"):
            now = days + timedelta(hours=chance.uniform(96, 120))
            store.append(Table.POWER, live(part, now), now=now)
            truth.versions += [(*version, now) for version in part["valid_at", "series", "value"].iter_rows()]
    truth.add(())
    first, last = archives[0]["valid_at"].min(), archives[-1]["valid_at"].max()
    seconds = (last - first).total_seconds()  # type: ignore[operator, union-attr]
    times = [first + timedelta(seconds=chance.uniform(0, seconds)) for _ in range(TIMES)]  # type: ignore[operator]
    spans = [(time - chance.random() * WINDOW, time) for time in times]
    answers = [read(store, time, *span) for time, span in zip(times, spans, strict=True)]
    for time, span, answer in zip(times, spans, answers, strict=True):
        assert answer == truth.at(time, *span)
    everything = [len(store.as_of(Table.POWER, "nyiso", start=start, end=end)) for start, end in spans]
    assert sum(map(len, answers)) < sum(everything), "some rows must come too late for the times that are asked for"

    for archive in archives:
        revised = pl.when(pl.int_range(pl.len()).hash(7) % round(1 / REVISED) == 0).then(pl.col("value") + 7)
        store.append(Table.POWER, archive.with_columns(value=revised.otherwise("value")), now=BACKFILL)
    assert store.versions(Table.POWER, "nyiso")["available_at"].max() == BACKFILL
    again = Store(store.root)
    for time, span, answer in zip(times, spans, answers, strict=True):
        assert read(again, time, *span) == answer


_told = st.lists(
    st.tuples(st.sampled_from("AB"), st.integers(0, 3), st.sampled_from([1.0, 2.0])),
    min_size=1,
    max_size=4,
    unique_by=lambda row: row[:2],
)
"""Series, how many slots back, and value."""


@settings(max_examples=15)
@given(
    delay=st.sampled_from([0, 50]),
    told=st.lists(st.tuples(st.integers(1, 40), st.booleans(), _told), min_size=1, max_size=5),
    asked=st.lists(st.tuples(st.integers(-5, 260), st.integers(-4, 11), st.integers(-4, 11)), min_size=1, max_size=6),
    revised=_told,
)
@example(
    delay=50,
    told=[(1, False, [("B", 0, 1.0)]), (1, False, [("B", 0, 2.0)])],  # a correction before the computed time
    asked=[(2, 0, 2), (49, 0, 2), (50, 0, 2)],
    revised=[("A", 0, 1.0)],
)
def test_any_time_of_a_small_history(
    tmp_path_factory: pytest.TempPathFactory,
    delay: int,
    told: list[tuple[int, bool, list[tuple[str, int, float]]]],
    asked: list[tuple[int, int, int]],
    revised: list[tuple[str, int, float]],
) -> None:
    """Values of slots of 20 minutes that are over, told live or by an archive, late, again and otherwise.

    An archive's rows count from `delay` minutes after their time, which may be later than when they came.
    """
    store, truth, minute = Store(tmp_path_factory.mktemp("store")), Truth(), 0
    newest: dict[tuple[str, int], tuple[float, datetime]] = {}
    for later, is_live, values in told:
        minute += later
        now = at(minute)
        placed = [(series, 20 * (minute // 20 - back), value) for series, back, value in values]
        rows = rows_of(*placed, delay=delay)
        store.append(Table.POWER, live(rows, now) if is_live else rows, now=now)
        for series, end, value in placed:
            stored, known_at = newest.get((series, end), (None, None))
            if value == stored:
                continue
            first = now if is_live else at(end + delay)
            known = first if known_at is None else max(now, known_at)  # a correction never before what it corrects
            truth.add([(at(end), series, value, known)])
            newest[series, end] = value, known
    questions = [(at(when), at(20 * first), at(20 * last)) for when, first, last in asked]
    answers = [read(store, *question) for question in questions]
    assert answers == [truth.at(*question) for question in questions]
    backfill = [(series, 20 * (minute // 20 - back), value) for series, back, value in revised]
    store.append(Table.POWER, rows_of(*(row for row in backfill if row[:2] in newest)), now=BACKFILL)
    assert [read(Store(store.root), *question) for question in questions] == answers


_vintages = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 3), st.sampled_from("AB"), st.sampled_from([1.0, 2.0, 3.0])),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row[:3],
)


@settings(max_examples=30)
@given(
    pulls=st.lists(st.tuples(st.integers(0, 9), _vintages), min_size=1, max_size=5),
    asked=st.lists(st.tuples(st.integers(-5, 400), st.integers(-1, 4), st.integers(-1, 4)), min_size=1, max_size=8),
)
@pytest.mark.parametrize("table", [Table.FORECAST, Table.WEATHER_FORECAST])
def test_the_forecast_known_at_a_time_is_a_query(
    tmp_path_factory: pytest.TempPathFactory,
    table: Table,
    pulls: list[tuple[int, list[tuple[int, int, str, float]]]],
    asked: list[tuple[int, int, int]],
) -> None:
    """Vintages (told at, of slot, series, value) of some pulls, each told again and again or otherwise."""
    store, now = Store(tmp_path_factory.mktemp("store")), at(300)
    truth = Truth()
    stored: dict[tuple[int, int, str], float] = {}
    for later, told in pulls:
        now += (1 + later) * MINUTE
        parts = [
            rows_of((series, 20 * slot, value)).with_columns(
                available_at=pl.lit(at(20 * when)).cast(UTC_TIME), basis=pl.lit("written")
            )
            for when, slot, series, value in told
        ]
        store.append(table, pl.concat(parts), now=now)
        changed = {}
        for when, slot, series, value in told:
            if (when, slot, series) not in stored:
                stored[when, slot, series] = value
                truth.add([(at(20 * slot), series, value, at(20 * when))])
            elif stored[when, slot, series] != value:
                changed[series, at(20 * slot)] = (when, value)
        if changed:
            return  # what corrects a vintage is told by the test of the store
    for minute, first, last in asked:
        span = (at(minute), at(20 * first), at(20 * last))
        rows = store.as_of(table, "nyiso", at=span[0], start=span[1], end=span[2])
        known = {(series, valid): value for series, valid, value in rows["series", "valid_at", "value"].iter_rows()}
        assert known == truth.at(*span)
    assert len(store.versions(table, "nyiso")) == len(stored)
