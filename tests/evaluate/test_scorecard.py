"""scorecard: tables against the plain functions, local time at clock changes, and poor data."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from power_nowcast import scoring
from power_nowcast.errors import SourceFormatError
from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard, by_series, figures, scorecard
from power_nowcast.regions import Region
from power_nowcast.report.words import headline, relative, relative_name
from tests.evaluate.conftest import STEPS, Maker


def test_the_rows_are_the_plain_metrics(backtest: Backtest, card: Scorecard) -> None:
    row = card.row("NORTH", 45)
    actual, values = backtest.actual[:, 1, 2], backtest.nowcasts.values[:, 1, 2]

    assert row["n"] == len(actual)
    assert row["MAE"] == pytest.approx(scoring.mae(actual, values[:, 3]))
    assert row["RMSE"] == pytest.approx(scoring.rmse(actual, values[:, 3]))
    assert row["MAPE"] == pytest.approx(scoring.mape(actual, values[:, 3]))
    assert row["CRPS"] == pytest.approx(scoring.crps(actual, values))
    persistence = scoring.mae(actual, backtest.baselines["persistence"].values[:, 1, 2, 3])
    assert row["skill_persistence"] == pytest.approx(scoring.skill(scoring.mae(actual, values[:, 3]), persistence))


def test_wind_has_an_error_in_percent_of_its_maximum(backtest: Backtest) -> None:
    values = backtest.region.model_dump()
    for zone in values["zones"]:
        zone["kind"] = "wind" if zone["name"] == "NORTH" else "load"
    card = scorecard(replace(backtest, region=Region.model_validate(values)))
    wind, load = card.row("NORTH", 45), card.row("NYCA", 45)
    assert wind["nMAE"] == pytest.approx(100 * wind["MAE"] / 1500)
    assert (wind["MAPE"], load["nMAE"]) == (None, None)
    assert load["MAPE"] is not None
    assert relative(wind, 2) == f"{wind['nMAE']:.2f} %"
    assert (relative_name(card), relative_name(card, "NORTH")) == ("MAPE or nMAE", "nMAE")
    assert "of the largest possible output" in headline(card, "NORTH")


def test_the_bands_hold_what_they_say(card: Scorecard) -> None:
    assert card.by_series["coverage_80"].mean() == pytest.approx(0.8, abs=0.02)
    assert card.by_horizon["coverage_50"].mean() == pytest.approx(0.5, abs=0.03)
    deviation = (card.reliability["share"] - card.reliability["level"]).abs().max()
    assert deviation == pytest.approx(0, abs=0.06)


def test_pairs_count_only_where_both_values_are_published(backtest: Backtest) -> None:
    actual, origin = backtest.actual.copy(), backtest.at_issue.copy()
    actual[:10, 0, 0] = np.nan
    origin[5:20, 0] = np.nan

    row = scorecard(replace(backtest, actual=actual, at_issue=origin)).row("NYCA", 15)

    assert (row["n"], row["missing"]) == (len(actual) - 20, 0)


def test_the_repeated_hour_counts_twice_and_the_skipped_one_never(make_backtest: Callable[..., Backtest]) -> None:
    def hours(first: str) -> dict[int, int]:
        # A local day of New York, midnight to midnight, target by target.
        one = make_backtest(first=first, days=1, every=5, steps=(60,))
        table = scorecard(one).by_hour.filter(pl.col("series") == "NYCA")
        return dict(table.select("hour", "n").iter_rows())

    autumn, spring = hours("2019-11-03T03:00"), hours("2019-03-10T04:00")

    assert autumn[1] == 24  # 288 targets fill 24 of the day's 25 hours
    assert {count for hour, count in autumn.items() if hour not in (1, 23)} == {12}
    assert 2 not in spring
    assert sum(spring.values()) == 288


def test_days_and_months_are_local_and_those_of_the_target(make_backtest: Callable[..., Backtest]) -> None:
    # 03:30 UTC on 1 November is 23:30 in New York; the target an hour later lies in the new month.
    one = make_backtest(first="2019-11-01T03:30", days=1, every=1440, steps=(15, 60))

    months = scorecard(one).by_month.filter(pl.col("series") == "NYCA")

    assert dict(months.select("horizon_min", "month").iter_rows()) == {15: "2019-10", 60: "2019-11"}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 364), st.integers(0, 47), st.integers(0, 2**32 - 1))
def test_every_grouping_counts_each_pair_once(
    make_backtest: Callable[..., Backtest], day: int, half_hours: int, seed: int
) -> None:
    first = np.datetime64("2019-01-01T00:00") + np.timedelta64(day * 1440 + half_hours * 30, "m")
    one = make_backtest(first=str(first), days=2, seed=seed % 1000, steps=(15, 60))
    hidden = np.random.default_rng(seed).random(one.actual.shape) < 0.2
    card = scorecard(replace(one, actual=np.where(hidden, np.nan, one.actual)))

    expected = card.by_series.select("series", "horizon_min", "n")
    for table in (card.by_hour, card.by_month, card.by_day):
        again = table.group_by("series", "horizon_min", maintain_order=True).agg(pl.col("n").sum())
        assert again.sort("series", "horizon_min").equals(expected.sort("series", "horizon_min"))
        mean = (table["MAE"] * table["n"]).sum() / table["n"].sum()
        whole = (card.by_series["MAE"] * card.by_series["n"]).sum() / card.by_series["n"].sum()
        assert mean == pytest.approx(whole)


def test_the_order_of_issue_times_does_not_matter(backtest: Backtest, card: Scorecard) -> None:
    order = np.random.default_rng(0).permutation(len(backtest.at_issue))

    def shuffled(nowcasts: object) -> object:
        return replace(nowcasts, issue_times=nowcasts.issue_times[order], values=nowcasts.values[order])  # type: ignore[attr-defined]

    mixed = scorecard(
        Backtest(
            backtest.region,
            shuffled(backtest.nowcasts),  # type: ignore[arg-type]
            backtest.actual[order],
            backtest.at_issue[order],
            {name: shuffled(one) for name, one in backtest.baselines.items()},  # type: ignore[misc]
        )
    )

    by = ["series", "horizon_min", "hour"]
    for name, keys in (("by_series", by[:2]), ("by_hour", by)):
        mine, theirs = (getattr(one, name).sort(keys).drop("series") for one in (mixed, card))
        np.testing.assert_allclose(mine.to_numpy(), theirs.to_numpy(), rtol=1e-9, atol=1e-9)


def test_a_bad_day_is_found_with_its_hour(backtest: Backtest) -> None:
    values = backtest.nowcasts.values.copy()
    bad = (backtest.nowcasts.issue_times >= np.datetime64("2019-11-01T12:00")) & (
        backtest.nowcasts.issue_times < np.datetime64("2019-11-01T20:00")
    )
    values[bad, 0] += 900.0
    worst_at = int(np.flatnonzero(backtest.nowcasts.issue_times == np.datetime64("2019-11-01T14:00"))[0])
    values[worst_at, 0, 3] += 5000.0

    found = scorecard(replace(backtest, nowcasts=replace(backtest.nowcasts, values=values))).worst_days
    worst = found.filter((pl.col("series") == "NYCA") & (pl.col("rank") == 1)).row(0, named=True)

    assert (worst["date"], worst["weekday"]) == (date(2019, 11, 1), "Friday")
    assert worst["worst_hour"] == 11  # 15:00 UTC in summer time
    assert worst["worst_error"] == pytest.approx(5900, abs=300)
    assert worst["scaled_error"] > worst["scaled_persistence"] * 0.9


def test_scaled_errors_of_the_first_baseline_are_one_on_average(card: Scorecard, backtest: Backtest) -> None:
    error = np.abs(backtest.baselines["persistence"].values[..., 3] - backtest.actual)
    scaled = error / error.mean(axis=0, keepdims=True)
    assert scaled[:, 0].mean() == pytest.approx(1)

    days = card.worst_days.filter(pl.col("series") == "NYCA")
    assert days["scaled_persistence"].mean() == pytest.approx(1, abs=0.2)
    assert days["scaled_error"].is_sorted(descending=True)


def test_late_data_are_compared_with_data_on_time(card: Scorecard) -> None:
    table = card.delays.filter((pl.col("series") == "NYCA") & (pl.col("horizon_min") == 15)).sort("delay_min")

    assert table["delay_min"].to_list() == [0, 5, 10]
    assert table["MAE_change"][0] == 0
    assert table["MAE_change"].is_sorted()
    assert table["MAE_change"][2] == pytest.approx(100 * (table["MAE"][2] / table["MAE"][0] - 1))
    assert table["MAE_persistence"][1] is not None


def test_a_horizon_without_answers_is_all_missing(poor_backtest: Backtest) -> None:
    row = scorecard(poor_backtest).row("NYCA", 45)

    assert (row["n"], row["missing"]) == (0, len(poor_backtest.at_issue))
    assert row["MAE"] is None
    assert row["coverage_80"] is None


def test_a_load_of_zero_has_no_mape_and_no_scaled_days(poor_backtest: Backtest) -> None:
    card = scorecard(poor_backtest)

    row = card.row("NORTH", 15)
    assert (row["MAE"], row["MAPE"], row["coverage_80"]) == (0.0, None, 1.0)
    assert card.worst_days.filter(pl.col("series") == "NORTH").is_empty()
    assert not card.worst_days.filter(pl.col("series") == "NYCA").is_empty()


def test_without_baselines_there_are_no_skills(poor_backtest: Backtest) -> None:
    card = scorecard(poor_backtest)

    assert card.baselines == ()
    assert not [name for table in card.tables().values() for name in table.columns if "skill" in name]


def test_a_perfect_baseline_gives_no_skill(backtest: Backtest) -> None:
    perfect = replace(backtest.nowcasts, values=np.repeat(backtest.actual[..., None], 7, axis=-1))

    row = scorecard(replace(backtest, baselines={"oracle": perfect}, late_baselines={})).row("NYCA", 15)

    assert (row["MAE_oracle"], row["skill_oracle"]) == (0.0, None)


def test_nothing_answered_gives_empty_figures(empty_backtest: Backtest) -> None:
    card = scorecard(empty_backtest)

    assert card.by_series["n"].sum() == 0
    assert card.by_series["MAE"].null_count() == len(card.by_series)
    assert card.worst_days.is_empty()
    assert figures(card.by_series, STEPS) == {}
    assert figures(by_series(empty_backtest), STEPS) == {}


def test_the_figures_of_a_run_are_those_of_the_first_series(card: Scorecard) -> None:
    found = figures(card.by_series, STEPS)

    assert found["MAE_15min"] == card.row("NYCA", 15)["MAE"]
    assert found["skill_60min"] == card.row("NYCA", 60)["skill_persistence"]
    assert found["coverage_80"] == pytest.approx(card.by_series["coverage_80"].mean())
    loss = card.by_series["pinball"] / card.by_series["MAE_persistence"]
    assert found["loss"] == pytest.approx(loss.mean())
    assert len(found) == 6 * len(STEPS) + 2
    assert all(np.isfinite(list(found.values())))


def test_figures_without_baselines_are_those_beside_baselines(backtest: Backtest, card: Scorecard) -> None:
    own = by_series(replace(backtest, baselines={}, late={}, late_baselines={}))

    assert figures(own, STEPS) == pytest.approx(figures(card.by_series, STEPS))
    assert own.select("series", "horizon_min", "MAE", "coverage_80").equals(
        card.by_series.select("series", "horizon_min", "MAE", "coverage_80")
    )


@pytest.mark.parametrize(
    ("horizons", "shown"), [((60,), [60]), ((30, 60), [30, 60]), (tuple(range(5, 65, 5)), [15, 30, 45, 60])]
)
def test_of_many_horizons_a_few_are_figures(make_backtest: Maker, horizons: tuple[int, ...], shown: list[int]) -> None:
    found = figures(by_series(make_backtest(steps=horizons, days=2)), horizons)

    assert [name for name in found if name.startswith("MAE_")] == [f"MAE_{horizon}min" for horizon in shown]


def test_figures_of_wind_have_the_share_of_the_maximum(backtest: Backtest) -> None:
    values = backtest.region.model_dump()
    for zone in values["zones"]:
        zone["kind"] = "wind"
    region = Region.model_validate(values)

    found = figures(by_series(replace(backtest, region=region)), STEPS)

    assert not any(name.startswith("MAPE") for name in found)
    assert found["nMAE_60min"] == pytest.approx(100 * found["MAE_60min"] / sum(one.max_mw for one in region.zones))


def test_tables_are_written_as_csv(card: Scorecard, tmp_path: Path) -> None:
    files = card.write(tmp_path / "tables")

    assert {file.stem for file in files} == set(card.tables())
    again = pl.read_csv(tmp_path / "tables" / "by_series.csv")
    np.testing.assert_allclose(again["MAE"].to_numpy(), card.by_series["MAE"].to_numpy())


def test_a_row_that_does_not_exist_is_empty(card: Scorecard) -> None:
    assert card.row("NYCA", 20) == {}


def test_the_typical_day_is_the_one_of_the_median_error(backtest: Backtest) -> None:
    values = backtest.nowcasts.values.copy()
    days = ((backtest.nowcasts.issue_times - np.datetime64("2019-10-28T04:00")) // np.timedelta64(1, "D")).astype(int)
    # The error of a day grows from the first to the last: the fifth of nine whole days is in the middle.
    values[:, 0] = backtest.actual[:, 0, :, None] + 100.0 * (1 + days[:, None, None])
    card = scorecard(replace(backtest, nowcasts=replace(backtest.nowcasts, values=values)))

    typical = card.typical_days.filter(pl.col("series") == "NYCA")
    worst = card.worst_days.filter(pl.col("series") == "NYCA").sort("scaled_error")

    assert typical["date"].to_list() == [worst["date"][len(worst) // 2 - (len(worst) + 1) % 2]]
    assert typical["MAE"].item() == pytest.approx(worst["MAE"].median(), rel=0.05)


def test_worst_days_have_their_coverage(backtest: Backtest, card: Scorecard) -> None:
    row = card.worst_days.filter(pl.col("series") == "NORTH").row(0, named=True)
    days = card.by_day.filter((pl.col("series") == "NORTH") & (pl.col("date") == row["date"]))

    assert row["coverage_80"] == pytest.approx((days["coverage_80"] * days["n"]).sum() / days["n"].sum())


def test_hours_by_weekday_are_local_and_count_their_days(make_backtest: Maker) -> None:
    # 03:30 UTC on Friday is 23:30 on Thursday in New York; the target an hour later is on Friday.
    one = make_backtest(first="2019-11-01T03:30", days=1, every=1440, steps=(15, 60))

    table = scorecard(one).by_hour_weekday.filter(pl.col("series") == "NYCA")

    assert table.select("hour", "weekday", "n", "days").rows() == [(0, 5, 1, 1), (23, 4, 1, 1)]


def test_ramps_are_measured_from_the_issue_time(make_backtest: Maker) -> None:
    one = make_backtest(days=1, steps=(60,), series=("NYCA",))
    card = scorecard(one)
    predicted = one.nowcasts.values[:, 0, 0, 3] - one.at_issue[:, 0]
    observed = one.actual[:, 0, 0] - one.at_issue[:, 0]

    slope = card.slopes.row(0, named=True)["slope"]
    days = card.slices.filter(pl.col("by") == "day")

    assert slope == pytest.approx(np.polyfit(predicted, observed, 1)[0])
    assert (days["predicted_ramp"] * days["n"]).sum() / len(predicted) == pytest.approx(predicted.mean())
    assert (days["observed_ramp"] * days["n"]).sum() / len(observed) == pytest.approx(observed.mean())


def test_a_written_scorecard_is_read_back(backtest: Backtest, card: Scorecard, tmp_path: Path) -> None:
    card.write(tmp_path)
    again = Scorecard.read(tmp_path, replace(backtest, baselines={}))
    assert replace(again, **card.tables()) == card, "all but the tables"
    for name, table in card.tables().items():
        assert_frame_equal(again.tables()[name], table, check_dtypes=False)
    (tmp_path / "slopes.csv").unlink()
    with pytest.raises(SourceFormatError, match="no table slopes"):
        Scorecard.read(tmp_path, backtest)
