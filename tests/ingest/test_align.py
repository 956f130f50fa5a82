from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast import regions
from power_nowcast.contracts import ROWS, Received, Table
from power_nowcast.ingest.align import align, split_last_slot
from power_nowcast.ingest.published import published
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.regions.region import Schedule

START = datetime(2019, 3, 1, tzinfo=UTC)
NYISO = regions.load("nyiso")


def rows(*seconds: int, written: datetime | None = None) -> pl.DataFrame:
    """Published rows of one series whose values are their places."""
    times = [START + timedelta(seconds=second) for second in seconds]
    frame = pl.DataFrame(
        {"series": ["NORTH"] * len(times), "at": times, "value": [float(n) for n in range(len(times))]}
    )
    return published(frame.with_columns(written=pl.lit(written, pl.Datetime("us", "UTC"))))


def minutes(frame: pl.DataFrame) -> list[float]:
    return [(time - START).total_seconds() / 60 for time in frame["valid_at"]]


def test_a_slot_takes_the_last_value_up_to_its_end() -> None:
    aligned, superseded = align(rows(0, 1, 299, 300, 301), NYISO, Table.POWER, NYISO.power)
    assert aligned.schema == ROWS
    assert minutes(aligned) == [0, 5, 10]
    assert aligned["value"].to_list() == [0.0, 3.0, 4.0]
    assert superseded == 2


@given(seconds=st.lists(st.integers(0, 7200), min_size=1, unique=True))
def test_alignment_equals_the_rule_of_the_protocol(seconds: list[int]) -> None:
    aligned, superseded = align(rows(*seconds), NYISO, Table.POWER, NYISO.power)
    expected: dict[int, float] = {}
    for place, second in sorted(enumerate(seconds), key=lambda pair: pair[1]):
        expected[-(-second // 300) * 5] = float(place)
    assert dict(zip(minutes(aligned), aligned["value"], strict=True)) == expected
    assert superseded == len(seconds) - len(expected)


def test_a_label_at_the_start_moves_to_the_end() -> None:
    spec = SourceSpec(source="x", label="start", interval_minutes=60)
    aligned, _ = align(rows(0, 3600), NYISO, Table.FORECAST, spec)
    assert minutes(aligned) == [60, 120]


def test_when_a_row_was_known() -> None:
    spec = SourceSpec(source="x", label="instant", delay_minutes=10)
    late, _ = align(rows(60), NYISO, Table.WEATHER, spec)
    assert late.select("valid_at", "available_at", "basis").row(0) == (
        START + timedelta(minutes=1),
        START + timedelta(minutes=11),
        "delay",
    )
    told, _ = align(rows(60, written=START), NYISO, Table.FORECAST, spec)
    assert told.select("available_at", "basis").row(0) == (START, "written")


@pytest.mark.parametrize("table", [Table.POWER, Table.WEATHER])
def test_what_comes_live_was_seen_when_it_came(table: Table) -> None:
    spec = SourceSpec(source="x", label="instant", delay_minutes=10)
    at = [timedelta(0), timedelta(minutes=5), timedelta(minutes=185), timedelta(minutes=190)]
    received = Received(b"", received_at=START + timedelta(minutes=185, seconds=7))
    aligned, _ = align(rows(*(span.seconds for span in at)), NYISO, table, spec, received)
    known = dict(zip(aligned["valid_at"] - START, aligned.select("available_at", "basis").iter_rows(), strict=True))
    assert received.received_at is not None
    assert known == {
        at[0]: (START + timedelta(minutes=10), "delay"),  # it may have stood there for hours
        at[1]: (START + timedelta(minutes=15), "delay"),
        at[2]: (received.received_at, "seen"),
        at[3]: (START + at[3], "seen"),  # nothing is known before its time
    }


def test_a_live_forecast_counts_from_the_files_time_or_else_from_when_it_came() -> None:
    spec = SourceSpec(source="x", label="start", interval_minutes=60)
    came, told = START + timedelta(minutes=1), START - timedelta(hours=5)

    def known(received: Received, spec: SourceSpec = spec, written: datetime | None = None) -> tuple[object, ...]:
        aligned, _ = align(rows(60, written=written), NYISO, Table.FORECAST, spec, received)
        return aligned.select("available_at", "basis").row(0)

    dated, undated = Received(b"", told, came), Received(b"", None, came)
    assert known(dated) == (told, "written")
    assert known(undated) == (came, "seen")
    assert known(dated, written=START - timedelta(hours=9)) == (START - timedelta(hours=9), "written")
    by_schedule = spec.model_copy(update={"schedule": Schedule.model_validate({"time": "18:00"})})
    assert known(undated, by_schedule) == (datetime(2019, 2, 27, 23, tzinfo=UTC), "schedule")


@given(
    first=st.lists(st.integers(0, 3000), min_size=1, unique=True),
    second=st.lists(st.integers(3001, 6000), min_size=1, unique=True),
)
def test_a_slot_may_be_split_over_two_deliveries(first: list[int], second: list[int]) -> None:
    whole, _ = align(rows(*first, *second), NYISO, Table.POWER, NYISO.power)
    earlier, later = rows(*first, *second)[: len(first)], rows(*first, *second)[len(first) :]
    over, held = split_last_slot(earlier, NYISO, NYISO.power)
    parts = [align(part, NYISO, Table.POWER, NYISO.power)[0] for part in (over, pl.concat([held, later]))]
    assert pl.concat(parts).sort("valid_at").equals(whole.sort("valid_at"))


def test_nothing_is_held_of_intervals_or_of_nothing() -> None:
    region = Region.model_validate(NYISO.model_dump() | {"power": {"source": "x", "label": "end"}})
    assert len(split_last_slot(rows(1), region, region.power)[1]) == 0
    assert len(split_last_slot(rows(), NYISO, NYISO.power)[0]) == 0
