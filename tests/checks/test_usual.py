from datetime import timedelta

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast.checks.usual import ENOUGH, USUAL, from_text, level_of, to_text, usual_of

from .made_up import START


def test_the_level_is_that_of_substantial_values() -> None:
    assert level_of(np.array([0.0] * 50 + [900.0, 1000.0, 1100.0])) == 1000.0
    assert level_of(np.array([0.0, 0.0])) is None
    assert level_of(np.array([])) is None
    assert level_of(np.array([-500.0, 700.0, 600.0])) == 600.0
    assert level_of(np.array([0.0] * 99 + [500.0])) == 500.0, "of zeros only, the largest value"
    assert level_of(np.array([30.0, 900.0, 900.0])) == 900.0
    assert level_of(np.array([30.0, 30.0, 900.0])) == 30.0, "a thirtieth counts"
    assert level_of(np.array([29.9, 29.9, 900.0, 900.0, 800.0])) == 900.0
    assert level_of(np.array([900.0] * 98 + [1e6] * 2)) == 900.0, "a few values in kW do not"


def test_what_is_stored_tells_the_level_and_the_newest_value() -> None:
    at = [START + timedelta(minutes=15 * place) for place in range(ENOUGH)]
    values = [float(place) + 100 for place in range(ENOUGH)]
    stored = pl.DataFrame({"series": "A", "valid_at": at, "value": values})
    few = pl.DataFrame({"series": "B", "valid_at": at[:1], "value": values[:1]})
    found = usual_of(pl.concat([stored, few]).sample(fraction=1, shuffle=True, seed=1))
    assert found.rows() == [("A", 111.5, at[-1], values[-1]), ("B", None, at[0], 100.0)]


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=5), st.floats(-1e6, 1e6), st.none() | st.floats(0, 1e6)),
        unique_by=lambda row: row[0],
    )
)
def test_it_is_kept_to_the_last_bit(known: list[tuple[str, float, float | None]]) -> None:
    rows = [(name, level, START + timedelta(microseconds=7), value) for name, value, level in known]
    frame = pl.DataFrame(rows, USUAL, orient="row")
    assert from_text(to_text(frame)).equals(frame)
    assert from_text(None).schema == USUAL
