"""cells: the tables' texts are the figures of the scorecard, and rows that say nothing are left out."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from power_nowcast.evaluate.scorecard import Scorecard
from power_nowcast.evaluate.slices import PREDICTED_RAMP
from power_nowcast.report.cells import (
    FULL_SHADE,
    heat_cells,
    importance_cells,
    month_cells,
    ramp_cells,
    scorecard_cells,
    worst_days_cells,
)
from power_nowcast.report.plots import Explanation

MINUS = "\N{MINUS SIGN}"


def slice_row(**values: object) -> dict[str, object]:
    usual = {"series": "NYCA", "horizon_min": 60, "by": PREDICTED_RAMP, "place": 0, "group": "steepest fall"}
    figures = {"n": 300, "days": 30, "coverage_80": 0.737, "coverage_80_low": 0.656, "coverage_80_high": 0.818}
    figures |= {"MAE": 121.3, "MAE_low": 93.4, "MAE_high": 149.2, "below_80": 0.2, "above_80": 0.063}
    return usual | figures | {"predicted_ramp": -1211.5, "observed_ramp": -1287.6} | values


def test_ramps_have_their_figures_and_intervals(card: Scorecard) -> None:
    rows = [slice_row(), slice_row(horizon_min=30), slice_row(horizon_min=15, coverage_80_low=None, MAE_low=None)]

    cells = ramp_cells(replace(card, slices=pl.DataFrame(rows)), "NYCA", PREDICTED_RAMP)

    # Only the nearest and the farthest horizon.
    assert [row[1] for row in cells.rows] == ["15", "60"]
    figures = ("Steepest fall", "60", f"{MINUS}1,212", f"{MINUS}1,288", "300", "74 %", "66 % to 82 %", "20 %", "6 %")
    assert cells.rows[1] == (*figures, "121", "93.4 to 149")
    assert (cells.rows[0][6], cells.rows[0][10]) == ("\N{EN DASH}", "\N{EN DASH}")
    assert len(cells.columns) == len(cells.rows[0])


def test_ramps_of_few_days_or_nowcasts_are_left_out(card: Scorecard) -> None:
    rows = [slice_row(), slice_row(place=1, group="fall", days=2), slice_row(place=2, group="middle", n=14)]

    cells = ramp_cells(replace(card, slices=pl.DataFrame(rows)), "NYCA", PREDICTED_RAMP)

    assert [row[0] for row in cells.rows] == ["Steepest fall"]


def test_a_month_of_16_nowcasts_is_left_out_and_the_caption_says_so(card: Scorecard) -> None:
    months = [
        {"series": "NYCA", "horizon_min": h, "month": month, "n": n, "days": days, "MAPE": 0.5, "nMAE": None}
        | {"coverage_80": 0.8}
        for h in (15, 30, 45, 60)
        for month, n, days in (("2019-05", 16, 1), ("2019-06", 2860, 30))
    ]

    cells = month_cells(replace(card, by_month=pl.DataFrame(months)), "NYCA")

    assert cells.rows == [("2019-06", "2,860", "0.50 %", "0.50 %", "0.50 %", "0.50 %", "80 %")]
    assert "Too short to tell, and left out: 2019-05." in cells.caption


def test_worst_days_tell_their_coverage(card: Scorecard) -> None:
    cells = worst_days_cells(card, "NYCA")
    row = card.worst_days.filter(pl.col("series") == "NYCA").row(0, named=True)

    assert cells.columns[3] == "In 80 % band"
    assert cells.rows[0][3] == f"{100 * row['coverage_80']:.0f} %"
    assert cells.rows[0][0] == str(row["date"]) == str(date.fromisoformat(cells.rows[0][0]))


def test_the_scorecard_tells_the_slope_of_ramps(card: Scorecard) -> None:
    cells = scorecard_cells(card, "NYCA")
    place = cells.columns.index("Ramp slope")
    slopes = dict(card.slopes.filter(pl.col("series") == "NYCA").select("horizon_min", "slope").iter_rows())

    assert [row[place] for row in cells.rows] == [f"{slopes[h]:.2f}" for h in (15, 30, 45, 60)]


def weekdays(days: int) -> pl.DataFrame:
    """Hour 7 of every weekday: an error of 10 MW and 80 %, on Sunday of 20 MW and 65 %."""
    return pl.DataFrame(
        {
            "series": ["NYCA"] * 7,
            "hour": [7] * 7,
            "weekday": list(range(1, 8)),
            "n": [10, 10, 10, 10, 10, 30, 10],
            "days": [days] * 7,
            "MAE": [10.0] * 6 + [20.0],
            "coverage_80": [0.8] * 6 + [0.65],
        }
    )


def test_the_heat_map_has_a_cell_for_each_hour_and_weekday(card: Scorecard) -> None:
    error, inside = heat_cells(replace(card, by_hour_weekday=weekdays(4)), "NYCA")

    assert error.columns == ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    assert error.rows[7] == ("07", (*6 * (("10.0", 0.5),), ("20.0", 1.0)))
    assert error.rows[8] == ("08", 7 * (("", 0.0),))
    assert inside.rows[7][1][0] == ("80", 0.0)
    assert inside.rows[7][1][6] == ("65", pytest.approx(0.15 / FULL_SHADE))
    assert "4 to 4 days a cell." in error.caption


def test_weekdays_of_few_days_are_merged_and_the_caption_says_so(card: Scorecard) -> None:
    error, inside = heat_cells(replace(card, by_hour_weekday=weekdays(2)), "NYCA")

    assert error.columns == ("Mon to Fri", "Sat, Sun")
    # Saturday has three times the pairs of Sunday: (30 * 10 + 10 * 20) / 40 MW, (30 * 80 + 10 * 65) / 40 %.
    assert [text for text, _ in error.rows[7][1]] == ["10.0", "12.5"]
    assert [text for text, _ in inside.rows[7][1]] == ["80", "76"]
    assert "fewer than 3 days each and are merged" in error.caption


def test_importance_is_told_by_families_with_their_names() -> None:
    draws = {"recent hours": np.array([0.1, 0.3]), "weather": np.array([-0.01, -0.03])}
    cells = importance_cells(Explanation({"ramp_15m": 6.0, "ramp_30m": 2.0, "sun_change_h60": 2.0}, rests_on=draws))

    assert cells is not None
    assert cells.columns == ("Permutation importance", "Share in training")
    assert cells.rows == [
        ("recent hours", (("0.2000 \N{PLUS-MINUS SIGN} 0.1000", 1.0), ("80.0 %", 1.0))),
        ("sun and season", (("\N{EN DASH}", 0.0), ("20.0 %", 0.25))),
        ("weather", ((f"{MINUS}0.0200 \N{PLUS-MINUS SIGN} 0.0100", 0.0), ("0.0 %", 0.0))),
    ]


def test_a_model_without_gains_has_permutation_importance_only() -> None:
    cells = importance_cells(Explanation({}, rests_on={"weather": np.array([0.5])}))

    assert cells is not None
    assert (cells.columns, cells.rows) == (("Permutation importance",), [("weather", (("0.5000", 1.0),))])
    assert importance_cells(Explanation({})) is None
