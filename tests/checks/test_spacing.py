from datetime import timedelta

import polars as pl
import pytest

from power_nowcast.contracts import Table
from power_nowcast.errors import SourceFormatError

from .made_up import START, checked, load, reasons, region, rows


def labelled(label: str) -> dict[str, object]:
    return {"power": region().power.model_copy(update={"label": label})}


@pytest.mark.parametrize("label", ["start", "end"])
def test_means_of_longer_intervals_are_refused_with_the_time_of_the_change(label: str) -> None:
    of = region().model_copy(update=labelled(label))
    hourly, quarterly = rows(60, A=load(24)), rows(start=START + timedelta(days=1), A=load(96))
    with pytest.raises(
        SourceFormatError, match=r"60 minutes apart from 2024-05-01T00:00Z to 2024-05-02T00:00Z.*says 15"
    ):
        checked(pl.concat([hourly, quarterly]), of)
    later = rows(30, start=START + timedelta(days=2, minutes=15), A=load(4))
    with pytest.raises(SourceFormatError, match=r"30 minutes apart from 2024-05-02T23:45Z to 2024-05-03T01:45Z"):
        checked(pl.concat([quarterly, later]), of)


def test_three_rows_an_hour_apart_and_nothing_else() -> None:
    with pytest.raises(SourceFormatError, match="60 minutes apart"):
        checked(rows(60, A=load(3)), region())


def test_missing_rows_are_no_other_spacing() -> None:
    sent = rows(A=load(192)).with_row_index()
    for missing in ([5], [5, 7, 9], [*range(40, 80)], [3, 4, 5, 20, 21, 22]):
        assert reasons(checked(sent.filter(~pl.col("index").is_in(missing)).drop("index"), region())) == {}
    assert reasons(checked(rows(60, A=load(2)), region())) == {}


def test_instants_and_hourly_forecasts_that_say_so_pass() -> None:
    assert reasons(checked(rows(60, A=load(24)), region().model_copy(update=labelled("instant")))) == {}
    hourly = region().power.model_copy(update={"interval_minutes": 60})
    of = region().model_copy(update={"forecast": hourly})
    assert reasons(checked(rows(60, A=load(24)), of, Table.FORECAST)) == {}
    undeclared = region().model_copy(update={"forecast": region().power})
    with pytest.raises(SourceFormatError, match="60 minutes apart"):
        checked(rows(60, A=load(24)), undeclared, Table.FORECAST)


def test_rows_of_other_zones_do_not_count() -> None:
    found = checked(pl.concat([rows(A=load(24)), rows(60, ELSEWHERE=load(24))]), region())
    assert reasons(found) == {("ELSEWHERE", "unknown zone"): 24}
