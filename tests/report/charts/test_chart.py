"""chart: paths in the coordinates of the data, ticks, and the ends of axes."""

import pytest

from power_nowcast.report.charts.chart import (
    Axis,
    Chart,
    Tick,
    band,
    dots,
    line,
    reach,
    round_ticks,
    tick_text,
    whiskers,
)

NAN = float("nan")


def test_a_line_holds_its_values_upside_down_and_breaks_at_gaps() -> None:
    found = line("model", "model", [0, 5, 10, 15], [100.0, 101.26, NAN, -3.0], decimals=1)

    assert found.path == "M0 -100L5 -101.3M15 3"
    assert (found.low, found.high) == (-3.0, 101.26)


def test_a_band_has_one_part_on_each_side_of_a_gap() -> None:
    found = band("80 %", "b80", [0, 5, 10, 15], [1, 2, NAN, 4], [3, 4, 5, 6])

    assert found.path == "M0 -3L5 -4L5 -2L0 -1ZM15 -6L15 -4Z"
    assert (found.low, found.high) == (1.0, 6.0)


def test_dots_and_whiskers_leave_out_what_is_unknown() -> None:
    assert dots("", "far", [1, 2], [NAN, 0.25]).path == "M2 -0.25h0"
    assert whiskers("", "far", [1, 2], [0.5, NAN], [0.75, 1.0]).path == "M1 -0.5V-0.75"


def test_a_mark_without_values_is_empty() -> None:
    assert line("", "model", [0], [NAN]).path == band("", "b80", [0], [NAN], [1.0]).path == ""
    assert reach([line("", "model", [], [])]) == (pytest.approx(-0.05), pytest.approx(1.05))


def test_axes_show_every_mark_with_some_room() -> None:
    marks = [line("", "model", [0, 1], [10.0, 20.0]), line("", "actual", [0, 1], [0.0, 5.0])]

    assert reach(marks) == (-1.0, 21.0)
    assert reach(marks, floor=0.0) == (0.0, 21.0)
    low, high = reach([line("", "model", [0], [7.0])])
    assert low < 7 < high


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (13_700.0, 21_100.0, [14_000.0, 16_000.0, 18_000.0, 20_000.0]),
        (-0.0011, 0.0009, [-0.001, -0.0005, 0.0, 0.0005]),
    ],
)
def test_ticks_are_round_numbers_inside_the_axis(low: float, high: float, ticks: list[float]) -> None:
    assert round_ticks(low, high) == pytest.approx(ticks)


def test_ticks_stand_in_percent_from_the_top() -> None:
    chart = Chart("", "", "", (), Axis((0, 60), ()), (0.0, 1.0), "%")

    assert chart.y_ticks[0] == Tick(100.0, "0 %")
    assert chart.y_ticks[-1] == Tick(0.0, "100 %")
    assert chart.view_box == "0 -1 60 1"
    assert chart.grid.startswith("M0 0H60M0 -0.2H60")


def test_tick_texts_have_thousands_and_a_minus_sign() -> None:
    assert tick_text(-12_500.0, "MW") == "\N{MINUS SIGN}12,500"
    assert tick_text(0.1, "%") == "10 %"
