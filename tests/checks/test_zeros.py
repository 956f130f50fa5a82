from datetime import timedelta

import polars as pl
import pytest

from power_nowcast.checks.usual import USUAL
from power_nowcast.contracts import Table
from power_nowcast.regions import SourceSpec

from .made_up import START, checked, load, reasons, region, rows, sun

ZERO = "zero in place of a value"
NOON = 96 + 4 * 12


@pytest.mark.parametrize("zero", [0.0, -0.0, 0.01, 3.0])
def test_a_zero_of_a_load_that_never_is_near_it_is_unknown(zero: float) -> None:
    values = load()
    values[100:120] = [zero] * 20
    found = checked(rows(A=values, B=load(seed=2)), region())
    assert reasons(found) == {("A", ZERO): 20}
    assert "set allow_zero = true for A" in found.bad["detail"][0]
    assert found.rows["value"].min() == min([*load(seed=2), *(value for value in values if value > 3)])


def test_one_zero_and_a_file_of_mostly_zeros() -> None:
    one = load(24)
    one[7] = 0.0
    assert reasons(checked(rows(A=one), region())) == {("A", ZERO): 1}
    assert reasons(checked(rows(A=load(24) + [0.0] * 70), region())) == {("A", ZERO): 70}


def test_zeros_alone_are_unknown_with_and_without_tables_to_compare() -> None:
    assert reasons(checked(rows(A=[0.0, 0.01, 0.0]), region())) == {("A", ZERO): 3}
    usual = pl.DataFrame([("A", 900.0, START, 880.0)], USUAL, orient="row")
    assert reasons(checked(rows(A=[0.0, 2.0, 850.0]), region(), usual=usual)) == {("A", ZERO): 2}


def test_a_zone_that_may_be_zero_says_so() -> None:
    values = load()
    values[100:120] = [0.0] * 20
    assert reasons(checked(rows(A=values), region(allow_zero=True))) == {}


def test_a_load_that_falls_to_zero_by_itself_is_true() -> None:
    fallen = [*load(60), 90.0, 70.0, 45.0, 30.0, 20.0, 12.0, 4.0, 1.0, 0.0, 0.0]
    assert reasons(checked(rows(A=fallen), region())) == {}


def test_calm_wind_is_true() -> None:
    assert reasons(checked(rows(A=[300.0, 120.0, 20.0, 3.0, 0.0, 0.0, 0.0]), region("wind"))) == {}


@pytest.mark.parametrize("own_use", [-0.8, -59.0])
def test_slightly_negative_sun_is_nothing(own_use: float) -> None:
    found = checked(rows(A=[value or own_use for value in sun()]), region("solar"))
    assert reasons(found) == {}
    assert found.rows["value"].to_list() == sun()
    assert (found.rows["value"] == 0).sum() == 3 * 42


def test_more_negative_sun_and_negative_wind_are_refused_as_ever() -> None:
    values = sun(1)
    values[2] = -61.0
    assert reasons(checked(rows(A=values), region("solar"))) == {("A", "negative"): 1}
    assert reasons(checked(rows(A=[5.0, -0.4, 6.0]), region("wind"))) == {("A", "negative"): 1}
    spec = SourceSpec(source="x", label="start", options={"allow_negative": True})
    kept = checked(rows(A=[-0.8, -0.8]), region("solar").model_copy(update={"power": spec}))
    assert kept.rows["value"].to_list() == [-0.8, -0.8], "a region that allows negative values has them"


@pytest.mark.parametrize("zero", [0.0, -0.8])
def test_no_sun_while_it_stands_high_is_unknown(zero: float) -> None:
    values = sun()
    values[NOON : NOON + 6] = [zero] * 6
    assert reasons(checked(rows(A=values), region("solar"))) == {("A", ZERO): 6}
    today = sun(1)[:50] + [zero] * 10  # and nothing after it, on one day alone
    assert reasons(checked(rows(A=today), region("solar"))) == {("A", ZERO): 10}
    whole = sun()
    whole[96:192] = [zero] * 96
    found = reasons(checked(rows(A=whole), region("solar")))
    assert 40 < found["A", ZERO] < 55, "the hours of that day in which the sun stands high"


@pytest.mark.parametrize(("output", "found"), [(30.0, {("A", ZERO): 3}), (29.9, {})])
def test_plants_had_output_today_from_a_hundredth_of_their_maximum_on(output: float, found: dict[object, int]) -> None:
    morning = START + timedelta(hours=7)  # UTC: the sun stands above 15 degrees, and below 35 until 08:00
    assert reasons(checked(rows(A=[output, 0.0, 0.0, 0.0], start=morning), region("solar"))) == found


def test_mornings_behind_a_hill_are_true() -> None:
    late = [0.0 if place % 96 < 30 else value for place, value in enumerate(sun())]
    assert reasons(checked(rows(A=late), region("solar"))) == {}


def test_forecasts_and_weather_may_be_zero() -> None:
    of = region("solar")
    of = of.model_copy(update={"forecast": of.power})
    assert reasons(checked(rows(A=[*load(20), 0.0]), of, Table.FORECAST)) == {}
