"""terminal: 80 columns, figures of the tables, and a fan whose signs stand where the numbers are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from power_nowcast.contracts import QUANTILES
from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard, scorecard
from power_nowcast.regions import load
from power_nowcast.report.terminal import ACTUAL, MEDIAN, NOW, SHADES, Fan, draw_fan, summary

ISSUE = np.datetime64("2019-11-03T06:30", "m")  # half past one in New York, the second time
STEPS = tuple(range(5, 61, 5))
Z = np.array([-2.0, -1.5, -0.7, 0.0, 0.7, 1.5, 2.0])


def _fan(level: float = 18_000.0, spread: float = 100.0, noise: int = 0) -> Fan:
    ages = np.arange(-180, 1, 5)
    actual = level + spread * np.sin(ages / 40) + np.random.default_rng(noise).normal(size=len(ages))
    values = level + spread * np.sqrt(np.array(STEPS) / 60)[:, None] * Z
    return Fan(load("nyiso"), "NYCA", ISSUE + ages.astype("timedelta64[m]"), actual, ISSUE, STEPS, values, QUANTILES)


def _text(drawn: RenderableType, width: int = 80) -> str:
    console = Console(width=width, no_color=True, legacy_windows=False, _environ={})
    with console.capture() as captured:
        console.print(drawn)
    return captured.get()


def test_the_summary_fits_80_columns_and_holds_the_figures(card: Scorecard) -> None:
    text = _text(summary(card))

    assert max(map(len, text.splitlines())) <= 80
    for horizon in card.steps_minutes:
        row = card.row("NYCA", horizon)
        line = next(line for line in text.splitlines() if line.strip().startswith(f"{horizon} min"))
        assert f"{row['MAPE']:.2f} %" in line
        assert f"{100 * float(row['coverage_80'] or 0):.0f} %" in line
        assert f"{100 * float(row['skill_persistence'] or 0):.0f} %" in line


def test_the_summary_of_poor_data_has_dashes(poor_backtest: Backtest) -> None:
    text = _text(summary(scorecard(poor_backtest)))

    assert "\N{EN DASH}" in next(line for line in text.splitlines() if line.strip().startswith("45 min"))


def test_the_fan_shows_the_past_now_and_the_bands_in_order() -> None:
    lines = _text(draw_fan(_fan())).splitlines()
    plot = lines[1:-2]

    assert max(map(len, lines)) <= 80
    assert "18,000 MW, 80 % within 17,850 to 18,150" in lines[0]
    now = {line.index(NOW) for line in plot if NOW in line}  # the last observation stands on the line
    assert len(now) == 1
    column = now.pop()
    assert not any(ACTUAL in line[column + 1 :] for line in plot)
    assert any(ACTUAL in line[:column] for line in plot)
    # At the far end, from top to bottom: 90, 80, 50, the median, and back.
    signs = [line.ljust(80)[len(max(plot, key=len)) - 1] for line in plot]
    order = [sign for i, sign in enumerate(signs) if sign != " " and (i == 0 or sign != signs[i - 1])]
    assert order == [SHADES[90], SHADES[80], SHADES[50], MEDIAN, SHADES[50], SHADES[80], SHADES[90]]


def test_hours_are_local_also_in_the_night_of_the_clock_change() -> None:
    hours = _text(draw_fan(_fan())).splitlines()[-2].split()

    assert hours == ["23:30", "00:30", "01:30", "01:30", "02:30"]


def test_a_gap_in_the_data_stays_a_gap() -> None:
    fan = _fan()
    hole = (fan.times > ISSUE - np.timedelta64(120, "m")) & (fan.times < ISSUE - np.timedelta64(60, "m"))

    def columns(one: Fan) -> int:
        plot = _text(draw_fan(one)).splitlines()[1:-2]
        return len({i for line in plot for i, sign in enumerate(line) if sign == ACTUAL})

    whole, broken = columns(fan), columns(replace(fan, actual=np.where(hole, np.nan, fan.actual)))
    assert broken < 0.8 * whole


def test_load_far_from_the_fan_is_marked_at_the_edge() -> None:
    fan = _fan()
    high = fan.actual + np.where(fan.times < ISSUE - np.timedelta64(90, "m"), 5000.0, 0.0)

    first = _text(draw_fan(replace(fan, actual=high))).splitlines()[1]

    assert "\N{BLACK UP-POINTING SMALL TRIANGLE}" in first


def test_plain_signs_are_ascii() -> None:
    text = _text(draw_fan(_fan(), ascii_only=True))

    assert text.isascii()
    assert {"o", "=", ".", ":", "#", "|"} <= set(text)


def test_half_hourly_data_are_drawn_as_a_line() -> None:
    fan = _fan()
    values = np.stack([fan.values[5], fan.values[11]])
    coarse = replace(fan, times=fan.times[::6], actual=fan.actual[::6], steps_minutes=(30, 60), values=values)

    plot = _text(draw_fan(coarse)).splitlines()[1:-2]

    filled = {i for line in plot for i, sign in enumerate(line) if sign == ACTUAL}
    assert len(filled) >= 50


def test_no_nowcast_is_said(backtest: Backtest) -> None:
    fan = _fan()

    assert "no nowcast at 01:30" in _text(draw_fan(replace(fan, values=np.full_like(fan.values, np.nan))))


@given(
    st.floats(-1e5, 1e5, allow_nan=False), st.floats(0, 1e4, allow_nan=False), st.integers(0, 100), st.integers(50, 120)
)
def test_any_load_fits_the_width(level: float, spread: float, noise: int, width: int) -> None:
    lines = _text(draw_fan(_fan(level, spread, noise), width=width), width=max(80, width)).splitlines()

    assert len(lines) >= 17
    assert max(len(line.rstrip()) for line in lines[1:-1]) <= width


@pytest.mark.parametrize("level", [0.0, 5e-324])
def test_a_flat_zero_is_drawn(level: float) -> None:
    fan = _fan()
    flat = replace(fan, actual=np.full_like(fan.actual, level), values=np.full_like(fan.values, level))

    assert MEDIAN in _text(draw_fan(flat))


def test_a_feeder_is_told_in_its_unit_and_its_digits() -> None:
    fan = _fan(level=0.3, spread=0.008)
    region = fan.region.model_copy(update={"unit": "kW"})

    lines = _text(draw_fan(replace(fan, region=region, actual=fan.actual * 0 + 0.3))).splitlines()

    assert "300 kW, 80 % within 288 to 312" in lines[0]
    labels = [line.split()[0] for line in lines[1:-2] if line[:1].strip()]
    assert len(set(labels)) == len(labels) >= 5
    assert all(280 < float(label) < 320 for label in labels)


def test_no_two_labels_of_a_small_load_are_equal() -> None:
    fan = _fan(level=1.3, spread=0.02)

    lines = _text(draw_fan(replace(fan, actual=fan.actual * 0 + 1.3))).splitlines()

    assert "1.300 MW, 80 % within 1.270 to 1.330" in lines[0]
    labels = [line.split()[0] for line in lines[1:-2] if line[:1].strip()]
    assert len(set(labels)) == len(labels) >= 5
