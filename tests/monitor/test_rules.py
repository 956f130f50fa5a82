"""Which value is too much: limits, dead bands, and the sentence with its action."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from power_nowcast.bundle.watch import LIMITS, WatchLimits
from power_nowcast.bundle.windows import DAY, THREE_DAYS, WEEK
from power_nowcast.contracts import QUANTILES
from power_nowcast.live.nowcaster import Nowcast, Quality
from power_nowcast.monitor import rules
from power_nowcast.monitor.numbers import MEASURED
from power_nowcast.monitor.rules import ACTIONS, Finding, ahead, change, findings, late_zones
from tests.live.test_loop import REGION

NONE = WatchLimits((30, 60), LIMITS.to_frame())
LOSS_LIMITS = WatchLimits(
    (30, 60),
    pl.DataFrame(
        [
            ("loss", "ALL", None, DAY, 0.6, 0.8),
            ("loss", "N.E.", None, DAY, 0.7, 1.0),
            ("coverage", "ALL", None, WEEK, 0.8, 0.76),
            ("bias", "ALL", 2, WEEK, 0.1, 0.3),
        ],
        LIMITS,
        orient="row",
    ),
)


def measured(*rows: tuple[str, str, int | None, int, float]) -> pl.DataFrame:
    return pl.DataFrame([(*row, 1) for row in rows], MEASURED, orient="row")


def state(told: list[Finding], alarm: str) -> tuple[bool, bool]:
    (one,) = [each for each in told if each.alarm == alarm]
    return one.is_beyond, one.is_back


def test_an_age_is_too_much_by_the_regions_own_interval_and_delays() -> None:
    """Every 30 minutes: two intervals and a half without a nowcast, three intervals without a value."""
    told = findings(measured(("age", "nowcast", None, 0, 76), ("age", "power", None, 0, 90)), REGION, None)
    assert state(told, rules.NO_NOWCAST) == (True, False)
    assert state(told, "late data: power") == (False, True)
    told = findings(measured(("age", "nowcast", None, 0, 75), ("age", "power", None, 0, 91)), REGION, None)
    assert state(told, rules.NO_NOWCAST) == (False, True)
    assert state(told, "late data: power") == (True, False)
    (late,) = [one for one in told if one.alarm == "late data: power"]
    assert late.text == (
        "The newest data of power are 91 minutes old; 90 are the most. Ask the publisher's server: nowcast data status."
    )


def test_a_zone_that_does_not_change_for_four_intervals_stands_still() -> None:
    told = findings(measured(("age", "N.E.", None, 0, 120), ("age", "SOUTH 1", None, 0, 90)), REGION, None)
    assert state(told, rules.STILL) == (True, False)
    (one,) = [each for each in told if each.alarm == rules.STILL]
    assert one.what == "The value does not change: N.E. for 120 minutes."
    told = findings(measured(("age", "N.E.", None, 0, 90)), REGION, None)
    assert state(told, rules.STILL) == (False, True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.81, (True, False)), (0.80, (False, False)), (0.79, (False, False)), (0.77, (False, True))],
)
def test_a_loss_is_back_only_inside_the_dead_band(value: float, expected: tuple[bool, bool]) -> None:
    """Usual .6, limit .8: a tenth of the way back is .78."""
    told = findings(measured(("loss", "ALL", None, DAY, value)), REGION, LOSS_LIMITS)
    assert state(told, "loss of a day") == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.759, (True, False)), (0.763, (False, False)), (0.77, (False, True))]
)
def test_coverage_is_beyond_its_limit_below_it(value: float, expected: tuple[bool, bool]) -> None:
    told = findings(measured(("coverage", "ALL", None, WEEK, value)), REGION, LOSS_LIMITS)
    assert state(told, "coverage of a week") == expected


@pytest.mark.parametrize("value", [0.35, -0.35])
def test_a_bias_is_too_large_to_either_side(value: float) -> None:
    rows = measured(("bias", "ALL", 2, WEEK, value), ("bias", "ALL", 3, WEEK, 9.0))
    told = findings(rows, REGION, LOSS_LIMITS)
    assert state(told, "bias of a week") == (True, False), "the other block has no limit"
    (one,) = [each for each in told if each.alarm == "bias of a week"]
    assert one.what == f"Bias of a week: ALL at 08-12 o'clock {value:.2f} (usual 0.10, limit 0.30)."


def test_one_alarm_tells_of_every_series_beyond_its_limit() -> None:
    rows = measured(("loss", "ALL", None, DAY, 0.9), ("loss", "N.E.", None, DAY, 1.3))
    (one,) = [each for each in findings(rows, REGION, LOSS_LIMITS) if each.alarm == "loss of a day"]
    assert one.what == ("Loss of a day: N.E. 1.30 (usual 0.70, limit 1.00); ALL 0.90 (usual 0.60, limit 0.80)."), (
        "the furthest beyond its limit first"
    )
    assert one.delay == timedelta(minutes=90)


def test_a_version_without_limits_has_no_alarm_of_figures() -> None:
    rows = measured(("loss", "ALL", None, DAY, 9.0))
    assert {one.alarm for one in findings(rows, REGION, None)} == {rules.STILL, rules.WITHHELD}


def test_shares_and_counts() -> None:
    rows = measured(
        ("fresh", "", None, 180, 0.4),
        ("fresh", "", None, DAY, 0.1),
        ("fresh", "persistence", None, 180, 0.3),
        ("fresh", "operator forecast", None, 180, 0.25),
        ("withheld", "N.E.", None, 180, 3.0),
        ("loop", "", None, 180, 901.0),
        ("heartbeat", "", None, 0, 76.0),
    )
    told = findings(rows, REGION, None)
    for alarm in (rules.STALE, rules.RULES, rules.WITHHELD, rules.SLOW, rules.HEARTBEAT):
        assert state(told, alarm) == (True, False)
    good = measured(
        ("fresh", "", None, 180, 1.0),
        ("fresh", "all inputs", None, 180, 1.0),
        ("loop", "", None, 180, 3.0),
        ("heartbeat", "", None, 0, 0.0),
    )
    told = findings(good, REGION, None)
    for alarm in (rules.STALE, rules.RULES, rules.WITHHELD, rules.SLOW, rules.HEARTBEAT):
        assert state(told, alarm) == (False, True)


def nowcast(minute: int, median: tuple[float, float], half: float = 10.0, origin: float = 1000.0) -> Nowcast:
    """Of one series and the steps of 30 and 60 minutes: a band of 80 % of `half` MW to each side."""
    spread = np.array([-2, -1, -0.5, 0, 0.5, 1, 2]) * half
    return Nowcast(
        region="toy",
        issue_time=np.datetime64("2024-05-01T12:00", "m") + np.timedelta64(minute, "m"),
        series=("ALL",),
        steps_minutes=(30, 60),
        quantiles=QUANTILES,
        values=(np.array(median)[:, None] + spread)[None],
        origin_mw=np.array([origin]),
        age_minutes=np.zeros(1),
        quality=(Quality.FULL,),
        flags=(),
        model_digest="d",
        calibration_id="c",
    )


def test_a_change_is_told_in_widths_of_the_band_before() -> None:
    """For 13:00 it said 1020 MW, 20 MW wide, and says 1050 MW now."""
    before, after = nowcast(0, (1010, 1020)), nowcast(30, (1050, 1060))
    assert change(before, after, 0, (30, 60)) == pytest.approx(1.5)
    assert change(before, after, 0, (60,)) is None, "the limits are of other steps"
    assert change(before, nowcast(60, (1050, 1060)), 0, (30, 60)) is None, "they have no moment in common"
    assert change(before, replace(after, series=("OTHER",)), 0, (30, 60)) is None


def test_a_large_ramp_and_a_changed_forecast_are_told_ahead() -> None:
    limits = WatchLimits(
        (30, 60),
        pl.DataFrame(
            [
                ("rise", "ALL", None, 60, 100.0, 200.0),
                ("fall", "ALL", None, 60, 100.0, 150.0),
                ("change", "ALL", None, 0, 0.1, 1.4),
            ],
            LIMITS,
            orient="row",
        ),
    )
    before = nowcast(0, (1010, 1020))
    assert state(ahead(nowcast(30, (1050, 1199)), before, REGION, limits), rules.RAMP) == (False, False)
    assert state(ahead(nowcast(30, (1030, 1060)), before, REGION, limits), rules.RAMP) == (False, True)
    found = ahead(nowcast(30, (1050, 840)), before, REGION, limits)
    assert state(found, rules.RAMP) == (True, False)
    assert state(found, rules.CHANGED) == (True, False)
    assert [one.what for one in found] == [
        "ALL falls by 160 MW in 60 minutes; one day in thirty has more than 150.",
        "ALL: a forecast changed by 1.5 widths of its band of 80 %; 1.4 are the most.",
    ]
    assert ahead(nowcast(30, (1050, 840)), before, REGION, NONE) == []
    gone = replace(before, values=np.full_like(before.values, np.nan))
    assert ahead(gone, None, REGION, limits) == []


def test_a_model_that_has_learnt_nothing_for_three_quarters_of_a_year_is_old() -> None:
    told = findings(measured(("age", "model", None, 0, 271 * DAY)), REGION, NONE)
    assert state(told, rules.OLD) == (True, False)
    (one,) = [each for each in told if each.alarm == rules.OLD]
    assert one.what == "The model has learnt nothing of the last 271 days; 270 are the most."
    assert state(findings(measured(("age", "model", None, 0, 269 * DAY)), REGION, NONE), rules.OLD) == (False, True)


def test_the_coverage_of_all_series_together_has_an_alarm_of_its_own() -> None:
    limits = WatchLimits((30, 60), pl.DataFrame([("coverage", "", None, THREE_DAYS, 0.8, 0.73)], LIMITS, orient="row"))
    told = findings(measured(("coverage", "", None, THREE_DAYS, 0.7)), REGION, limits)
    assert state(told, "coverage of three days") == (True, False)
    (one,) = [each for each in told if each.alarm == "coverage of three days"]
    assert one.what == "Coverage of three days: all series 0.70 (usual 0.80, limit 0.73)."


@pytest.mark.parametrize(
    ("value", "expected"), [(1.61, (True, False)), (1.50, (False, False)), (1.45, (False, True)), (0.4, (False, True))]
)
def test_a_zone_is_late_beyond_its_own_limit(value: float, expected: tuple[bool, bool]) -> None:
    """Usual .4, limit 1.6: a tenth of the way back is 1.48."""
    rows = [("lateness", "N.E.", None, 960, 0.4, 1.6), ("lateness", "SOUTH 1", None, 960, 0.3, 4.0)]
    limits = WatchLimits((30, 60), pl.DataFrame(rows, LIMITS, orient="row"))
    told = late_zones({"N.E.": value, "SOUTH 1": 1.4}, limits)
    assert state(told, rules.SHIFTED) == expected
    if value > 1.6:
        assert told[0].what == (
            "N.E.: the last 16 hours fit the other zones 1.6 times better as of an hour before; 1.6 times are the most."
        )


def test_zones_without_a_limit_or_a_figure_are_not_told() -> None:
    limits = WatchLimits((30, 60), pl.DataFrame([("lateness", "N.E.", None, 960, 0.4, 1.6)], LIMITS, orient="row"))
    assert late_zones({"SOUTH 1": 9.0}, limits) == []
    assert late_zones({}, limits) == []
    assert late_zones({"N.E.": 9.0}, NONE) == []


def test_every_alarm_has_one_action() -> None:
    names = {rules.NO_NOWCAST, rules.HEARTBEAT, rules.LATE, rules.STALE, rules.RULES, rules.SLOW, rules.WITHHELD}
    assert set(ACTIONS) == names | set(rules.FIGURES.values()) | {
        rules.STILL,
        rules.SHIFTED,
        rules.OLD,
        rules.RAMP,
        rules.CHANGED,
    }
    assert all(text.endswith(".") and text.count(". ") == 0 for text in ACTIONS.values())
