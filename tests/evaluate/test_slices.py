"""slices: figures of small tables that were reckoned by hand, and poor data."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from power_nowcast.evaluate.slices import DAY, HOUR, OBSERVED_RAMP, PREDICTED_RAMP, RAMPS, slices, slopes

START = datetime(2019, 6, 3, 4, tzinfo=UTC)


def table(**columns: object) -> pl.DataFrame:
    """Pairs of one series, 60 minutes ahead and an hour apart, with everything right unless `columns` say otherwise."""
    rows = max(len(value) for value in columns.values())  # type: ignore[arg-type]
    usual: dict[str, object] = {
        "series": ["NYCA"] * rows,
        "horizon_min": [60] * rows,
        "issue_time": [START + timedelta(hours=n) for n in range(rows)],
        "hour": [7] * rows,
        "date": [date(2019, 6, 3)] * rows,
        "answered": [True] * rows,
        "absolute": [1.0] * rows,
        "coverage_80": [1.0] * rows,
        "below_80": [0.0] * rows,
        "above_80": [0.0] * rows,
        "predicted_ramp": [0.0] * rows,
        "observed_ramp": [0.0] * rows,
    }
    return pl.DataFrame(usual | columns)


def rows_of(found: pl.DataFrame, by: str) -> list[dict[str, object]]:
    return found.filter(pl.col("by") == by).to_dicts()


def test_an_hour_has_its_coverage_and_error_with_days_as_blocks() -> None:
    days = [date(2019, 6, 3), date(2019, 6, 3), date(2019, 6, 4), date(2019, 6, 4)]
    pairs = table(
        hour=[7, 7, 7, 7],
        date=days,
        coverage_80=[1.0, 0.0, 1.0, 1.0],
        above_80=[0.0, 1.0, 0.0, 0.0],
        absolute=[10.0, 20.0, 30.0, 40.0],
    )

    (row,) = rows_of(slices(pairs), HOUR)

    assert (row["group"], row["place"], row["n"], row["days"]) == ("07:00", 7, 4, 2)
    assert (row["coverage_80"], row["above_80"], row["below_80"]) == (0.75, 0.25, 0.0)
    # Hits by day are 1 and 2 of 2: residuals -1/2 and 1/2, so a standard error of sqrt(2 * 1/2) / 4; t of 1 is 12.706.
    assert row["coverage_80_low"] == 0.0
    assert row["coverage_80_high"] == 1.0
    assert row["MAE"] == 25.0
    # Errors by day are 30 and 70: residuals -20 and 20, a standard error of sqrt(2 * 800) / 4 = 10.
    assert row["MAE_high"] == pytest.approx(25 + 12.706 * 10, abs=0.01)
    assert row["MAE_low"] == 0.0


def test_hours_are_in_order_and_horizons_apart() -> None:
    pairs = pl.concat([table(hour=[9, 7, 8]), table(hour=[9, 7, 8], horizon_min=[15, 15, 15])])

    found = slices(pairs).filter(pl.col("by") == HOUR)

    assert found["group"].to_list() == 2 * ["07:00", "08:00", "09:00"]
    assert found["horizon_min"].to_list() == [15, 15, 15, 60, 60, 60]


def test_ramps_are_sorted_into_tenths_fifths_and_the_middle() -> None:
    ramps = [float(n) for n in range(1, 11)]
    pairs = table(predicted_ramp=ramps, observed_ramp=[2 * ramp for ramp in ramps[::-1]])

    predicted, observed = (rows_of(slices(pairs), by) for by in (PREDICTED_RAMP, OBSERVED_RAMP))

    assert [row["group"] for row in predicted] == list(RAMPS)
    assert [row["n"] for row in predicted] == [1, 2, 4, 2, 1]
    assert [row["predicted_ramp"] for row in predicted] == [1.0, 2.5, 5.5, 8.5, 10.0]
    assert [row["observed_ramp"] for row in predicted] == [20.0, 17.0, 11.0, 5.0, 2.0]
    assert [row["observed_ramp"] for row in observed] == [2.0, 5.0, 11.0, 17.0, 20.0]


def test_a_series_that_never_moves_has_one_class_of_ramps() -> None:
    (row,) = rows_of(slices(table(predicted_ramp=[0.0] * 5)), PREDICTED_RAMP)

    assert (row["n"], row["group"]) == (5, RAMPS[0])


def test_a_day_has_the_error_of_its_own_pairs_in_time() -> None:
    inside = [1.0, 1.0, 0.0, 1.0]
    pairs = table(coverage_80=inside, issue_time=[START + timedelta(hours=n) for n in (3, 1, 2, 0)])

    (row,) = rows_of(slices(pairs), DAY)

    assert (row["group"], row["days"], row["coverage_80"]) == ("2019-06-03", 1, 0.75)
    # In time 1 1 0 1: residuals 1/4 1/4 -3/4 1/4 with squares 3/4 and products -5/16 at a lag of one hour, weight 1/2:
    # a variance of (12/16 - 5/16) / 16, and Student's t of 3 degrees is 3.182.
    room = 3.182 * np.sqrt((12 / 16 - 5 / 16) / 16)
    assert row["coverage_80_low"] == pytest.approx(0.75 - room, abs=0.001)
    assert row["coverage_80_high"] == 1.0


def test_where_all_is_alike_there_is_no_interval() -> None:
    pairs = table(date=[date(2019, 6, 3), date(2019, 6, 4), date(2019, 6, 5)])

    (row,) = rows_of(slices(pairs), HOUR)

    assert (row["coverage_80"], row["coverage_80_low"], row["coverage_80_high"]) == (1.0, None, None)


def test_a_nowcast_without_an_answer_counts_nowhere() -> None:
    pairs = table(answered=[True, False], coverage_80=[1.0, None], absolute=[1.0, None], predicted_ramp=[0.0, None])

    assert [row["n"] for row in rows_of(slices(pairs), HOUR)] == [1]
    assert slices(pairs.filter(~pl.col("answered"))).is_empty()
    assert slopes(pairs.filter(~pl.col("answered"))).is_empty()


def test_slopes_are_those_of_observed_on_predicted_ramps() -> None:
    days = [date(2019, 6, 3)] * 2 + [date(2019, 6, 4)] * 2
    pairs = table(date=days, predicted_ramp=[-1.0, 1.0, -1.0, 1.0], observed_ramp=[-1.0, 1.0, -2.0, 2.0])

    row = slopes(pairs).row(0, named=True)

    assert (row["horizon_min"], row["days"]) == (60, 2)
    assert row["slope"] == 1.5
    # Products by day are 2 and 4 over 2 and 2: residuals -1 and 1, a standard error of sqrt(2 * 2) / 4 = 1/2.
    assert row["slope_high"] == pytest.approx(1.5 + 12.706 / 2, abs=0.001)


def test_a_constant_shift_of_ramps_does_not_change_the_slope() -> None:
    pairs = table(predicted_ramp=[0.0, 1.0, 2.0, 3.0], observed_ramp=[100.0, 102.0, 104.0, 106.0])

    assert slopes(pairs)["slope"].to_list() == [2.0]


def test_ramps_that_never_differ_have_no_slope() -> None:
    assert slopes(table(observed_ramp=[1.0, 2.0]))["slope"].to_list() == [None]
