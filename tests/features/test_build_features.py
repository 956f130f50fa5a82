"""Issue times between the slots, late data, and outcomes: what the kernel is told beside the panel."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from power_nowcast.bundle.outcomes import at_knots
from power_nowcast.contracts import Panel, Table
from power_nowcast.errors import ConfigurationError, UnknownSeriesError
from power_nowcast.features.build_features import build, horizons_of, targets
from power_nowcast.features.panel import assemble
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.features.state import MAX_AGE_MINUTES
from tests.features.history import DAYS, MODEL_WINDOW, SPEC, START, STEP, bulk, past, region

SLOW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MINUTES = st.lists(st.integers(9 * 1440, DAYS * 1440 - 120), min_size=1, max_size=5, unique=True)


def minute(time: datetime) -> np.datetime64:
    return np.datetime64(time.replace(tzinfo=None), "m")


def deleted(frames: dict[Table, pl.DataFrame], at: datetime) -> Panel:
    """A panel of the rows that were there at `at`, ending with the newest slot by then."""
    known = {table: frame.filter(pl.col("available_at") <= at) for table, frame in frames.items()}
    end = START + (at - START) // STEP * STEP
    return assemble(region(), known, max(START, end - MODEL_WINDOW - timedelta(days=1)), end, known_at=at)


@pytest.fixture(scope="module")
def calm() -> Panel:
    return bulk(past(51, gaps=0, late=0, corrections=0))


@SLOW
@given(seed=st.integers(0, 1000), minutes=MINUTES, delay=st.sampled_from([0, 7, 30, 45]))
def test_any_minute_and_delay_sees_what_was_there(seed: int, minutes: list[int], delay: int) -> None:
    frames = past(seed, gaps=30, late=60, corrections=40)
    issues = [START + timedelta(minutes=m) for m in minutes]
    panel = bulk(frames, delay)
    together = build(panel, region(), np.array([minute(t) for t in issues]), SPEC, delay_minutes=delay)
    for n, issue in enumerate(issues):
        alone = build(deleted(frames, issue), region(), np.array([minute(issue)]), SPEC, delay_minutes=delay)
        for one, other in (
            (together.x[n], alone.x[0]),
            (together.origin_mw[n], alone.origin_mw[0]),
            (together.age_minutes[n], alone.age_minutes[0]),
        ):
            assert np.array_equal(one, other, equal_nan=True)


def test_the_first_slots_of_a_panel_are_origins(calm: Panel) -> None:
    power = calm.power.values.copy()
    power[2:4] = np.nan
    first = build(replace(calm, power=replace(calm.power, values=power)), region(), calm.times[:4], SPEC)
    assert first.age_minutes.tolist() == [[age] * len(first.series) for age in (0, 0, 30, 60)]
    np.testing.assert_array_equal(first.origin_mw, power[[0, 1, 1, 1]])


@pytest.mark.parametrize("late", [0, 1, 29, 30, 179, 180, 181, 195, 209, 210, 400])
def test_an_origin_is_at_most_three_hours_old_at_every_minute(calm: Panel, late: int) -> None:
    power = calm.power.values.copy()
    power[601:] = np.nan
    issue = calm.times[[600]] + np.timedelta64(late, "m")
    block = build(replace(calm, power=replace(calm.power, values=power)), region(), issue, SPEC)
    if late <= MAX_AGE_MINUTES:
        assert (block.age_minutes == late).all()
        assert np.array_equal(block.origin_mw[0], power[600])
    else:
        assert np.isnan(block.age_minutes).all()
        assert np.isnan(block.origin_mw).all()
        assert np.isnan(block.x).all()


@pytest.mark.parametrize("past_slot", [0, 1, 7, 15, 29])
@pytest.mark.parametrize("delay", [0, 10, 60])
def test_outcomes_lie_whole_knots_after_the_origin(calm: Panel, past_slot: int, delay: int) -> None:
    issue = calm.times[[600]] + np.timedelta64(past_slot, "m")
    block = build(calm, region(), issue, SPEC, delay_minutes=delay)
    origin = 600 - max(0, -(-(delay - past_slot) // 30))
    assert np.array_equal(block.origin_mw[0], calm.power.values[origin])
    expected = calm.power.values[[origin + knot // 30 for knot in SPEC.knots]].T
    assert np.array_equal(targets(calm, region(), block, SPEC.knots)[0], expected)
    assert np.array_equal(at_knots(calm, region(), block, SPEC.knots, delay)[0][0], expected)


def test_outcomes_beyond_the_panel_are_unknown(calm: Panel) -> None:
    block = build(calm, region(), calm.times[[-2]], SPEC)
    outcome = targets(calm, region(), block, SPEC.knots)[0]
    assert np.isfinite(outcome[:, 0]).all()
    assert np.isnan(outcome[:, 1:]).all()


def test_outcomes_count_corrections(calm: Panel) -> None:
    frames = past(52, gaps=0, late=0, corrections=6)
    panel = bulk(frames)
    newest = frames[Table.POWER].sort("available_at").unique(["series", "valid_at"], keep="last")
    block = build(panel, region(), panel.times[9 * 48 : -4], SPEC, series=["B"])
    outcome = targets(panel, region(), block, (30,))[:, 0, 0]
    held = dict(newest.filter(pl.col("series") == "B").select("valid_at", "value").rows())
    expected = [held[START + (9 * 48 + n + 1) * STEP] for n in range(len(outcome))]
    assert outcome.tolist() == expected
    assert not np.array_equal(outcome, panel.power.values[9 * 48 + 1 : -3, 2])


def test_the_chosen_series_have_the_features_that_they_have_among_all(calm: Panel) -> None:
    issues = calm.times[600:603]
    every, some = build(calm, region(), issues, SPEC), build(calm, region(), issues, SPEC, series=["B", "ALL"])
    assert some.series == ("B", "ALL")
    assert np.array_equal(some.x, every.x[:, [2, 0]], equal_nan=True)
    with pytest.raises(UnknownSeriesError):
        build(calm, region(), issues, SPEC, series=["C"])


def test_no_issue_time_and_times_outside_of_the_panel(calm: Panel) -> None:
    assert build(calm, region(), np.empty(0, "datetime64[m]"), SPEC).x.shape[0] == 0
    outside = np.array([calm.start - np.timedelta64(1, "D"), calm.end + np.timedelta64(1, "D")])
    assert np.isnan(build(calm, region(), outside, SPEC).x).all()


def test_an_issue_time_does_not_depend_on_those_beside_it() -> None:
    panel = bulk(past(53, gaps=30, late=60, corrections=40))
    issues = panel.times[10 * 48 : 12 * 48]
    together = build(panel, region(), issues, SPEC)
    for n in range(0, len(issues), 17):
        assert np.array_equal(build(panel, region(), issues[[n]], SPEC).x[0], together.x[n], equal_nan=True)


def test_names_are_unique_and_tell_their_horizon() -> None:
    panel = bulk(past(32))
    block = build(panel, region(), panel.times[[700]], SPEC)
    assert len(set(block.names)) == len(block.names)
    assert block.horizons == horizons_of(block.names)
    assert set(block.horizons) == {0, *SPEC.knots}


def test_families_without_data_give_no_columns() -> None:
    panel = bulk(past(33))
    lean = FeatureSpec.for_interval(30, days=(1, 7), type_days=(7,), analog_days=7, weather=False, forecast=False)
    names = build(panel, region(), panel.times[[700]], lean).names
    assert not [name for name in names if name.startswith(("operator", "K."))]


def test_spans_off_the_grid_are_refused() -> None:
    panel = bulk(past(34))
    with pytest.raises(ConfigurationError, match="no multiple"):
        build(panel, region(), panel.times[[700]], FeatureSpec())
