from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.contracts import Received, Table
from power_nowcast.ingest.parts import join_parts
from power_nowcast.ingest.published import Request
from power_nowcast.ingest.reading import Held, batch_of
from power_nowcast.regions import SourceSpec
from tests.checks.made_up import START, region, rows

WHOLE = timedelta(minutes=15)


def spec(label: str) -> SourceSpec:
    return region().power.model_copy(update={"label": label})


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.mark.parametrize(("label", "first"), [("start", 0), ("end", 5)])
def test_parts_become_the_mean_of_their_interval(label: str, first: int) -> None:
    sent = rows(5, start=at(first), A=[100.0, 110.0, 150.0, 200.0, 200.0, 230.0])
    joined, incomplete, newest = join_parts(sent, region(), spec(label))
    ends = [time + (WHOLE if label == "start" else timedelta(0)) for time in joined["at"]]
    assert dict(zip(ends, joined["value"], strict=True)) == {at(15): 120.0, at(30): 210.0}
    assert incomplete.is_empty()
    assert newest.is_empty()


def test_instants_stay_as_they_are() -> None:
    sent = rows(5, A=[100.0, 110.0, 150.0])
    assert join_parts(sent, region(), spec("instant"))[0].equals(sent)


@given(missing=st.sets(st.integers(0, 11)), label=st.sampled_from(["start", "end"]))
def test_an_interval_counts_with_all_of_its_parts_only(missing: set[int], label: str) -> None:
    first = 0 if label == "start" else 5
    values = [float(place**2) for place in range(12)]
    sent = rows(5, start=at(first), A=values).with_row_index()
    kept = sent.filter(~pl.col("index").is_in(missing)).drop("index")
    joined, incomplete, newest = join_parts(kept, region(), spec(label))
    whole = {n: sum(values[3 * n : 3 * n + 3]) / 3 for n in range(4) if not missing & {3 * n, 3 * n + 1, 3 * n + 2}}
    # One that has no part near it, nor have those beside it, may be a whole interval of its own.
    there = [place for place in range(12) if place not in missing]
    apart = [min([abs(one - other) for other in there if other != one], default=3) for one in there]
    alone = {place for i, place in enumerate(there) if min(apart[max(i - 1, 0) : i + 2]) >= 3}
    expected = {at(15 * n if label == "start" else 15 * n + 15): mean for n, mean in whole.items()}
    expected |= {at(first + 5 * place): values[place] for place in alone}
    assert dict(zip(joined["at"], joined["value"], strict=True)) == pytest.approx(expected)
    assert len(joined) + 2 * len(whole) + len(incomplete) + len(newest) == len(kept)


def one_delivery(text: str, read_at: datetime, **more: object) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    of = region().model_copy(update={"power": SourceSpec(source="files", label="start", options={"files": "*"})})
    batch, held = batch_of(
        Request(of, Table.POWER, of.power),
        Received(text.encode()),
        "a.csv",
        read_at=read_at,
        **more,  # type: ignore[arg-type]
    )
    return batch.rows, batch.quarantined, held.rows


def lines(*minutes: int) -> str:
    return "valid_at,A,B\n" + "".join(
        f"{at(minute):%Y-%m-%dT%H:%MZ},{100 + minute},{200 + minute}\n" for minute in minutes
    )


def test_what_is_missing_of_an_interval_is_told_and_what_is_not_over_is_waited_for() -> None:
    sent = lines(0, 5, 10, 15, 25, 30, 35, 40, 45, 50)
    stored, bad, _ = one_delivery(sent, at(56), is_last=True)
    assert stored.filter(pl.col("series") == "A").select("valid_at", "value").rows() == [
        (at(15), 105.0),
        (at(45), 135.0),
    ]
    assert bad["reason"].to_list() == ["incomplete interval"] * 4, (
        "those of the interval that runs still are waited for"
    )
    assert set(bad["at"]) == {at(15), at(25)}
    _, later, _ = one_delivery(sent, at(70), is_last=True)
    assert len(later) == 8


def test_an_interval_over_two_files_has_its_mean() -> None:
    first, bad, held = one_delivery(lines(0, 5, 10, 15), at(500))
    assert first["valid_at"].unique().to_list() == [at(15)]
    assert bad.is_empty()
    second, bad, _ = one_delivery(lines(20, 25, 30, 35, 40), at(500), held=Held(held), is_last=True)
    assert second.filter(pl.col("series") == "B").select("valid_at", "value").rows() == [
        (at(30), 220.0),
        (at(45), 235.0),
    ]
    assert bad.is_empty()


def test_a_publisher_that_goes_from_whole_intervals_to_parts() -> None:
    stored, bad, _ = one_delivery(lines(0, 15, 30, 35, 40, 45, 50, 55), at(500), is_last=True)
    assert stored.filter(pl.col("series") == "A")["value"].to_list() == [100.0, 135.0, 150.0]
    assert bad.select("at", "reason").unique().rows() == [(at(15), "incomplete interval")], "it may be a part as well"
