"""bars: what is not there, is no number or was skipped keeps no bar."""

import math

import polars as pl
import pytest
from bars import COMPLETE, figures_missed, missed, within

KEYS = [("A", 15), ("A", 60), ("B", 15), ("B", 60)]
LIMITS = {("A", 15): 1.0, ("A", 60): 2.0}


def table(**changed: list[float | None]) -> pl.DataFrame:
    columns = {
        "series": ["A", "A", "B", "B"],
        "horizon_min": [15, 60, 15, 60],
        "n": [10, 10, 10, 10],
        "missing": [0, 0, 0, 0],
        "MAE": [0.9, 2.0, 9.0, 9.0],
        "skill": [0.5, 0.6, 0.1, 0.2],
    }
    return pl.DataFrame(columns | changed, strict=False)


BARS = [COMPLETE, ("MAE", within(LIMITS, "MAE")), ("skill", within({("A", 60): 0.6}, "skill", at_least=True))]


def words(found: list[tuple[str, pl.DataFrame]]) -> list[tuple[str, list[tuple[str, int]]]]:
    return [(told, rows.select("series", "horizon_min").rows()) for told, rows in found]


def test_a_table_that_keeps_its_bars_misses_none() -> None:
    assert missed(table(), BARS, KEYS) == []


def test_values_beyond_a_bar_are_missed_row_by_row() -> None:
    assert words(missed(table(MAE=[1.01, 2.0, 9.0, 9.0]), BARS, KEYS)) == [("MAE", [("A", 15)])]
    assert words(missed(table(skill=[0.5, 0.59, 0.1, 0.2]), BARS, KEYS)) == [("skill", [("A", 60)])]


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, -math.inf])
def test_no_number_keeps_no_bar(nothing: float | None) -> None:
    assert words(missed(table(MAE=[nothing, 2.0, 9.0, 9.0]), BARS, KEYS)) == [("MAE", [("A", 15)])]
    assert words(missed(table(skill=[0.5, nothing, 0.1, 0.2]), BARS, KEYS)) == [("skill", [("A", 60)])]


def test_an_empty_table_and_a_skipped_row_are_missed() -> None:
    every = "a row for every series and horizon"
    assert words(missed(table().clear(), BARS, KEYS)) == [(every, KEYS)]
    assert words(missed(table()[:3], BARS, KEYS)) == [(every, [("B", 60)])]
    with pytest.raises(ValueError, match="no bar could be missed"):
        missed(table(), BARS, [])


def test_pairs_without_a_prediction_are_missed() -> None:
    assert words(missed(table(missing=[0, 1, 0, 0]), BARS, KEYS)) == [("a prediction for every pair", [("A", 60)])]
    assert words(missed(table(n=[10, 10, 0, 10]), BARS, KEYS)) == [("a prediction for every pair", [("B", 15)])]
    assert words(missed(table(n=[10, 10, None, 10]), BARS, KEYS)) == [("a prediction for every pair", [("B", 15)])]


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"ms": 25.0, "rows": 100.0}, []),
        ({"ms": 25.1, "rows": 100.0}, ["ms 25.1, the bar is 25"]),
        ({"ms": 25.0, "rows": 99.0}, ["rows 99, the bar is 100"]),
        ({"ms": math.nan, "rows": math.nan}, ["ms nan, the bar is 25", "rows nan, the bar is 100"]),
        ({"ms": -math.inf, "rows": math.inf}, ["ms -inf, the bar is 25", "rows inf, the bar is 100"]),
        ({"rows": 100}, ["ms nan, the bar is 25"]),
        ({}, ["ms nan, the bar is 25", "rows nan, the bar is 100"]),
    ],
)
def test_figures_keep_their_bars_or_are_told(figures: dict[str, float], told: list[str]) -> None:
    assert figures_missed(figures, {"ms": 25.0}, {"rows": 100.0}) == told
