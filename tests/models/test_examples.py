from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.contracts import FeatureBlock, Panel
from power_nowcast.errors import MissingDataError
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.models.examples import PARTS, Examples, Split, days_with_data, from_frame, held_out_start, to_frame
from tests.toy import toy_panel, toy_region

SPEC = FeatureSpec.for_interval(30)
KNOTS = (30, 60)
SERIES = ("ALL", "N.E.", "SOUTH 1")


@pytest.fixture(scope="module")
def panel() -> Panel:
    return toy_panel(toy_region())


def _examples(issues: int, seed: int = 0, every: int = 30) -> Examples:
    rng = np.random.default_rng(seed)
    origin = rng.normal(1000, 10, size=(issues, 3))
    origin[rng.random((issues, 3)) < 0.1] = np.nan
    block = FeatureBlock(
        np.datetime64("2024-03-01T00:00", "m") + np.arange(issues) * np.timedelta64(every, "m"),
        SERIES,
        ("ramp_30m", "same_h30", "same_h60"),
        (0, 30, 60),
        rng.normal(size=(issues, 3, 3)).astype(np.float32),
        origin,
        np.where(np.isnan(origin), np.nan, 0.0),
        rng.uniform(1, 2, size=(issues, 3)),
    )
    return Examples(block, rng.normal(1000, 10, size=(issues, 3, 2)))


def _assert_equal(one: Examples, other: Examples) -> None:
    for name in ("issue_times", "x", "origin_mw", "age_minutes", "scale_mw"):
        left, right = getattr(one.block, name), getattr(other.block, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    assert (one.block.series, one.block.names) == (other.block.series, other.block.names)
    assert one.block.horizons == other.block.horizons
    np.testing.assert_array_equal(one.outcome_mw, other.outcome_mw)


@given(st.integers(1, 30), st.integers(0, 5), st.randoms())
def test_a_table_gives_back_its_examples_whatever_the_order_of_rows(issues: int, seed: int, random) -> None:
    known = _examples(issues, seed)
    frame = to_frame(known, KNOTS)
    assert len(frame) == 3 * issues
    order = list(range(len(frame)))
    random.shuffle(order)
    _assert_equal(from_frame(frame[order], SERIES, KNOTS), known)


def test_some_series_and_knots_of_a_table() -> None:
    known = _examples(5)
    found = from_frame(to_frame(known, KNOTS), ("SOUTH 1", "ALL"), (60,))
    np.testing.assert_array_equal(found.block.x, known.block.x[:, [2, 0]])
    np.testing.assert_array_equal(found.outcome_mw, known.outcome_mw[:, [2, 0]][..., [1]])
    assert found.block.names == known.block.names, "an outcome is no feature"


@pytest.mark.parametrize(
    ("series", "knots", "lacking"), [(("WEST",), KNOTS, "WEST"), (SERIES, (45,), "outcome_mw_h45")]
)
def test_what_a_table_lacks_is_named(series: tuple[str, ...], knots: tuple[int, ...], lacking: str) -> None:
    with pytest.raises(MissingDataError, match="nowcast features") as caught:
        from_frame(to_frame(_examples(3), KNOTS), series, knots)
    assert caught.value.fields["lacking"] == [lacking]


def test_the_split_leaves_the_last_days_to_the_test(panel: Panel) -> None:
    split = Split.of(panel, SPEC, valid_days=14, test_days=10)
    day = np.timedelta64(1, "D")
    assert split.test_end == panel.end
    assert 10 * day <= split.test_end - split.test_start < 10 * day + np.timedelta64(60, "m")
    assert split.test_start - split.valid_start == 14 * day
    assert split.train_start == panel.start + np.timedelta64(SPEC.minimum_history_minutes, "m")
    assert split.valid_start - split.train_start >= 14 * day


def test_unknown_ends_of_a_panel_do_not_count(panel: Panel) -> None:
    power = panel.power.values.copy()
    power[:48] = np.nan
    power[-96:] = np.nan
    power[:, 0] = np.nan  # one series alone decides nothing
    split = Split.of(replace(panel, power=replace(panel.power, values=power)), SPEC, valid_days=10, test_days=10)
    assert split.test_end == panel.times[-97]
    assert split.train_start == panel.times[48] + np.timedelta64(SPEC.minimum_history_minutes, "m")


def test_too_few_days_are_counted(panel: Panel) -> None:
    with pytest.raises(MissingDataError, match="60 days of data; training, validation and test need 68") as caught:
        Split.of(panel, SPEC, valid_days=20, test_days=20)
    assert caught.value.fields["needed"] == 68
    # What the message asks for is enough.
    Split.of(panel, SPEC, valid_days=20, test_days=11)
    assert "8 of history before the first nowcast, 20 to train, 20 to validate, 20 to test" in caught.value.message
    assert "--valid-days 17 --test-days 17" in caught.value.remedy
    Split.of(panel, SPEC, valid_days=17, test_days=17)  # what the remedy says works


def test_a_panel_without_power_is_told(panel: Panel) -> None:
    nothing = replace(panel, power=replace(panel.power, values=np.full_like(panel.power.values, np.nan)))
    with pytest.raises(MissingDataError, match="has no power"):
        Split.of(nothing, SPEC, valid_days=1, test_days=1)


@given(st.sampled_from([5, 15, 20, 30, 60]), st.integers(0, 200))
def test_issue_times_are_on_multiples_and_within(every: int, offset: int) -> None:
    start = np.datetime64("2024-03-01T00:00", "m") + np.timedelta64(offset, "m")
    split = Split(start, start, start, start + np.timedelta64(300, "m"))
    found = split.issue_times(every)
    assert (found.astype(np.int64) % every == 0).all()
    assert (found >= split.train_start).all()
    assert (found <= split.test_end).all()
    assert len(found) in (300 // every, 300 // every + 1)


@given(st.integers(0, 120))
def test_no_outcome_of_a_part_reaches_into_the_next(reach: int) -> None:
    known = _examples(300)
    at = known.block.issue_times
    split = Split(at[10], at[100], at[200], at[-1])
    parts = split.parts(known, reach)
    assert tuple(parts) == PARTS
    firsts = [at[10], at[100], at[200]]
    for part, first in zip(parts.values(), firsts, strict=True):
        assert part.block.issue_times[0] == first
    for part, border in zip(list(parts.values())[:2], firsts[1:], strict=True):
        assert (part.block.issue_times + np.timedelta64(reach, "m") < border).all()
    assert parts["test"].block.issue_times[-1] == at[-1]


def test_a_table_is_sorted_by_time_and_has_utc_stamps() -> None:
    frame = to_frame(_examples(4), KNOTS)
    assert frame.schema["issue_time"] == pl.Datetime("us", "UTC")
    assert frame["issue_time"].is_sorted()
    assert frame.columns[:5] == ["issue_time", "series", "origin_mw", "age_minutes", "scale_mw"]
    assert frame.columns[5:7] == ["outcome_mw_h30", "outcome_mw_h60"]
    assert {frame.schema[name] for name in ("ramp_30m", "same_h30", "same_h60")} == {pl.Float32()}


def test_held_out_days_begin_so_far_back_that_they_have_data() -> None:
    day, end = np.timedelta64(1440, "m"), np.datetime64("2024-05-01T00:00", "m")
    times = end - np.arange(1, 60 * 24) * np.timedelta64(60, "m")  # 60 days, hour by hour
    full = np.ones(len(times), bool)
    back = days_with_data(times, full, end)
    assert back.tolist() == list(range(60))
    assert held_out_start(10, back, end) == end - 10 * day
    silent = times < end - 12 * day
    back = days_with_data(times, silent, end)
    assert back[0] == 12
    assert held_out_start(10, back, end) == end - 22 * day
    assert held_out_start(10, days_with_data(times, ~full, end), end) == end - 10 * day
    # Half of the days have data: they stay. One fewer: the last ten that have some.
    for having, begins in ((5, 10), (4, 16)):
        some = (times >= end - having * day) | (times < end - 10 * day)
        assert held_out_start(10, days_with_data(times, some, end), end) == end - begins * day


def test_validation_comes_before_a_silence_that_ends_at_the_test_part(panel: Panel) -> None:
    whole = Split.of(panel, SPEC, valid_days=8, test_days=10)
    power = panel.power.values.copy()
    silent = (panel.times >= whole.test_start - np.timedelta64(7, "D")) & (panel.times < whole.test_start)
    power[silent] = np.nan
    split = Split.of(replace(panel, power=replace(panel.power, values=power)), SPEC, valid_days=8, test_days=10)
    assert split.valid_start == whole.test_start - np.timedelta64(15, "D")
    assert (split.test_start, split.test_end) == (whole.test_start, whole.test_end)
