"""plots: what is drawn are the figures of the tables; poor data draw without a warning."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib.dates import date2num, num2date
from matplotlib.figure import Figure

from power_nowcast.evaluate.backtest import Backtest
from power_nowcast.evaluate.scorecard import Scorecard, scorecard
from power_nowcast.report import plots, words
from power_nowcast.report.plots import Explanation
from power_nowcast.report.plots.explain import across_horizons
from power_nowcast.report.words import change


def _line(figure: Figure, label: str, panel: int = 0) -> tuple[np.ndarray, np.ndarray]:
    line = next(line for line in figure.axes[panel].lines if line.get_label() == label)
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata(), dtype=float)


def _words(figure: Figure) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in (*axes.texts, axes.title, axes._left_title))


def test_pred_vs_actual_draws_the_truth_and_the_median_of_its_days(backtest: Backtest) -> None:
    figure = plots.pred_vs_actual(backtest, "NYCA", 60, first=date(2019, 11, 2), days=2)

    time, actual = _line(figure, "actual")
    # Two local days, the second one of 25 hours, in nowcasts every half hour.
    assert len(time) == 2 * 49
    assert str(time[0]) == "2019-11-02T04:00:00"
    chosen = np.isin(backtest.nowcasts.issue_times + np.timedelta64(60, "m"), time.astype("datetime64[m]"))
    np.testing.assert_array_equal(actual, backtest.actual[chosen, 0, 3])
    np.testing.assert_array_equal(_line(figure, "nowcast")[1], backtest.nowcasts.values[chosen, 0, 3, 3])
    assert figure.axes[0].get_ylabel() == "MW"
    assert "NYCA: nowcast 60 minutes ahead" in _words(figure)


def test_the_bands_are_the_quantiles(backtest: Backtest) -> None:
    figure = plots.pred_vs_actual(backtest, "NORTH", 15, days=1)

    bands = {str(band.get_label()): band.get_paths()[0].vertices[:, 1] for band in figure.axes[0].collections}
    assert set(bands) == {"50 %", "80 %", "90 %"}
    shown = np.isin(
        backtest.nowcasts.issue_times + np.timedelta64(15, "m"), _line(figure, "actual")[0].astype("datetime64[m]")
    )
    values = backtest.nowcasts.values[shown, 1, 0]
    assert bands["80 %"].max() == pytest.approx(values[:, 5].max())
    assert bands["80 %"].min() == pytest.approx(values[:, 1].min())


def test_backtest_horizon_draws_the_days_of_the_table(card: Scorecard) -> None:
    figure = plots.backtest_horizon(card, "NYCA", 30)

    rows = card.by_day.filter((pl.col("series") == "NYCA") & (pl.col("horizon_min") == 30))
    rows = rows.filter(pl.col("n") >= rows["n"].max() / 2).sort("date")
    for label, column in (("model", "MAE"), ("persistence", "MAE_persistence")):
        days, error = _line(figure, label)
        np.testing.assert_allclose(error, rows[column].to_numpy())
        assert [str(day) for day in days] == [str(day) for day in rows["date"]]
    assert f"model {card.row('NYCA', 30)['MAE']:,.0f}" in _words(figure)


def test_long_periods_mark_mondays(make_backtest: Callable[..., Backtest]) -> None:
    figure = plots.backtest_horizon(scorecard(make_backtest(days=20, every=60)), "NYCA", 15)

    figure.draw_without_rendering()
    ticks = num2date(figure.axes[0].get_xticks())
    assert ticks
    assert {tick.weekday() for tick in ticks} == {0}


def test_skill_by_horizon_draws_errors_and_skills(card: Scorecard) -> None:
    figure = plots.skill_by_horizon(card, "NYCA")

    rows = card.by_series.filter(pl.col("series") == "NYCA")
    np.testing.assert_allclose(_line(figure, "model")[1], rows["MAE"].to_numpy())
    np.testing.assert_allclose(_line(figure, "persistence", 1)[1], rows["skill_persistence"].to_numpy())
    assert figure.axes[0].get_ylim()[0] == 0


def test_a_line_far_above_the_others_is_cut_and_marked(backtest: Backtest) -> None:
    far = backtest.baselines["persistence"]
    shifted = {"off": type(far)(**{**vars(far), "values": far.values + 90_000})}
    card = scorecard(Backtest(backtest.region, backtest.nowcasts, backtest.actual, backtest.at_issue, shifted))

    figure = plots.skill_by_horizon(card, "NYCA")

    assert figure.axes[0].get_ylim()[1] < 1000
    assert "\N{UPWARDS ARROW}" in _words(figure)


def test_a_model_that_is_far_worse_than_a_baseline_is_drawn(backtest: Backtest) -> None:
    own = backtest.nowcasts
    poor = type(own)(**{**vars(own), "values": own.values + 90_000})
    card = scorecard(Backtest(backtest.region, poor, backtest.actual, backtest.at_issue, backtest.baselines))

    figure = plots.skill_by_horizon(card, "NYCA")
    figure.canvas.draw()

    assert min(label.xy[1] for label in figure.axes[1].texts if "% of" in label.get_text()) >= -1


def test_reliability_draws_the_shares(card: Scorecard) -> None:
    figure = plots.reliability(card, "NORTH")

    rows = card.reliability.filter((pl.col("series") == "NORTH") & (pl.col("horizon_min") == 45)).sort("level")
    level, share = _line(figure, "45 min")
    np.testing.assert_allclose(level, rows["level"].to_numpy())
    np.testing.assert_allclose(share, rows["share"].to_numpy())
    # Bars of one horizon fill the whole.
    widths = np.array([bar.get_width() for bar in figure.axes[1].patches]).reshape(3, 4)
    np.testing.assert_allclose(widths.sum(axis=0), 1)


def test_residual_hist_counts_every_error(backtest: Backtest) -> None:
    figure = plots.residual_hist(backtest, "NYCA")

    assert [axes.get_title("left") for axes in figure.axes] == ["15 min", "30 min", "45 min", "60 min"]
    bars = figure.axes[0].patches
    model = np.array([bar.get_height() for bar in bars[len(bars) // 2 :]])
    assert model.sum() == pytest.approx(1, abs=0.02)
    error = backtest.nowcasts.values[:, 0, 0, 3] - backtest.actual[:, 0, 0]
    assert f"bias {change(float(error.mean()), 'MW')}" in _words(figure)


def test_heat_map_holds_the_hours(card: Scorecard) -> None:
    figure = plots.error_heatmap(card, "NYCA")

    drawn = np.ma.filled(figure.axes[0].collections[0].get_array(), np.nan)
    for place in (0, 6):
        rows = card.by_hour_weekday.filter((pl.col("series") == "NYCA") & (pl.col("weekday") == place + 1)).sort("hour")
        np.testing.assert_allclose(drawn[place][rows["hour"].to_numpy()], rows["MAE"].to_numpy())
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(words.WEEKDAYS)
    assert "America/New_York" in figure.axes[0].get_xlabel()


def test_fan_starts_at_the_last_value(backtest: Backtest) -> None:
    one = backtest.nowcasts
    figure = plots.nowcast_fan(
        backtest.region,
        replace(one, issue_times=one.issue_times[6:7], series=("NYCA",), values=one.values[6:7, :1]),
        one.issue_times[:7],
        backtest.at_issue[:7, 0],
        outcome=backtest.actual[6, 0],
    )

    np.testing.assert_allclose(_line(figure, "nowcast")[1], [backtest.at_issue[6, 0], *one.values[6, 0, :, 3]])
    np.testing.assert_allclose(_line(figure, "what came")[1], backtest.actual[6, 0])
    assert "28 Oct" in _words(figure) or "27 Oct" in _words(figure)
    assert date2num(one.issue_times[6].astype("datetime64[s]")) == pytest.approx(
        date2num(np.asarray(_line(figure, "nowcast")[0])[0])
    )


def test_importance_ranks_and_sums_families() -> None:
    importance = {"ramp_h15": 2.0, "ramp_h60": 3.0, "level": 4.0, "tiny": 1.0}

    assert across_horizons(importance) == {"ramp": 5.0, "level": 4.0, "tiny": 1.0}
    figure = plots.feature_importance(across_horizons(importance), top=2)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["ramp", "level"]
    assert [bar.get_width() for bar in figure.axes[0].patches] == [0.5, 0.4]


def test_shap_ranks_by_mean_size_and_draws_each_contribution() -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(200, 3))
    features[::7, 1] = np.nan
    values = features.copy() * [1.0, 5.0, 0.1]
    values[np.isnan(values)] = 0.5

    figure = plots.shap(values, features, ["a", "b", "c"], top=2)

    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["b", "a"]
    first = figure.axes[0].collections[0]
    np.testing.assert_allclose(np.asarray(first.get_offsets())[:, 0], values[:, 1])
    assert np.nanmax(np.asarray(first.get_array(), dtype=float)) == 1.0
    spread = np.asarray(first.get_offsets())[:, 1]
    assert np.abs(spread - spread.mean()).max() <= 0.5


def test_shap_of_constant_contributions_is_drawn() -> None:
    figure = plots.shap(np.zeros((5, 1)), np.ones((5, 1)), ["flat"])

    assert len(np.asarray(figure.axes[0].collections[0].get_offsets())) == 5


def test_a_model_of_one_feature_is_drawn() -> None:
    for figure in (plots.feature_importance({"ramp": 1.0}), plots.shap(np.ones((5, 1)), np.ones((5, 1)), ["ramp"])):
        figure.canvas.draw()
        assert figure.axes[0].get_position().height > 0.2


def test_save_all_writes_the_agreed_set_and_leaves_no_style_behind(
    backtest: Backtest, card: Scorecard, tmp_path: Path
) -> None:
    before = dict(mpl.rcParams)
    explanation = Explanation({"ramp": 1.0}, np.ones((3, 1)), np.ones((3, 1)), ["ramp"], about="NYCA, 60 minutes ahead")

    files = plots.save_all(backtest, card, tmp_path / "plots", explanation=explanation)

    assert {"pred_vs_actual", "residual_hist", "reliability", "feature_importance", "shap", "worst_day"} <= set(files)
    assert {f"backtest_horizon_{h}" for h in (15, 30, 45, 60)} <= set(files)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files.values())
    assert dict(mpl.rcParams) == before


def test_every_plot_has_words_for_those_who_cannot_see_it(backtest: Backtest, card: Scorecard) -> None:
    for plot in plots.plots(backtest, card, series="NORTH"):
        assert len(plot.alt) > 30
        assert "NORTH" in plot.alt or "worst day" in plot.alt


@pytest.mark.parametrize(
    ("which", "series"), [("poor_backtest", "NYCA"), ("poor_backtest", "NORTH"), ("empty_backtest", "NYCA")]
)
def test_poor_data_draw_all_the_same(which: str, series: str, request: pytest.FixtureRequest) -> None:
    one: Backtest = request.getfixturevalue(which)

    drawn = set()
    for plot in plots.plots(one, scorecard(one), series=series):
        plot.figure.draw_without_rendering()
        drawn.add(plot.name)

    assert "pred_vs_actual" in drawn
    assert "nowcast_fan" not in drawn or series == "NORTH"


@pytest.mark.parametrize(
    ("steps", "shown"), [((5, 10, 15, 20, 30, 60), (15, 30, 60)), ((30, 60), (30, 60)), ((10, 20), (10, 20))]
)
def test_shown_horizons_are_those_that_the_region_has(steps: tuple[int, ...], shown: tuple[int, ...]) -> None:
    assert words.shown_horizons(steps) == shown
