"""figures: what is drawn are the figures of the tables."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.report import charts
from power_nowcast.report.charts.chart import line
from power_nowcast.report.charts.figures import top_of
from tests.report.charts.conftest import Values


def test_errors_by_horizon_are_those_of_the_scorecard(card: Scorecard, values: Values) -> None:
    chart = charts.error_by_horizon(card, "NORTH")

    for name, which in (("model", "MAE"), ("persistence", "MAE_persistence")):
        expected = [(horizon, card.row("NORTH", horizon)[which]) for horizon in card.steps_minutes]
        assert values(chart, name) == [pytest.approx(pair) for pair in expected]
    assert chart.unit == "MW"
    assert [tick.text for tick in chart.axis.ticks] == ["15", "30", "45", "60"]
    assert [tick.percent for tick in chart.axis.ticks] == pytest.approx([0, 100 / 3, 200 / 3, 100])


def test_errors_are_told_in_the_unit_of_the_region(card: Scorecard, values: Values) -> None:
    mw, kw = (values(charts.error_by_horizon(replace(card, unit=unit), "NYCA"), "model") for unit in ("MW", "kW"))

    assert [y for _, y in kw] == pytest.approx([1000 * y for _, y in mw])


def test_skill_is_the_share_of_error_saved(card: Scorecard, values: Values) -> None:
    chart = charts.skill_by_horizon(card, "NYCA")

    drawn = dict(values(chart, "persistence"))
    assert drawn[60.0] == pytest.approx(card.row("NYCA", 60)["skill_persistence"], abs=1e-4)
    assert chart.y == (0.0, 1.0)


def test_reliability_is_the_share_below_minus_the_level(card: Scorecard, values: Values) -> None:
    chart = charts.reliability(card, "NYCA")

    table = card.reliability.filter((pl.col("series") == "NYCA") & (pl.col("horizon_min") == 60)).sort("level")
    expected = [(100 * level, share - level) for level, share in table.select("level", "share").iter_rows()]
    assert values(chart, "60 min") == [pytest.approx(pair, abs=1e-4) for pair in expected]
    assert chart.guide == 0.0


def test_residuals_are_shares_of_all_nowcasts(backtest: Backtest, values: Values) -> None:
    # Four residuals: -10, -10, 0 and 10 MW, all within 98.5 % of the largest.
    one = backtest.nowcasts
    actual = np.full_like(backtest.actual[:4], 100.0)
    quantiles = np.repeat(np.array([90.0, 90.0, 100.0, 110.0]), 2 * 4 * 7).reshape(4, 2, 4, 7)
    small = replace(
        backtest,
        nowcasts=replace(one, issue_times=one.issue_times[:4], values=quantiles),
        actual=actual,
        at_issue=backtest.at_issue[:4],
        baselines={},
        late={},
        late_baselines={},
    )

    chart = charts.residuals(small, "NYCA", 60)

    drawn = dict(values(chart, "model"))
    assert [drawn[x] for x in (0.0, 20.0, 40.0)] == [0.5, 0.25, 0.25]
    assert sum(drawn.values()) == 1.0
    assert (chart.axis.labels[0], chart.axis.labels[20]) == ("\N{MINUS SIGN}10 MW", "0 MW")


def test_a_line_far_above_the_others_leaves_the_chart() -> None:
    marks = [line(name, "model", [0], [high]) for name, high in (("a", 10.0), ("b", 20.0), ("c", 51.0), ("d", 130.0))]

    assert top_of(marks)[1] == "; above the chart: d"
    top, words = top_of(marks, of=1)
    assert (top, words) == (pytest.approx(21.0), "; above the chart: c, d")
    assert top_of(marks[:1]) == (pytest.approx(10.5), "")
    assert top_of([]) == (pytest.approx(1.05), "")
