"""The first slots that a feature can read, the last that a panel keeps, and codes that models have learnt."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from power_nowcast.contracts import VALUES, Panel, Patches, Table
from power_nowcast.features.build_features import build
from power_nowcast.features.local_time import local_slots
from power_nowcast.features.panel import FORECAST_REACH, assemble
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.workers import PARALLEL_FROM
from tests.features.history import SPEC, START, STEP, bulk, past, region, rich_past, rich_region, rows

NOTHING = VALUES.to_frame()


@pytest.fixture(scope="module")
def calm() -> Panel:
    return bulk(past(51, gaps=0, late=0, corrections=0))


def features_at(panel: Panel, slot: int, series: str = "A") -> dict[str, float]:
    block = build(panel, region(), panel.times[[slot]], SPEC, series=[series])
    return dict(zip(block.names, block.x[0, 0], strict=True))


@pytest.mark.parametrize("lag", SPEC.lags)
def test_a_ramp_is_known_as_soon_as_there_are_two_values(calm: Panel, lag: int) -> None:
    slot, load = lag // 30, calm.power.values
    assert np.isnan(features_at(calm, slot - 1)[f"ramp_{lag}m"])
    assert features_at(calm, slot)[f"ramp_{lag}m"] == np.float32(load[slot, 1] - load[0, 1])


@pytest.mark.parametrize("lag", SPEC.neighbour_lags)
def test_so_is_that_of_another_series(calm: Panel, lag: int) -> None:
    slot, load = lag // 30, calm.power.values
    assert np.isnan(features_at(calm, slot - 1)[f"ramp_{lag}m[B]"])
    assert features_at(calm, slot)[f"ramp_{lag}m[B]"] == np.float32(load[slot, 2] - load[0, 2])


def test_ramps_that_the_operator_missed_are_known_from_the_second_day_on() -> None:
    frames = past(51, gaps=0, late=0, corrections=0)
    missed = [f"operator_missed_{name}_h{knot}" for name in ("day1", "week") for knot in SPEC.knots]
    for slots, is_known in ((48, False), (49, True)):
        panel = assemble(region(), frames, START, START + (slots - 1) * STEP, known_at=START)
        found = features_at(panel, slots - 1)
        assert [np.isfinite(found[name]) for name in missed] == [is_known] * len(missed)


def test_every_day_has_the_code_of_its_kind() -> None:
    """Independence Day 2024 is a Thursday: a bridge, a Saturday, a Sunday and a workday follow."""
    local = local_slots(region(), np.datetime64("2024-07-03T16:00", "m"), 6 * 48, 30)
    assert local.day_type[::48].tolist() == [0, 3, 1, 2, 3, 0]
    assert local.weekday[::48].tolist() == [3, 4, 5, 6, 7, 1]


def test_spans_of_days_are_those_that_models_have_learnt() -> None:
    assert FeatureSpec().type_days == FeatureSpec.for_interval(15).type_days == (14, 28, 42)
    assert FeatureSpec().days == (1, 2, 3, 4, 5, 6, 7, 8, 14, 21, 28)
    assert FeatureSpec().reach_days == 42


@pytest.mark.parametrize("end", [START + timedelta(days=1), START + timedelta(days=1, minutes=30)])
def test_forecasts_are_kept_as_far_as_they_reach_and_no_slot_further(end: datetime) -> None:
    frames, _ = rich_past(1)
    panel = assemble(rich_region(), frames, START, end, known_at=START)
    reach = panel.end + np.timedelta64(FORECAST_REACH)
    for grid in (panel.forecast, panel.weather_forecast):
        assert grid.step_minutes == 60
        assert reach - np.timedelta64(60, "m") < grid.end <= reach


@pytest.mark.parametrize(
    ("seconds", "minutes"), [((450, 600), 8), ((480, 600), 8), ((481, 600), 9), ((0, 600), 0), ((-60, 600), 0)]
)
def test_power_that_always_comes_late_delays_the_panel_by_whole_minutes(seconds: tuple[int, ...], minutes: int) -> None:
    """By the least of all, rounded up; what was known before its time delays nothing."""
    power = [
        ("A", START + n * STEP, 1000.0, START + n * STEP + timedelta(seconds=late), "written")
        for n, late in enumerate(seconds)
    ]
    frames = {Table.POWER: rows(power), Table.FORECAST: NOTHING, Table.WEATHER: NOTHING}
    panel = assemble(region(), frames, START, START + STEP, known_at=START + timedelta(days=1))
    assert panel.delay_minutes == minutes


@pytest.mark.parametrize(("smooth", "is_found"), [(23, True), (24, False)])
def test_a_line_shows_in_a_day_of_which_half_is_rugged(smooth: int, is_found: bool) -> None:
    """Of 46 values with two neighbours those on the line lie midway; the others lie off by 9.5 MW and more, where the
    rounding is 1. The median is between the two halves, or on the line.
    """
    line = [100.0 + 10 * n for n in range(smooth + 2)]
    jagged = [100.0, 120.0, 121.0, *[100.0, 120.0] * 24][: 48 - len(line)]
    power = [("A", START + n * STEP, value, START + n * STEP, "seen") for n, value in enumerate([*line, *jagged])]
    frames = {Table.POWER: rows(power), Table.FORECAST: NOTHING, Table.WEATHER: NOTHING}
    of = rich_region(features=["quality"])
    panel = assemble(of, frames, START, START + 47 * STEP, known_at=START, quarantine=None)
    block = build(panel, of, panel.times[[47]], SPEC, series=["A"])
    found = block.x[0, 0, block.names.index("minutes_since_interpolated")]
    assert found == ((47 - smooth) * 30 if is_found else 1440)


def test_threads_fill_every_series(calm: Panel, tmp_path: Path, work_in: Callable[..., Path]) -> None:
    """As many rows as are shared out among threads have the values that they have in parts too small for it."""
    work_in(tmp_path, NOWCAST_WORKERS="2")
    calm = replace(calm, patches=Patches.none())  # of one group: all issue times see the same grids
    issues = calm.times[400:600]
    assert len(issues) * 3 > PARALLEL_FROM > len(issues[:100]) * 3
    together = build(calm, region(), issues, SPEC)
    for part in (slice(0, 100), slice(100, 200)):
        alone = build(calm, region(), issues[part], SPEC)
        assert np.array_equal(together.x[part], alone.x, equal_nan=True)
