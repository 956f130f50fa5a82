"""slices: coverage and error by hour and day as the tables have them."""

from dataclasses import replace

import polars as pl
import pytest

from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.report import charts
from power_nowcast.report.charts.slices import APART, LOWEST, whole_days
from tests.report.charts.conftest import Values


def hours(card: Scorecard, horizon: int) -> list[dict[str, object]]:
    chosen = (pl.col("series") == "NYCA") & (pl.col("by") == "hour") & (pl.col("horizon_min") == horizon)
    return card.slices.filter(chosen).sort("place").to_dicts()


def test_coverage_by_hour_is_that_of_the_slices_with_its_interval(card: Scorecard, values: Values) -> None:
    chart = charts.coverage_by_hour(card, "NYCA")

    for horizon, look, shift in ((15, "near", -APART), (60, "far", APART)):
        rows = hours(card, horizon)
        drawn = values(chart, f"{horizon} min", look)
        assert drawn == [pytest.approx((row["place"] + shift, row["coverage_80"]), abs=1e-5) for row in rows]
        told = [row for row in rows if row["coverage_80_low"] is not None]
        assert values(chart, "", look) == [
            pytest.approx((row["place"] + shift, row["coverage_80_low"], row["coverage_80_high"]), abs=1e-5)
            for row in told
        ]
    assert (chart.guide, chart.y[0] <= LOWEST, len(chart.axis.labels)) == (0.8, True, 24)


def test_errors_by_hour_are_in_the_unit_of_the_region(card: Scorecard, values: Values) -> None:
    drawn = values(charts.error_by_hour(replace(card, unit="GW"), "NYCA"), "60 min")

    assert [y for _, y in drawn] == pytest.approx([row["MAE"] / 1000 for row in hours(card, 60)], abs=1e-5)


def test_hours_of_few_days_are_left_out(card: Scorecard, values: Values) -> None:
    few = card.slices.with_columns(days=pl.when(pl.col("place") == 7).then(2).otherwise("days"))

    drawn = values(charts.coverage_by_hour(replace(card, slices=few), "NYCA"), "60 min")

    assert {round(x) for x, _ in drawn} == set(range(24)) - {7}


def test_a_single_horizon_is_in_the_middle_of_its_hour(card: Scorecard, values: Values) -> None:
    one = replace(card, slices=card.slices.filter(pl.col("horizon_min") == 60))

    chart = charts.coverage_by_hour(one, "NYCA")

    assert [mark.look for mark in chart.marks] == ["far", "far"]
    assert values(chart, "60 min")[0][0] == 0.0


def test_days_are_whole_and_have_their_coverage_and_error(card: Scorecard, values: Values) -> None:
    coverage, error = charts.coverage_by_day(card, "NYCA"), charts.error_by_day(card, "NYCA", 60)
    table = whole_days(card.by_day, "NYCA", 60)

    assert [y for _, y in values(coverage, "60 min")] == pytest.approx(table["coverage_80"].to_list(), abs=1e-4)
    assert values(error, "model") == [pytest.approx(pair) for pair in enumerate(table["MAE"])]
    assert values(error, "persistence") == [pytest.approx(pair) for pair in enumerate(table["MAE_persistence"])]
    # The nine days from Monday, 28 October; the hours of the night before are no day.
    assert coverage.axis.labels[0] == error.axis.labels[0] == "Mon 28 Oct 2019"
    assert len(table) == len(error.axis.labels) == 9
    assert [tick.text for tick in error.axis.ticks] == ["28 Oct", "04 Nov"]
    assert [tick.percent for tick in error.axis.ticks] == pytest.approx([100 * 0.5 / 9, 100 * 7.5 / 9])
