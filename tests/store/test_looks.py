"""What an earlier delivery should have had and did not is known from when it came, whatever a computed time says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from power_nowcast import regions
from power_nowcast.collect import write, write_all
from power_nowcast.collect.rebuild import rebuild
from power_nowcast.contracts import BAD_ROWS, Basis, Batch, Reading, Table
from power_nowcast.ingest import with_source
from power_nowcast.regions import Region
from power_nowcast.store import Store
from power_nowcast.store.looks import coverage
from power_nowcast.store.tables import DELIVERIES

from .conftest import Row, at, rows_of

HOUR = timedelta(hours=1)
NOON = at(60)


def batch(
    *rows: Row,
    key: str,
    origin: str = "a.csv",
    source: str = "test",
    received: datetime | None = None,
    table: Table = Table.POWER,
    asked: tuple[datetime | None, datetime | None] = (None, None),
    basis: str = "delay",
    known: datetime | None = None,
    bad: pl.DataFrame | None = None,
) -> Batch:
    """A delivery: live if it says when it was `received`; its rows known at their time, or `known`."""
    frame = rows_of(*rows, basis=basis)
    if known is not None:
        frame = frame.with_columns(available_at=pl.lit(known).cast(frame.schema["available_at"]))
    reading = Reading(source, sha256=key, received_at=received, start=asked[0], end=asked[1])
    quarantined = BAD_ROWS.to_frame() if bad is None else bad
    return Batch("nyiso", table, frame, origin, key, quarantined=quarantined, reading=reading)


def known(store: Store, minute: int, time: datetime, table: Table = Table.POWER) -> list[float]:
    """Values of A at a minute that were known at a time."""
    rows = store.as_of(table, "nyiso", at=time, start=at(minute), end=at(minute), series="A")
    return rows["value"].to_list()


def test_a_slot_that_an_earlier_delivery_left_empty_is_known_from_when_it_was_filled(store: Store) -> None:
    write(store, batch(("A", 0, 1.0), ("A", 10, 3.0), key="1"), now=NOON)
    later = NOON + 4 * HOUR
    write(store, batch(("A", 0, 1.0), ("A", 5, 2.0), ("A", 10, 3.0), ("A", 15, 4.0), key="2"), now=later)
    assert known(store, 5, NOON) == known(store, 5, later - HOUR) == []
    assert known(store, 5, later) == [2.0]
    filled = store.versions(Table.POWER, "nyiso").filter(pl.col("valid_at") == at(5)).row(0, named=True)
    assert (filled["available_at"], filled["basis"], filled["first_seen_at"]) == (later, "seen", later)
    assert known(store, 15, at(15)) == [4.0], "no delivery before it reached so far"


@pytest.mark.parametrize("change", [{"reading": None}, {"are_versions": True}])
def test_rows_without_a_reading_and_versions_keep_their_times(store: Store, change: dict[str, object]) -> None:
    write(store, batch(("A", 0, 1.0), ("A", 10, 3.0), key="1"), now=NOON)
    write(store, replace(batch(("A", 5, 2.0), key="2"), **change), now=NOON + 4 * HOUR)
    assert known(store, 5, at(5)) == [2.0], "nothing says when somebody looked for it"


def test_a_slot_whose_value_was_refused_is_covered(store: Store) -> None:
    bad = pl.DataFrame(
        [["nyiso", "power", "A", at(10), "x", "-9999", "not a number", "", "a.csv"]], schema=BAD_ROWS, orient="row"
    )
    write(store, batch(("A", 0, 1.0), key="1", bad=bad), now=NOON)
    write(store, batch(("A", 10, 3.0), key="2"), now=NOON + HOUR)
    assert known(store, 10, NOON) == []
    assert known(store, 10, NOON + HOUR) == [3.0]


def test_what_was_refused_counts_from_the_first_time_that_was_asked_for(store: Store) -> None:
    """An answer may hold more than was asked for: of that nobody looked for a value."""
    refused = [["nyiso", "power", "A", at(n), "x", "-9999", "not a number", "", "a.csv"] for n in (5, 10, 15)]
    bad = pl.DataFrame(refused, schema=BAD_ROWS, orient="row")
    told = batch(("A", 20, 1.0), key="1", bad=bad, received=NOON, asked=(at(10), at(30)))
    assert coverage(told, NOON) == {"first": at(10), "last": at(20), "series": ["A"]}


def test_what_was_refused_counts_up_to_the_end_of_the_question_and_to_now() -> None:
    refused = [["nyiso", "power", "A", at(n), "x", "-9999", "not a number", "", "a.csv"] for n in (5, 10, 15, 20)]
    bad = pl.DataFrame(refused, schema=BAD_ROWS, orient="row")
    asked = batch(("A", 0, 1.0), key="1", bad=bad, received=NOON, asked=(None, at(15)))
    assert coverage(asked, NOON)["last"] == at(15)
    assert coverage(asked, at(10))["last"] == at(10), "nobody measured what is not over"
    assert coverage(batch(("A", 0, 1.0), key="1", bad=bad), NOON)["last"] == at(20)


def test_a_correction_of_a_fill_counts_after_it(store: Store) -> None:
    for number, value in enumerate((None, 2.0, 9.0)):
        rows = [("A", 0, 1.0), *([("A", 5, value)] if value else []), ("A", 10, 3.0)]
        write(store, batch(*rows, key=str(number)), now=NOON + number * HOUR)
    assert [known(store, 5, NOON + n * HOUR) for n in range(3)] == [[], [2.0], [9.0]]


def test_an_archive_in_files_stays_what_it_is_in_any_order(store: Store) -> None:
    for key, first in (("january", 0), ("march", 200), ("february", 100)):
        rows = [("A", first + minute, float(minute + 1)) for minute in range(0, 100, 5)]
        write(store, batch(*rows, key=key, origin=f"{key}.csv"), now=NOON)
    longer = [("A", minute, 1.0 + minute % 100) for minute in range(0, 400, 5)]
    write(store, batch(*longer, key="year", origin="year.csv"), now=NOON + HOUR)
    assert store.versions(Table.POWER, "nyiso")["basis"].unique().to_list() == ["delay"]
    assert known(store, 350, at(350)) == [51.0]


def test_a_file_for_each_series_leaves_the_others_what_they_are(store: Store) -> None:
    for name in "BA":
        rows = [(name, minute, float(minute)) for minute in range(0, 100, 5)]
        write(store, batch(*rows, key=name, origin=f"{name}.csv"), now=NOON)
    assert store.versions(Table.POWER, "nyiso")["basis"].unique().to_list() == ["delay"]


@pytest.mark.parametrize("other", [{"source": "another"}, {"table": Table.WEATHER}])
def test_what_another_source_or_table_left_out_says_nothing(store: Store, other: dict[str, object]) -> None:
    write(store, batch(("A", 0, 1.0), ("A", 10, 3.0), key="1", **other), now=NOON)  # type: ignore[arg-type]
    write(store, batch(("A", 5, 2.0), key="2"), now=NOON + HOUR)
    assert known(store, 5, at(5)) == [2.0]


def test_what_was_not_over_when_it_was_looked_for_keeps_its_time(store: Store) -> None:
    """A day's file with all of its slots, the later ones empty."""
    bad = pl.DataFrame(
        [["nyiso", "power", "A", at(n), "x", "", "not a number", "", "a.csv"] for n in range(5, 600, 5)],
        schema=BAD_ROWS,
        orient="row",
    )
    write(store, batch(("A", 0, 1.0), key="1", bad=bad), now=at(100))
    write(store, batch(*(("A", n, 2.0) for n in range(0, 600, 5)), key="2"), now=at(700))
    assert known(store, 50, at(699)) == []
    assert known(store, 105, at(105)) == [2.0]


def test_an_answer_with_an_older_publish_time_replaces_nothing_that_was_seen(store: Store) -> None:
    for minute, published, value in ((0, -10, 1.0), (30, 20, 2.0), (60, 10, 3.0)):
        told = batch(
            ("A", 600, value), key=str(minute), origin="forecast.json", received=at(minute),
            table=Table.FORECAST, basis="written", known=at(published),
        )  # fmt: skip
        write(store, told, now=at(minute) + timedelta(seconds=1))
    assert known(store, 600, at(-1), Table.FORECAST) == [1.0], "published, and not yet asked for"
    assert known(store, 600, at(15), Table.FORECAST) == [1.0], "as it was answered then"
    assert known(store, 600, at(59), Table.FORECAST) == [2.0]
    assert known(store, 600, at(61), Table.FORECAST) == [3.0]
    before = store.version(Table.FORECAST)
    again = batch(
        ("A", 600, 3.0), key="again", origin="forecast.json", received=at(90), table=Table.FORECAST,
        basis="written", known=at(10),
    )  # fmt: skip
    write(store, again, now=at(90))
    assert store.version(Table.FORECAST) == before, "what is told again says nothing new"


def test_vintages_of_archived_files_keep_their_publish_times(store: Store) -> None:
    for number, published in enumerate((20, -10)):
        told = batch(
            ("A", 600, float(number)), key=str(number), origin="isolf.csv", table=Table.FORECAST,
            basis="written", known=at(published),
        )  # fmt: skip
        write(store, told, now=NOON)
    assert [known(store, 600, at(minute), Table.FORECAST) for minute in (0, 30)] == [[1.0], [0.0]]


def test_a_hole_in_an_archived_forecast_is_known_from_when_it_was_filled(store: Store) -> None:
    write(store, batch(("A", 0, 1.0), ("A", 10, 3.0), key="1", table=Table.FORECAST), now=NOON)
    write(store, batch(("A", 5, 2.0), key="2", table=Table.FORECAST), now=NOON + HOUR)
    assert known(store, 5, NOON, Table.FORECAST) == []
    assert known(store, 5, NOON + HOUR, Table.FORECAST) == [2.0]


def test_what_the_same_address_did_not_have_yet_was_not_known(store: Store) -> None:
    """The newest slot comes four hours late: older than what counts as live, and still not there at the poll before."""
    asked = batch(("A", 0, 1.0), key="1", origin="today.csv", received=at(300))
    write(store, asked, now=at(300))
    write(store, batch(("A", 5, 2.0), key="2", origin="today.csv", received=at(305)), now=at(305))
    assert [known(store, 5, at(minute)) for minute in (5, 300, 305)] == [[], [], [2.0]]
    write(store, batch(("A", 8, 2.0), key="3", origin="another.csv", received=at(310)), now=at(310))
    assert known(store, 8, at(8)) == [2.0], "nobody had asked there"


def test_an_answer_about_another_span_says_nothing(store: Store) -> None:
    first = batch(("A", 60, 1.0), key="1", origin="day.csv", received=at(300), asked=(at(60), None))
    write(store, first, now=at(300))
    second = batch(("A", 0, 0.0), ("A", 60, 1.0), key="2", origin="day.csv", received=at(400), asked=(None, None))
    write(store, second, now=at(400))
    assert known(store, 0, at(0)) == [0.0]


def test_deliveries_of_an_older_store_can_be_added_to(store: Store) -> None:
    write(store, batch(("A", 0, 1.0), ("A", 10, 3.0), key="1"), now=NOON)
    place = Path(store.root, "interim/deliveries")
    noted = store.deliveries("nyiso")
    for file in sorted(place.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    place.rmdir()
    old = noted.drop("first", "last", "series")
    write_deltalake(place, old.to_arrow(compat_level=pl.CompatLevel.oldest()), partition_by=["region"])
    again = Store(store.root)
    assert again.deliveries("nyiso").schema == DELIVERIES.schema
    assert again.delivered("nyiso") == {"1"}
    write(again, batch(("A", 5, 2.0), key="2"), now=NOON + HOUR)
    assert known(again, 5, at(5)) == [2.0], "what the first one covered was not noted"
    write(again, batch(("A", 20, 2.0), ("A", 40, 3.0), key="3"), now=NOON + HOUR)
    write(again, batch(("A", 30, 2.0), key="4"), now=NOON + 2 * HOUR)
    assert known(again, 30, NOON + HOUR) == []
    assert DeltaTable(place).version() == 3
    assert again.compact() > 0
    assert Store(store.root).deliveries("nyiso")["key"].to_list() == ["1", "2", "3", "4"]


@pytest.fixture
def growing(tmp_path: Path) -> Region:
    alone = regions.load("nyiso").model_copy(update={"forecast": None, "weather": None})
    return with_source(alone, "files", files=str(tmp_path / "load.csv"))


def test_a_file_that_grows_and_is_filled_says_what_was_known_when(growing: Region, tmp_path: Path) -> None:
    """At 17:00 a value of 16:05 is missing; the file of 21:00 has it. A rebuild from the raw bytes says the same."""
    day = datetime(2024, 1, 15, 16, tzinfo=UTC)
    clock = [day + HOUR]

    def ingest(store: Store, minutes: list[int]) -> None:
        lines = [f"{(day + timedelta(minutes=m)).isoformat()},NORTH,{600 + m}" for m in minutes]
        (tmp_path / "load.csv").write_text("\n".join(["valid_at,series,value", *lines]))
        write_all(store, growing, clock=lambda: clock[0])

    store = Store(tmp_path / "data")
    ingest(store, [m for m in range(0, 61, 5) if m != 5])
    answered = store.as_of(Table.POWER, "nyiso", at=clock[0])
    clock[0] = day + 5 * HOUR
    ingest(store, list(range(0, 301, 5)))
    assert store.as_of(Table.POWER, "nyiso", at=day + HOUR).equals(answered)
    filled = store.versions(Table.POWER, "nyiso").filter(pl.col("basis") == Basis.SEEN.value)
    assert filled["valid_at"].to_list() == [day + timedelta(minutes=5)]
    assert filled["available_at"].to_list() == [clock[0]]

    into = Store(tmp_path / "again")
    assert all(table.is_same for table in rebuild(store, growing, into))
    assert into.versions(Table.POWER, "nyiso").equals(store.versions(Table.POWER, "nyiso"))
