"""Record tables: a declaration is all that a new one needs, and a read touches no more than it must."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.contracts import UTC as UTC_TYPE
from power_nowcast.errors import SourceFormatError
from power_nowcast.store import Store
from power_nowcast.store.records import HELD_RECORDS, Records, RecordTable
from power_nowcast.store.tables import CALIBRATIONS, RECORDS

NOW = datetime(2024, 3, 1, tzinfo=UTC)
EVENTS = RecordTable(
    "events",
    pl.Schema(
        {
            "region": pl.String(),
            "at": UTC_TYPE,
            "kind": pl.String(),
            "detail": pl.String(),
            "first_seen_at": UTC_TYPE,
        }
    ),
    key=("region", "at", "kind"),
    order=("at", "kind"),
    time="at",
    in_order=False,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, records=(*RECORDS, EVENTS))


@pytest.fixture
def events(store: Store) -> Records:
    return store.records[EVENTS]


def rows(*told: tuple[int, str, str], region: str = "toy") -> pl.DataFrame:
    """Events of (minutes after NOW, kind, detail)."""
    made = [(region, NOW + timedelta(minutes=minutes), kind, detail) for minutes, kind, detail in told]
    return pl.DataFrame(made, EVENTS.given, orient="row")


def test_a_declared_table_keeps_each_key_once_and_reads_in_its_order(events: Records) -> None:
    assert events.add(rows((5, "swap", "a"), (0, "rung", "b"), (5, "swap", "c")), now=NOW) == 2
    assert events.add(rows((5, "swap", "d"), (5, "alarm", "e")), now=NOW) == 1
    assert events.add(rows((5, "swap", "f"), region="other"), now=NOW) == 1
    assert events.read("toy")["detail"].to_list() == ["b", "e", "a"]
    assert events.read("toy").schema == EVENTS.schema
    assert events.read("toy", pl.col("kind") == "swap")["detail"].to_list() == ["a"]
    soon = NOW + timedelta(minutes=1)
    assert events.read("toy", last=soon)["detail"].to_list() == ["b"]
    assert events.read("toy", first=soon)["detail"].to_list() == ["e", "a"]


def test_a_declared_table_is_kept_up_with_all_others(store: Store, events: Records) -> None:
    for minute in range(5):
        events.add(rows((minute, "rung", str(minute))), now=NOW)
    assert store.compact() == 5
    assert Store(store.root, records=(*RECORDS, EVENTS)).records[EVENTS].read("toy")["detail"].to_list() == list(
        "01234"
    )


def test_columns_that_are_missing_are_named(events: Records) -> None:
    with pytest.raises(SourceFormatError, match="lack the columns detail"):
        events.add(rows((0, "rung", "a")).drop("detail"), now=NOW)


def test_the_newest_record_up_to_a_time(events: Records) -> None:
    assert events.newest("toy").is_empty()
    events.add(rows((0, "swap", "a"), (5, "rung", "b"), (10, "swap", "c")), now=NOW)
    assert events.newest("toy")["detail"].to_list() == ["c"]
    assert events.newest("toy", until=NOW + timedelta(minutes=9))["detail"].to_list() == ["b"]
    swaps = pl.col("kind") == "swap"
    assert events.newest("toy", swaps, until=NOW + timedelta(minutes=9))["detail"].to_list() == ["a"]
    assert events.newest("other").is_empty()
    assert events.newest("toy", until=NOW - timedelta(minutes=1)).is_empty()
    events.add(rows((11, "swap", "d")), now=NOW)
    assert events.newest("toy").row(0, named=True)["detail"] == "d"
    assert events.newest("toy").schema == EVENTS.schema


def test_large_records_are_read_one_at_a_time_and_few_stay_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    states = store.records[CALIBRATIONS]
    times = [NOW + timedelta(minutes=5 * n) for n in range(2 * HELD_RECORDS)]
    for n, time in enumerate(times):
        store.write_calibration("toy", "digest" if n % 2 else "other", f"c{n}", time, f"state {n}", now=NOW)
    asked: list[tuple[object, ...]] = []
    read = states.delta.read

    def noted(*conditions: pl.Expr, **span: object) -> pl.DataFrame:
        found = read(*conditions, **span)  # type: ignore[arg-type]
        asked.append(tuple(found["state"]))
        return found

    monkeypatch.setattr(states.delta, "read", noted)
    for n, time in enumerate(times):
        told = store.read_calibration("toy", "digest", at=time)
        assert told == (f"state {n - 1 + n % 2}" if n else None)
    assert asked == [(f"state {n}",) for n in range(1, 2 * HELD_RECORDS, 2)]
    assert store.read_calibration("toy", "digest") == f"state {2 * HELD_RECORDS - 1}"
    assert len(asked) == HELD_RECORDS
    for time in times:
        store.read_calibration("toy", "other", at=time)
    assert len(states._held) == HELD_RECORDS
