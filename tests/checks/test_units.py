import logging
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from power_nowcast.checks.units import ENOUGH, SMALL_SHARE, check_units, may_be_gw
from power_nowcast.checks.usual import USUAL
from power_nowcast.checks.zones import ZoneRows
from power_nowcast.contracts import Table
from power_nowcast.errors import SourceFormatError
from power_nowcast.regions import SourceSpec
from power_nowcast.regions.sun import elevations

from .made_up import START, checked, load, reasons, region, rows, sun


def usual(level: float | None, value: float = 1000.0, *, before: timedelta = timedelta(minutes=15)) -> pl.DataFrame:
    return pl.DataFrame([("A", level, START - before, value)], USUAL, orient="row")


def times(values: list[float], factor: float) -> list[float]:
    return [value * factor for value in values]


@pytest.mark.parametrize(("factor", "unit", "size"), [(0.001, "GW", "small"), (1000.0, "kW", "large")])
def test_one_zone_in_another_unit_is_refused_by_name(factor: float, unit: str, size: str) -> None:
    sent = rows(A=load(), B=times(load(seed=2), factor))
    with pytest.raises(
        SourceFormatError, match=f"values of B are .* too {size}: they look like {unit}.*Bring B"
    ) as caught:
        checked(sent, region())
    assert caught.value.fields["series"] == ("B",)


def test_a_unit_that_changes_within_a_file_is_refused_from_where_it_does() -> None:
    half = load()
    with pytest.raises(SourceFormatError, match=r"from 2024-05-02T00:00:00Z on 96 values of A .*smaller.*GW"):
        checked(rows(A=half[:96] + times(half[96:], 0.001), B=load()), region())
    with pytest.raises(SourceFormatError, match=r"from 2024-05-02T00:00:00Z on 96 values of A .*larger.*kW"):
        checked(rows(A=half[:96] + times(half[96:], 1000), B=load()), region())


def test_a_few_values_in_another_unit_are_kept_out() -> None:
    values = load(96)
    found = checked(rows(A=values[:-4] + times(values[-4:], 0.001), B=load(96)), region())
    assert reasons(found) == {("A", "another unit"): 4}
    assert "looks like GW, not MW; it usually has" in found.bad["detail"][0]
    assert len(found.rows.filter(pl.col("series") == "A")) == 92


@pytest.mark.parametrize(
    ("small", "reason"),
    [
        ([1.1, 1.1, 1.2], "another unit"),
        ([1.1, 1.1, 1.1], "zero in place of a value"),
        ([1.1, 1.2], "zero in place of a value"),
    ],
)
def test_three_small_values_that_are_not_the_same_are_in_another_unit(small: list[float], reason: str) -> None:
    found = checked(rows(A=load(96) + small, B=load(99)), region())
    assert reasons(found) == {("A", reason): len(small)}


@pytest.mark.parametrize(("factor", "reason"), [(0.001, "another unit"), (1000.0, "implausible")])
def test_a_short_file_is_compared_with_what_is_stored(factor: float, reason: str) -> None:
    day = times(load(24, 60.0, seed=4), factor)
    with pytest.raises(SourceFormatError, match="values"):
        checked(rows(A=day), region(), usual=usual(60.0))
    assert reasons(checked(rows(A=day[:4]), region(), usual=usual(60.0))) == {("A", reason): 4}
    assert reasons(checked(rows(A=load(24, 60.0)), region(), usual=usual(60.0))) == {}


def test_a_few_first_rows_are_compared_with_the_maximum() -> None:
    found = checked(rows(A=times(load(4), 0.001), B=load(4)), region())
    assert reasons(found) == {("A", "zero in place of a value"): 4}


def test_a_tiny_zone_with_its_own_maximum_is_none() -> None:
    small = times(load(), 0.001)
    assert reasons(checked(rows(A=small, B=times(small, 0.5)), region(max_mw=2.0))) == {}


def test_a_load_that_passes_through_zero_is_in_no_other_unit() -> None:
    of = region()
    of = of.model_copy(update={"power": SourceSpec(source="x", label="start", options={"allow_negative": True})})
    net = [float(value) for value in (1000 * np.sin(np.arange(960) / 9) + np.random.default_rng(3).normal(0, 5, 960))]
    assert reasons(checked(rows(A=[*net, 0.0, 1.2, 0.7, 0.9]), of)) == {}


@pytest.mark.parametrize("kind", ["wind", "solar"])
def test_a_step_by_a_thousand_of_wind_or_sun_is_another_unit(kind: str) -> None:
    steady = [800.0 + place % 7 for place in range(60)]
    with pytest.raises(SourceFormatError, match=r"from 2024-05-01T05:00:00Z on 40 values of A .*GW"):
        checked(rows(A=steady[:20] + times(steady[20:], 0.001), B=steady), region(kind))
    with pytest.raises(SourceFormatError, match=r"from 2024-05-01T00:00:00Z on 20 values of A .*GW"):
        checked(rows(A=times(steady[:20], 0.001) + steady[20:], B=steady), region(kind))
    back = steady[:20] + times(steady[20:24], 0.001) + steady[24:]
    assert reasons(checked(rows(A=back, B=steady), region(kind))) == {("A", "another unit"): 4}
    follows = checked(rows(A=times(steady[:4], 0.001)), region(kind), usual=usual(800.0, 803.0))
    assert reasons(follows) == {("A", "another unit"): 4}
    tiny = checked(rows(A=times(steady[:4], 1e-6)), region(kind, max_mw=60.0), usual=usual(0.8, 0.803))
    assert reasons(tiny) == {("A", "another unit"): 4}


def test_a_calm_is_no_other_unit(caplog: pytest.LogCaptureFixture) -> None:
    calm = [round(0.5 + 0.1 * (place % 9), 1) for place in range(192)]
    with caplog.at_level(logging.WARNING):
        assert reasons(checked(rows(A=calm), region("wind"))) == {}
    assert "a.csv: A stays below a three-hundredth of max_mw" in caplog.text, "nothing tells it from GW: it is said"
    fallen = [700.0, 350.0, 80.0, 12.0, 2.0, *calm]
    assert reasons(checked(rows(A=fallen), region("wind"))) == {}


def test_ten_days_of_calm_or_three_sunny_days_of_nothing_are_gw() -> None:
    calm = [0.5 + 0.1 * (place % 9) for place in range(961)]
    with pytest.raises(SourceFormatError, match="look like GW"):
        checked(rows(A=calm), region("wind"))
    with pytest.raises(SourceFormatError, match="look like GW"):
        checked(rows(A=times(sun(), 0.001)), region("solar"))


def some(kind: str, largest: float, at: np.ndarray | None = None) -> ZoneRows:
    """A dozen values of a zone up to the largest, at their times or hour by hour."""
    times = np.datetime64("2024-05-01T00:00", "us") + np.arange(12) * np.timedelta64(1, "h") if at is None else at
    value = np.linspace(largest / 2, largest, len(times))
    zone = region(kind).zones[0]
    return ZoneRows(zone, np.arange(len(times), dtype=np.uint32), times, value, level=None, stored=None)


def test_a_load_that_just_reaches_the_least_share_of_its_maximum_is_in_mw() -> None:
    least = SMALL_SHARE * 3000.0
    check_units([some("load", least)], "a.csv")
    with pytest.raises(SourceFormatError, match="look like GW"):
        check_units([some("load", float(np.nextafter(least, 0)))], "a.csv")


@pytest.mark.parametrize(
    ("kind", "values", "share", "minutes", "found"),
    [
        ("wind", ENOUGH, 0.999, 1440, True),
        ("solar", ENOUGH, 0.999, 1440, True),
        ("load", ENOUGH, 0.999, 1440, False),
        ("wind", ENOUGH, 1.0, 1440, False),
        ("wind", ENOUGH, 0.999, 1439, False),
        ("wind", ENOUGH - 1, 0.999, 1440, False),
    ],
)
def test_a_day_of_a_dozen_tiny_values_may_be_gw(
    kind: str, values: int, share: float, minutes: int, found: bool
) -> None:
    hours = np.datetime64("2024-05-01T00:00", "us") + np.arange(values) * np.timedelta64(1, "h")
    hours[-1] = hours[0] + np.timedelta64(minutes, "m")
    assert may_be_gw(some(kind, share * SMALL_SHARE * 3000.0, hours)) is found


@pytest.mark.parametrize(("height", "days", "refused"), [(15.5, 3, True), (14.5, 3, False), (15.5, 2, False)])
def test_the_sun_shows_the_unit_of_solar_power_above_fifteen_degrees_on_three_days(
    height: float, days: int, refused: bool
) -> None:
    minutes = np.datetime64("2024-05-01T00:00", "us") + np.arange(days * 1440) * np.timedelta64(1, "m")
    sun = np.abs(elevations(minutes, 50.0, 8.0) - height) < 0.45
    assert sun.sum() >= 12
    one = some("solar", 0.9, minutes[sun])
    if not refused:
        check_units([one], "a.csv")
        return
    with pytest.raises(SourceFormatError, match="look like GW"):
        check_units([one], "a.csv")


def test_forecasts_are_checked_too() -> None:
    of = region()
    of = of.model_copy(update={"forecast": of.power})
    with pytest.raises(SourceFormatError, match=r"values of B are .* GW"):
        checked(rows(A=load(24), B=times(load(24), 0.001)), of, Table.FORECAST)


# A load that is near zero, or below it, hides a factor of a thousand: from a level of 30 MW on, none of these does.
@settings(deadline=None, max_examples=25)
@given(
    level=st.floats(30, 2000), seed=st.integers(0, 50), begin=st.integers(12, 180), factor=st.sampled_from([1e-3, 1e3])
)
def test_no_part_of_a_load_in_another_unit_is_stored(level: float, seed: int, begin: int, factor: float) -> None:
    right = load(192, level, seed)
    sent = rows(A=right[:begin] + times(right[begin:], factor))
    try:
        kept = checked(sent, region()).rows["value"].to_list()
    except SourceFormatError:
        return
    assert set(kept) <= set(right)
