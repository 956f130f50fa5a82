"""comparison: two runs on the pairs that both answered, told in words, a table, plots and a page."""

from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from power_nowcast.contracts import Nowcasts
from power_nowcast.errors import ConfigurationError, MissingDataError
from power_nowcast.evaluate.backtest import truth
from power_nowcast.evaluate.comparison import LOSSES, Comparison, compare
from power_nowcast.regions import Region
from power_nowcast.report.comparison import closing, render, table, verdict, write_comparison
from power_nowcast.report.plots.comparison import comparison_plots, who_wins
from tests.toy import toy_panel, toy_region

STEPS = (30, 60)
Z = np.array([-1.645, -1.282, -0.674, 0.0, 0.674, 1.282, 1.645])
NOW = datetime(2024, 5, 1, tzinfo=UTC)
REGION = toy_region()
PANEL = toy_panel(REGION, days=24)


def nowcasts(noise: float, *, seed: int = 1, after: int = 0, region: Region = REGION) -> Nowcasts:
    """Truth with noise in units of 1 % of the load, its bands right by construction."""
    rng = np.random.default_rng(seed)
    issues = PANEL.times[48 + after : -4]
    actual = truth(PANEL, region, issues, STEPS)
    spread = 0.01 * noise * np.nanmean(actual, axis=(0, 2))[:, None]
    centre = actual + rng.normal(size=actual.shape) * spread
    return Nowcasts(region.name, issues, region.series, STEPS, centre[..., None] + spread[..., None] * Z)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(
        {"plain": nowcasts(1.0), "better": nowcasts(0.7, seed=2), "twin": nowcasts(1.0, seed=3)}, PANEL, REGION
    )


def test_the_better_one_is_found_everywhere_and_a_twin_nowhere(comparison: Comparison) -> None:
    for loss in LOSSES:
        better, twin = comparison.row("better", loss), comparison.row("twin", loss)
        assert better["difference"] == pytest.approx(-30, abs=4)
        assert better["high"] < 0
        assert twin["low"] < 0 < twin["high"]
    cells = comparison.cells.filter(pl.col("run") == "better")
    assert (cells["p_holm"] < 0.05).all()
    assert (comparison.cells.filter(pl.col("run") == "twin")["p_holm"] > 0.05).all()
    assert (comparison.cells["p_holm"] >= comparison.cells["p"]).all()


def test_means_are_those_of_the_pairs(comparison: Comparison) -> None:
    one, other = nowcasts(1.0), nowcasts(0.7, seed=2)
    actual = truth(PANEL, REGION, one.issue_times, STEPS)
    row = comparison.row("better", "absolute error", "N.E.", 60)
    s, h = REGION.series.index("N.E."), 1
    mae = [np.abs(x.values[:, s, h, 3] - actual[:, s, h]).mean() for x in (one, other)]
    assert (row["reference_mw"], row["run_mw"]) == pytest.approx(tuple(mae))
    assert row["difference"] == pytest.approx(100 * (mae[1] / mae[0] - 1))


def test_turned_round_the_statistics_change_their_sign() -> None:
    one, other = nowcasts(1.0), nowcasts(0.8, seed=2)
    there, back = compare({"a": one, "b": other}, PANEL, REGION), compare({"b": other, "a": one}, PANEL, REGION)
    for name in ("cells", "hours"):
        np.testing.assert_allclose(getattr(there, name)["statistic"], -getattr(back, name)["statistic"], rtol=1e-9)
        np.testing.assert_allclose(getattr(there, name)["p_holm"], getattr(back, name)["p_holm"], rtol=1e-9)


def test_a_run_compared_with_itself_is_the_same() -> None:
    result = compare({"a": nowcasts(1.0), "b": nowcasts(1.0)}, PANEL, REGION)
    assert (result.cells["difference"] == 0).all()
    assert (result.cells["p_holm"] == 1).all()
    assert verdict(result, "b", "pinball") == "b has the same pinball as a."


def test_only_pairs_that_all_answered_count() -> None:
    one, other = nowcasts(1.0), nowcasts(0.7, seed=2, after=200)
    gaps = one.values.copy()
    gaps[300:320, 1] = np.nan
    # Where the other has no answer the reference is far off: it must not count.
    gaps[:200] += 1e6
    result = compare({"a": replace(one, values=gaps), "b": other}, PANEL, REGION)
    assert result.issues == len(other.issue_times)
    assert result.row("b", "pinball", "ALL", 30)["n"] == len(other.issue_times)
    assert result.row("b", "pinball", "N.E.", 30)["n"] == len(other.issue_times) - 20
    assert result.cells["reference_mw"].max() < 1e3


def test_levels_and_series_in_common_are_compared() -> None:
    whole = nowcasts(1.0)
    part = Nowcasts("toy", whole.issue_times, ("N.E.",), (60,), whole.values[:, 1:2, 1:, [1, 3, 5]], (0.1, 0.5, 0.9))
    result = compare({"a": whole, "b": part}, PANEL, REGION)
    assert (result.series, result.steps_minutes, result.quantiles) == (("N.E.",), (60,), (0.1, 0.5, 0.9))
    assert (result.cells["difference"] == 0).all()


def test_hours_are_local_and_a_day_is_one_observation(comparison: Comparison) -> None:
    """One local hour of the reference is spoilt: it alone is better in the other."""
    one, other = nowcasts(1.0), nowcasts(1.0, seed=2)
    target = one.issue_times[:, None] + np.array(STEPS, "timedelta64[m]")
    utc = target.astype(np.int64) // 60 % 24
    late_winter = (target < np.datetime64("2024-03-10T07:00")).astype(int)  # summer time begins on 10 March
    spoilt = (utc - 4 - late_winter) % 24 == 18
    values = one.values + np.where(spoilt[:, None, :, None], 400.0, 0.0)
    result = compare({"a": replace(one, values=values), "b": other}, PANEL, REGION)
    hours = result.hours.filter((pl.col("loss") == "absolute error") & (pl.col("series") == "ALL"))
    assert hours.filter(pl.col("p_holm") < 0.05)["hour"].to_list() == [18]
    assert hours["n"].max() <= 24
    assert comparison.tests("hours") == 2 * 3 * 24
    assert comparison.tests("cells") == 2 * 3 * 2


def test_what_cannot_be_compared_is_said() -> None:
    one = nowcasts(1.0)
    with pytest.raises(ConfigurationError, match="One run"):
        compare({"a": one}, PANEL, REGION)
    with pytest.raises(ConfigurationError, match="no median"):
        compare({"a": one, "b": replace(one, values=one.values[..., :2], quantiles=(0.05, 0.1))}, PANEL, REGION)
    with pytest.raises(MissingDataError, match="share no"):
        compare({"a": one, "b": replace(one, issue_times=one.issue_times + np.timedelta64(7, "m"))}, PANEL, REGION)
    with pytest.raises(MissingDataError, match="share no"):
        compare({"a": one, "b": replace(one, values=np.full_like(one.values, np.nan))}, PANEL, REGION)
    elsewhere = replace(one, series=("X", "Y", "Z"))
    with pytest.raises(ConfigurationError, match="no series X, Y, Z"):
        compare({"a": elsewhere, "b": elsewhere}, PANEL, REGION)


def test_the_terminal_shows_who_wins_in_80_columns(comparison: Comparison) -> None:
    shown = StringIO()
    console = Console(file=shown, width=80)
    console.print(table(comparison, "better", "absolute error"))
    console.print(table(comparison, "twin", "pinball"))
    console.print(closing(comparison))
    text = shown.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    plain = " ".join(text.split())
    assert "6 of 6 pairs of series and horizon are significantly better, 0 significantly worse" in plain
    assert "not significant at 5 %" in plain
    assert "adjusted (Holm) for the 12 tests" in plain


def test_plots_and_page_stand_alone(comparison: Comparison, tmp_path: Path) -> None:
    page = write_comparison(tmp_path / "out", comparison, now=NOW, origins={"plain": "a <file>"})
    html = page.read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") == 4
    assert "http" not in html.replace("http-equiv", "")
    assert "a &lt;file&gt;" in html
    assert "nan" not in html.split("</style>")[1].split("<img")[0]
    assert sorted(path.name for path in page.parent.glob("*.png")) == sorted(
        f"{p.name}.png" for p in comparison_plots(comparison)
    )
    assert "12 tests by series and horizon" in html


def test_a_single_series_has_no_map_of_hours(comparison: Comparison) -> None:
    one, other = nowcasts(1.0), nowcasts(0.9, seed=2)
    alone = [replace(x, series=("ALL",), values=x.values[:, :1]) for x in (one, other)]
    result = compare(dict(zip("ab", alone, strict=True)), PANEL, REGION)
    assert len(who_wins(result, "b", "pinball").axes) == 2
    assert len(who_wins(comparison, "twin", "pinball").axes) == 4  # with the colour bar


def test_hardly_any_pair_makes_a_page_all_the_same() -> None:
    one, other = nowcasts(1.0), nowcasts(0.9, seed=2)
    few = [Nowcasts("toy", x.issue_times[:1], x.series, x.steps_minutes, x.values[:1]) for x in (one, other)]
    result = compare(dict(zip("ab", few, strict=True)), PANEL, REGION)
    assert "too few pairs" in verdict(result, "b", "pinball")
    text = render(result, list(comparison_plots(result)), now=NOW, origins={}, manifests=())
    assert "None" not in text.split("<main>")[1].replace("none", "")


def test_the_json_holds_every_figure(comparison: Comparison) -> None:
    values = comparison.to_json()
    assert values["family"] == {"cells": 12, "hours": 144}
    assert len(values["cells"]) == 2 * 2 * 3 * 2
    assert values["quantiles"] == [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]
