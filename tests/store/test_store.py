from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from power_nowcast import regions
from power_nowcast.contracts import BAD_ROWS, VALUES, Batch, Table
from power_nowcast.errors import MissingDataError, SourceFormatError, StoreError
from power_nowcast.regions import calendar
from power_nowcast.store import AppendReport, Store
from power_nowcast.store.writer import COMPACT_AT

from .conftest import MakeRows, at, rows_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def values(frame: pl.DataFrame) -> list[tuple[str, datetime, float]]:
    return frame.select("series", "valid_at", "value").rows()


def test_an_empty_store_answers_with_empty_tables(store: Store) -> None:
    assert store.as_of(Table.POWER, "nyiso").schema == VALUES
    assert store.versions(Table.FORECAST, "nyiso").is_empty()
    assert store.version(Table.POWER) == -1
    assert store.last(Table.POWER, "nyiso") is None
    assert store.read_quarantine("nyiso").is_empty()
    assert store.manifest(Table.POWER, "nyiso").rows == 0
    assert store.compact() == 0
    assert not Path(store.root, "interim").exists(), "reading must not make folders"


def test_appending_twice_stores_once(store: Store, make_rows: MakeRows) -> None:
    rows = make_rows(("A", 0, 1.0), ("A", 5, 2.0), ("B", 0, 3.0))
    assert store.append(Table.POWER, rows, now=NOW) == AppendReport(added=3)
    version, manifest = store.version(Table.POWER), store.manifest(Table.POWER, "nyiso")
    assert store.append(Table.POWER, rows, now=LATER) == AppendReport(unchanged=3)
    assert store.version(Table.POWER) == version
    assert store.manifest(Table.POWER, "nyiso") == manifest
    assert store.last(Table.POWER, "nyiso") == at(5)


def test_a_correction_is_known_from_when_it_was_seen(store: Store, make_rows: MakeRows) -> None:
    store.append(Table.POWER, make_rows(("A", 0, 1.0)), now=NOW)
    assert store.append(Table.POWER, make_rows(("A", 0, 9.0)), now=LATER) == AppendReport(corrected=1)
    assert values(store.as_of(Table.POWER, "nyiso", at=LATER - timedelta(seconds=1))) == [("A", at(0), 1.0)]
    assert values(store.as_of(Table.POWER, "nyiso", at=LATER)) == [("A", at(0), 9.0)]
    corrected = store.versions(Table.POWER, "nyiso").row(-1, named=True)
    assert (corrected["available_at"], corrected["basis"], corrected["first_seen_at"]) == (LATER, "seen", LATER)
    assert store.append(Table.POWER, make_rows(("A", 0, 9.0)), now=LATER) == AppendReport(unchanged=1)
    assert len(store.versions(Table.POWER, "nyiso")) == 2


def test_a_correction_back_to_the_first_value_is_a_correction(store: Store, make_rows: MakeRows) -> None:
    for day, value in enumerate((1.0, 2.0, 1.0)):
        store.append(Table.POWER, make_rows(("A", 0, value)), now=NOW + timedelta(days=day))
    assert store.versions(Table.POWER, "nyiso")["value"].to_list() == [1.0, 2.0, 1.0]
    assert store.as_of(Table.POWER, "nyiso")["value"].to_list() == [1.0]


def test_what_has_no_value_is_not_stored(store: Store, make_rows: MakeRows) -> None:
    rows = make_rows(("A", 0, None), ("A", 5, float("nan")), ("A", 10, float("inf")), ("A", 15, 1.0))
    assert store.append(Table.POWER, rows, now=NOW) == AppendReport(added=1, empty=3)


def test_the_last_of_equal_keys_in_one_append_wins(store: Store, make_rows: MakeRows) -> None:
    report = store.append(Table.POWER, make_rows(("A", 0, 1.0), ("A", 0, 2.0)), now=NOW)
    assert report == AppendReport(added=1, repeated=1)
    assert store.as_of(Table.POWER, "nyiso")["value"].to_list() == [2.0]


def test_a_delay_of_the_backtest_moves_only_rows_with_that_basis(store: Store, make_rows: MakeRows) -> None:
    store.append(Table.POWER, make_rows(("A", 0, 1.0)), now=NOW)
    store.append(Table.POWER, make_rows(("B", 0, 2.0), basis="seen"), now=NOW)
    known = store.as_of(Table.POWER, "nyiso", at=at(4), delay_minutes=5)
    assert known["series"].to_list() == ["B"]
    assert store.as_of(Table.POWER, "nyiso", at=at(5), delay_minutes=5)["series"].to_list() == ["A", "B"]


def test_a_read_can_be_narrowed(store: Store, make_rows: MakeRows) -> None:
    rows = make_rows(*((series, minute, minute + 0.5) for series in "ABC" for minute in range(0, 120, 5)))
    store.append(Table.POWER, rows, now=NOW)
    store.append(Table.POWER, make_rows(("A", 0, 7.0), region="other"), now=NOW)
    # 55..65 minutes after 23:00 on the last day of January: two partitions.
    part = store.as_of(Table.POWER, "nyiso", start=at(55), end=at(65), series=["A", "C"])
    assert values(part) == [(series, at(minute), minute + 0.5) for series in "AC" for minute in (55, 60, 65)]
    assert store.as_of(Table.POWER, "nyiso", series="B")["series"].unique().to_list() == ["B"]
    assert len(store.versions(Table.POWER, "nyiso", start=at(60), end=at(60))) == 3
    assert store.as_of(Table.POWER, "other")["value"].to_list() == [7.0]


def test_the_span_of_a_region_is_its_oldest_and_its_newest_value(store: Store, make_rows: MakeRows) -> None:
    store.append(Table.POWER, make_rows(("A", 10, 1.0), ("A", 0, 2.0), ("B", 5, 3.0)), now=at(60))
    assert store.span(Table.POWER, "nyiso") == (at(0), at(10))
    assert store.span(Table.POWER, "nyiso", until=at(7)) == (at(0), at(5))
    assert store.span(Table.POWER, "nowhere") == (None, None)


def test_every_vintage_of_a_forecast_is_kept(store: Store, make_rows: MakeRows) -> None:
    early = make_rows(("A", 120, 1.0), basis="written", delay=-120)
    late = make_rows(("A", 120, 2.0), basis="written", delay=-60)
    assert store.append(Table.FORECAST, pl.concat([late, early]), now=NOW) == AppendReport(added=2)
    assert store.append(Table.FORECAST, early, now=NOW) == AppendReport(unchanged=1)
    assert store.as_of(Table.FORECAST, "nyiso", at=at(59))["value"].to_list() == [1.0]
    assert store.as_of(Table.FORECAST, "nyiso", at=at(60))["value"].to_list() == [2.0]


def test_a_vintage_that_differs_is_corrected_once(store: Store, make_rows: MakeRows) -> None:
    store.append(Table.FORECAST, make_rows(("A", 120, 1.0), basis="written", delay=-120), now=NOW)
    other = make_rows(("A", 120, 5.0), basis="written", delay=-120)
    assert store.append(Table.FORECAST, other, now=LATER) == AppendReport(corrected=1)
    assert store.append(Table.FORECAST, other, now=LATER + timedelta(days=1)) == AppendReport(unchanged=1)
    assert store.as_of(Table.FORECAST, "nyiso", at=at(60))["value"].to_list() == [1.0]


def seen(make_rows: MakeRows, minute: int, *values: float) -> pl.DataFrame:
    """A forecast of the hours from 0 on without a time of issue, seen then."""
    rows = make_rows(*(("A", 600 + 60 * hour, value) for hour, value in enumerate(values)), basis="seen")
    return rows.with_columns(available_at=pl.lit(at(minute)).cast(rows.schema["available_at"]))


def test_a_forecast_that_is_seen_again_as_it_was_is_no_new_vintage(store: Store, make_rows: MakeRows) -> None:
    for minute in range(0, 60, 5):
        store.append(Table.FORECAST, seen(make_rows, minute, 1.0, 2.0, 3.0), now=at(minute))
    assert len(store.versions(Table.FORECAST, "nyiso")) == 3, "polling twelve times an hour grows nothing"
    report = store.append(Table.FORECAST, seen(make_rows, 60, 1.0, 5.0, 3.0, 4.0), now=at(60))
    assert report == AppendReport(added=2, unchanged=2)
    store.append(Table.FORECAST, seen(make_rows, 65, 1.0, 2.0, 3.0, 4.0), now=at(65))
    assert [
        store.as_of(Table.FORECAST, "nyiso", at=at(minute))["value"].to_list() for minute in (-1, 0, 59, 60, 64, 65)
    ] == [[], [1, 2, 3], [1, 2, 3], [1, 5, 3, 4], [1, 5, 3, 4], [1, 2, 3, 4]]


def test_a_vintage_with_a_time_of_issue_is_kept_though_it_says_the_same(store: Store, make_rows: MakeRows) -> None:
    for minute in (0, 5):
        rows = seen(make_rows, minute, 1.0).with_columns(basis=pl.lit("written"))
        store.append(Table.FORECAST, rows, now=at(minute))
    assert len(store.versions(Table.FORECAST, "nyiso")) == 2


@settings(max_examples=10)
@given(polls=st.lists(st.tuples(st.integers(1, 30), st.lists(st.sampled_from([1.0, 2.0]), max_size=3)), max_size=6))
def test_what_is_left_out_changes_no_read(
    tmp_path_factory: pytest.TempPathFactory, polls: list[tuple[int, list[float]]]
) -> None:
    store, told, minute = Store(tmp_path_factory.mktemp("seen")), list[tuple[int, int, float]](), 0
    for later, values in polls:
        minute += later
        told += [(minute, hour, value) for hour, value in enumerate(values)]
        store.append(Table.FORECAST, seen(rows_of, minute, *values), now=at(minute))
    for asked in range(-1, minute + 2):
        known = {hour: value for when, hour, value in told if when <= asked}
        found = store.as_of(Table.FORECAST, "nyiso", at=at(asked))
        assert found["value"].to_list() == [known[hour] for hour in sorted(known)]
    stored = store.versions(Table.FORECAST, "nyiso").sort("valid_at", "available_at")
    again = (pl.col("value") == pl.col("value").shift()) & (pl.col("valid_at") == pl.col("valid_at").shift())
    assert stored.filter(again).is_empty()


def test_lacking_columns_are_named(store: Store, make_rows: MakeRows) -> None:
    with pytest.raises(SourceFormatError, match="basis"):
        store.append(Table.POWER, make_rows(("A", 0, 1.0)).drop("basis"), now=NOW)


def test_small_files_are_merged_while_appending(store: Store, make_rows: MakeRows) -> None:
    for minute in range(COMPACT_AT + 3):
        store.append(Table.WEATHER, make_rows(("A", minute, float(minute))), now=NOW)
    partition = {"region": "nyiso", "month": "2024-01"}
    assert store._values[Table.WEATHER].files(partition) <= 4
    assert store.as_of(Table.WEATHER, "nyiso")["value"].to_list() == [float(n) for n in range(COMPACT_AT + 3)]


def test_compaction_keeps_the_content(store: Store, make_rows: MakeRows) -> None:
    for minute in range(4):
        store.append(Table.POWER, make_rows(("A", minute, 1.0)), now=NOW)
    before = store.manifest(Table.POWER, "nyiso")
    assert store.compact() == 4
    after = store.manifest(Table.POWER, "nyiso")
    assert after.sha256 == before.sha256
    assert after.version > before.version
    assert store.vacuum() == 0, "files of versions that manifests name stay"


def test_quarantine_keeps_a_row_once(store: Store) -> None:
    bad = pl.DataFrame(
        [["nyiso", "power", None, None, "x", "-1", "negative", "", "file"]], schema=BAD_ROWS, orient="row"
    )
    assert store.quarantine(bad, now=NOW) == 1
    assert store.quarantine(pl.concat([bad, bad]), now=LATER) == 0
    assert store.read_quarantine("nyiso")["first_seen_at"].to_list() == [NOW]
    assert store.read_quarantine("other").is_empty()


def test_a_delivery_is_noted_once(store: Store, make_rows: MakeRows) -> None:
    batch = Batch("nyiso", Table.POWER, make_rows(("A", 0, 1.0)), "file", "key")
    for _ in range(2):
        store.note_delivery(batch, now=NOW)
    assert store.delivered("nyiso") == {"key"}
    assert store.deliveries("nyiso")["rows"].to_list() == [1]


def test_the_calendar_is_kept_and_renewed(store: Store) -> None:
    region = regions.load("nyiso")
    days = calendar.days(region, date(2019, 7, 1), date(2019, 7, 7))
    assert store.write_calendar("nyiso", days, now=NOW) == 7
    assert store.write_calendar("nyiso", days, now=LATER) == 0
    changed = days.with_columns(
        holiday=pl.when(pl.col("date") == date(2019, 7, 2)).then(pl.lit("New")).otherwise("holiday")
    )
    assert store.write_calendar("nyiso", changed, now=LATER) == 1
    assert store.read_calendar("nyiso").equals(changed)


def test_features_are_versioned(store: Store) -> None:
    first, second = pl.DataFrame({"x": [1.0, 2.0]}), pl.DataFrame({"x": [3.0], "y": ["z"]})
    assert store.write_features("nyiso/train", first) == 0
    assert store.write_features("nyiso/train", first) == 0
    assert store.write_features("nyiso/train", second) == 1
    assert store.read_features("nyiso/train").equals(second)
    assert store.read_features("nyiso/train", version=0).equals(first)
    with pytest.raises(MissingDataError, match="nowcast features"):
        store.read_features("nyiso/other")


def test_a_root_that_cannot_be_written_is_named(tmp_path: Path, make_rows: MakeRows) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "data")
    with pytest.raises(StoreError, match="NOWCAST_DATA"):
        store.append(Table.POWER, make_rows(("A", 0, 1.0)), now=NOW)


@pytest.mark.parametrize("victim", ["*.parquet", "_delta_log/*.json"])
def test_damage_is_reported(store: Store, make_rows: MakeRows, victim: str) -> None:
    store.append(Table.POWER, make_rows(("A", 0, 1.0)), now=NOW)
    for file in Path(store.root, "interim/power").rglob(victim):
        file.write_bytes(b"{damaged")
    with pytest.raises(StoreError, match="interim/power"):
        Store(store.root).as_of(Table.POWER, "nyiso")


def test_two_stores_on_one_root_see_each_other(store: Store, make_rows: MakeRows) -> None:
    other = Store(store.root)
    store.append(Table.POWER, make_rows(("A", 0, 1.0)), now=NOW)
    assert len(other.as_of(Table.POWER, "nyiso")) == 1
    other.append(Table.POWER, make_rows(("A", 0, 1.0), ("A", 5, 2.0)), now=NOW)
    assert store.append(Table.POWER, make_rows(("A", 5, 2.0)), now=NOW) == AppendReport(unchanged=1)


_events = st.lists(
    st.lists(
        st.tuples(st.sampled_from("AB"), st.sampled_from([0, 5, 60]), st.sampled_from([1.0, 2.0, -0.0, 0.0])),
        min_size=1,
        max_size=4,
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=_events)
def test_as_of_is_what_a_naive_replay_knows(
    tmp_path_factory: pytest.TempPathFactory, events: list[list[tuple[str, int, float]]]
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    truth: dict[tuple[str, datetime], float] = {}
    states = []
    for day, event in enumerate(events):
        now = NOW + timedelta(days=day)
        report = store.append(Table.POWER, rows_of(*event), now=now)
        last = {(series, at(minute)): value for series, minute, value in event}
        assert report.added == len(last.keys() - truth.keys())
        assert report.corrected == sum(key in truth and truth[key] != value for key, value in last.items())
        truth |= {key: value for key, value in last.items() if key not in truth or truth[key] != value}
        states.append((now, dict(truth)))
    first = states[0][1]
    for now, expected in states:
        found = {(series, time): value for series, time, value in values(store.as_of(Table.POWER, "nyiso", at=now))}
        # What an archive brings later counts as known at its own time: only corrections wait.
        assert {key: found[key] for key in expected} == expected
        assert first.keys() <= found.keys()


def test_a_clock_that_goes_back_loses_no_correction_and_stores_it_once(store: Store, make_rows: MakeRows) -> None:
    live = make_rows(("A", 0, 1.0), basis="seen").with_columns(available_at=pl.lit(NOW).cast(VALUES["available_at"]))
    store.append(Table.POWER, live, now=NOW)
    back = NOW - timedelta(hours=1)
    other = live.with_columns(value=2.0)
    assert store.append(Table.POWER, other, now=back) == AppendReport(corrected=1)
    assert store.append(Table.POWER, other, now=back) == AppendReport(unchanged=1)
    assert store.as_of(Table.POWER, "nyiso")["value"].to_list() == [2.0]
    assert store.as_of(Table.POWER, "nyiso", at=NOW - timedelta(seconds=1)).is_empty(), "not before what it corrects"
    assert store.append(Table.POWER, live, now=back) == AppendReport(corrected=1)
    assert store.as_of(Table.POWER, "nyiso", at=NOW)["value"].to_list() == [1.0]


def test_a_clock_that_was_a_year_ahead_does_not_hide_later_corrections(store: Store, make_rows: MakeRows) -> None:
    store.append(Table.POWER, make_rows(("A", 0, 1.0)), now=NOW + timedelta(days=365))
    store.append(Table.POWER, make_rows(("A", 0, 2.0)), now=NOW)
    assert store.as_of(Table.POWER, "nyiso", at=NOW)["value"].to_list() == [1.0]
    assert store.as_of(Table.POWER, "nyiso", at=LATER)["value"].to_list() == [2.0]


def test_corrections_of_one_moment_count_in_the_order_of_their_commits(store: Store, make_rows: MakeRows) -> None:
    for value in (1.0, 9.0, 3.0, 7.0):
        store.append(Table.POWER, make_rows(("A", 0, value)), now=NOW)
    assert store.as_of(Table.POWER, "nyiso")["value"].to_list() == [7.0]
    assert store.versions(Table.POWER, "nyiso")["value"].to_list() == [1.0, 9.0, 3.0, 7.0]
    stored = store.versions(Table.POWER, "nyiso")
    assert stored["first_seen_at"].is_unique().all()


def test_versions_that_nothing_tells_apart_have_one_order(store: Store, make_rows: MakeRows) -> None:
    """Of a store from before commits gave the order: two corrections with the same times."""
    rows = make_rows(("A", 0, 8.0), ("A", 0, 3.0)).with_columns(
        available_at=pl.lit(NOW).cast(VALUES["available_at"]), first_seen_at=pl.lit(NOW), month=pl.lit("2024-01")
    )
    for part in (rows[:1], rows[1:]):
        store._values[Table.POWER].append(part, onto=store.version(Table.POWER))
    assert store.versions(Table.POWER, "nyiso")["value"].to_list() == [3.0, 8.0]
    assert store.as_of(Table.POWER, "nyiso")["value"].to_list() == [8.0]
    store.compact()
    assert store.as_of(Table.POWER, "nyiso")["value"].to_list() == [8.0]


def test_a_vintage_counts_after_the_correction_of_an_older_one_that_came_with_it(
    store: Store, make_rows: MakeRows
) -> None:
    old = make_rows(("A", 120, 1.0), basis="written", delay=-120)
    store.append(Table.FORECAST, old, now=NOW)
    newer = old.with_columns(value=5.0, available_at=pl.lit(LATER).cast(VALUES["available_at"]), basis=pl.lit("seen"))
    report = store.append(Table.FORECAST, pl.concat([newer, old.with_columns(value=2.0)]), now=LATER)
    assert report == AppendReport(added=1, corrected=1)
    assert store.as_of(Table.FORECAST, "nyiso")["value"].to_list() == [5.0]
    assert store.versions(Table.FORECAST, "nyiso")["value"].to_list() == [1.0, 2.0, 5.0]


def test_deliveries_are_told_in_the_order_in_which_they_came(store: Store, make_rows: MakeRows) -> None:
    for number, key in enumerate("cab"):
        batch = Batch("nyiso", Table.POWER, make_rows(("A", 0, 1.0)), f"{key}.csv", key)
        store.note_delivery(batch, now=NOW - timedelta(hours=number))
    assert store.deliveries("nyiso")["key"].to_list() == ["c", "a", "b"]
