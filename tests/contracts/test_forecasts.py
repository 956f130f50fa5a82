import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from power_nowcast.contracts import (
    MEDIAN,
    PREDICTIONS,
    QUANTILES,
    FeatureBlock,
    Nowcasts,
    from_table,
    to_table,
)

START = np.datetime64("2024-03-10T00:00", "m")


@st.composite
def nowcasts(draw: st.DrawFn) -> Nowcasts:
    n, s, h = draw(st.integers(0, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    number = st.floats(-1e5, 1e5) | st.just(float("nan"))
    values = draw(arrays(np.float64, (n, s, h, len(QUANTILES)), elements=number, fill=st.nothing()))
    return Nowcasts(
        region="toy",
        issue_times=START + np.arange(n) * np.timedelta64(15, "m"),
        series=tuple(f"zone {i}" for i in range(s)),
        steps_minutes=tuple(5 * (i + 1) for i in range(h)),
        values=values,
    )


@given(nowcasts())
def test_rows_are_the_answered_cells(made: Nowcasts) -> None:
    table = to_table(made)
    assert table.schema == PREDICTIONS
    answered = np.isfinite(made.values).all(axis=-1)
    assert len(table) == answered.sum()
    found = {(row[0], np.datetime64(row[1].replace(tzinfo=None), "m"), row[2]): row[3:] for row in table.iter_rows()}
    assert len(found) == len(table)
    for i, s, h in np.argwhere(answered):
        key = (made.series[s], made.issue_times[i], made.steps_minutes[h])
        np.testing.assert_array_equal(found[key], made.values[i, s, h])


def test_levels_are_named_by_percent() -> None:
    assert [name for name in PREDICTIONS if name.startswith("q")] == ["q05", "q10", "q25", "q50", "q75", "q90", "q95"]
    assert QUANTILES[MEDIAN] == 0.5


@pytest.fixture
def block() -> FeatureBlock:
    rng = np.random.default_rng(1)
    return FeatureBlock(
        START + np.arange(6) * np.timedelta64(30, "m"),
        ("A", "B"),
        ("one", "two", "three"),
        (0, 30, 60),
        rng.normal(size=(6, 2, 3)).astype(np.float32),
        rng.normal(size=(6, 2)),
        rng.normal(size=(6, 2)),
        np.ones((6, 2)),
    )


@given(chosen=st.lists(st.booleans(), min_size=6, max_size=6))
def test_taking_by_mask_and_by_index_agree(chosen: list[bool]) -> None:
    block = FeatureBlock(
        START + np.arange(6) * np.timedelta64(30, "m"),
        ("A",),
        ("one",),
        (0,),
        np.arange(6, dtype=np.float32).reshape(6, 1, 1),
        np.arange(6.0).reshape(6, 1),
        np.arange(6.0).reshape(6, 1),
        np.arange(6.0).reshape(6, 1),
    )
    mask = np.array(chosen)
    one, other = block.take(mask), block.take(np.flatnonzero(mask))
    for part in (one, other):
        assert part.x[:, 0, 0].tolist() == np.flatnonzero(mask).tolist()
        np.testing.assert_array_equal(part.issue_times, block.issue_times[mask])
        np.testing.assert_array_equal(part.origin_mw, block.origin_mw[mask])
        np.testing.assert_array_equal(part.scale_mw, block.scale_mw[mask])
        np.testing.assert_array_equal(part.age_minutes, block.age_minutes[mask])


def test_taking_keeps_what_is_not_of_an_issue_time(block: FeatureBlock) -> None:
    part = block.take(np.array([4, 1]))
    assert (part.series, part.names, part.horizons) == (block.series, block.names, block.horizons)
    np.testing.assert_array_equal(part.x, block.x[[4, 1]])


def test_the_predictions_of_nothing_can_be_appended_to_others() -> None:
    empty = Nowcasts("toy", np.empty(0, "datetime64[m]"), ("A",), (5,), np.empty((0, 1, 1, len(QUANTILES))))
    full = Nowcasts("toy", np.array([START]), ("A",), (5,), np.ones((1, 1, 1, len(QUANTILES))))
    assert len(pl.concat([to_table(empty), to_table(full)])) == 1


def test_a_table_becomes_the_nowcasts_that_it_was_made_of() -> None:
    rng = np.random.default_rng(0)
    issues = np.array(["2024-01-01T00:00", "2024-01-01T00:30", "2024-01-01T02:00"], "datetime64[m]")
    values = rng.normal(size=(3, 2, 2, len(QUANTILES))).cumsum(axis=-1)
    values[1] = np.nan
    values[2, 0, 1] = np.nan
    made = Nowcasts("toy", issues, ("B", "A"), (30, 60), values)
    table = to_table(made).sample(fraction=1, shuffle=True, seed=1)
    back = from_table(table, "toy", issue_times=issues, series=("B", "A"), steps_minutes=(30, 60))
    np.testing.assert_array_equal(back.values, values)
    assert back.quantiles == QUANTILES
    found = from_table(table, "toy")
    np.testing.assert_array_equal(found.issue_times, issues[[0, 2]])
    assert sorted(found.series) == ["A", "B"]
    part = from_table(table.drop("q05"), "toy", issue_times=issues[2:], series=("A",), steps_minutes=(60,))
    np.testing.assert_array_equal(part.values, values[2:, 1:, 1:, 1:])
