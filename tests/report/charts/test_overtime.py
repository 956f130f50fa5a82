"""overtime: the days and the fan as they were, in local time."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.report import charts
from tests.report.charts.conftest import Values


def targets(backtest: Backtest, first: str, last: str) -> np.ndarray:
    target = backtest.nowcasts.issue_times + np.timedelta64(60, "m")
    return (target >= np.datetime64(first)) & (target < np.datetime64(last))


def test_a_day_shows_the_nowcasts_and_outcomes_of_its_local_hours(backtest: Backtest, values: Values) -> None:
    chart = charts.days(backtest, "NYCA", 60, date(2019, 11, 2), 1, title="A day")
    chosen = targets(backtest, "2019-11-02T04:00", "2019-11-03T04:00")

    minutes = 30.0 * np.arange(48)
    outcome, median = backtest.actual[chosen, 0, 3], backtest.nowcasts.values[chosen, 0, 3, 3]
    assert values(chart, "actual") == [pytest.approx(pair, abs=1) for pair in zip(minutes, outcome, strict=True)]
    assert values(chart, "nowcast") == [pytest.approx(pair, abs=1) for pair in zip(minutes, median, strict=True)]
    band = values(chart, "80 %")
    assert band[:48] == [
        pytest.approx(pair, abs=1) for pair in zip(minutes, backtest.nowcasts.values[chosen, 0, 3, 5], strict=True)
    ]
    assert band[:47:-1] == [
        pytest.approx(pair, abs=1) for pair in zip(minutes, backtest.nowcasts.values[chosen, 0, 3, 1], strict=True)
    ]
    assert chart.axis.start == datetime(2019, 11, 2, 4, tzinfo=UTC).timestamp()
    assert chart.axis.ends == (0, 1440)


def test_a_relative_day_is_measured_from_the_nowcast(backtest: Backtest, values: Values) -> None:
    chart = charts.days(backtest, "NYCA", 60, date(2019, 11, 2), 1, title="A day", relative=True)
    chosen = targets(backtest, "2019-11-02T04:00", "2019-11-03T04:00")

    median = backtest.nowcasts.values[chosen, 0, 3, 3]
    assert {y for _, y in values(chart, "nowcast")} == {0.0}
    assert [y for _, y in values(chart, "actual")] == pytest.approx(backtest.actual[chosen, 0, 3] - median, abs=1)
    upper = backtest.nowcasts.values[chosen, 0, 3, 5] - median
    assert [y for _, y in values(chart, "80 %")][:48] == pytest.approx(upper, abs=1)


def test_the_day_of_the_clock_change_has_25_hours(backtest: Backtest) -> None:
    chart = charts.days(backtest, "NYCA", 60, date(2019, 11, 3), 1, title="A day")

    assert chart.axis.ends == (0, 1500)
    # Local 03:00 comes four hours after midnight on that day.
    assert [tick.percent for tick in chart.axis.ticks if tick.text == "03:00"] == [pytest.approx(100 * 240 / 1500)]


def test_several_days_have_their_midnights(backtest: Backtest) -> None:
    chart = charts.days(backtest, "NORTH", 60, date(2019, 11, 1), 4, title="Days")

    assert [tick.text for tick in chart.axis.ticks] == ["Fri 01 Nov", "Sat 02 Nov", "Sun 03 Nov", "Mon 04 Nov"]
    assert "2019-11-01 to 2019-11-04" in chart.about


def test_the_fan_is_the_last_nowcast_with_its_outcomes(backtest: Backtest, values: Values) -> None:
    chart = charts.fan(backtest, "NYCA")

    assert chart is not None
    last = backtest.nowcasts.values[-1, 0]
    assert values(chart, "nowcast")[0] == (240.0, pytest.approx(backtest.at_issue[-1, 0], abs=1))
    assert [y for _, y in values(chart, "nowcast")][1:] == pytest.approx(last[:, 3], abs=1)
    assert values(chart, "outcome") == [
        (240.0 + step, pytest.approx(backtest.actual[-1, 0, n], abs=1)) for n, step in enumerate((15, 30, 45, 60))
    ]
    assert values(chart, "actual")[-1] == (240.0, pytest.approx(backtest.at_issue[-1, 0], abs=1))
    assert "issued Tue 05 Nov 2019 18:30" in chart.about


def test_nothing_answered_has_no_fan_and_empty_days(empty_backtest: Backtest) -> None:
    assert charts.fan(empty_backtest, "NYCA") is None
    chart = charts.days(empty_backtest, "NYCA", 60, date(2019, 10, 28), 1, title="A day")
    assert {mark.name: bool(mark.path) for mark in chart.marks} == {
        "90 %": False,
        "80 %": False,
        "50 %": False,
        "nowcast": False,
        "actual": True,
    }


def test_units_are_those_of_the_region(backtest: Backtest, values: Values) -> None:
    region = backtest.region.model_copy(update={"unit": "GW"})
    mw, gw = (
        charts.days(one, "NYCA", 60, date(2019, 11, 2), 1, title="A day")
        for one in (backtest, replace(backtest, region=region))
    )

    assert values(gw, "actual")[5][1] == pytest.approx(values(mw, "actual")[5][1] / 1000, abs=0.001)
