"""Table, check and plot from results made here."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from peers.base import Grid, Job, rows
from peers.plot import draw
from peers.registry import CLASSES
from peers.results import Result
from peers.table import NOT_KEPT, beaten, by_month, markdown, scored

from tests.benchmarks import toy_grid

OFF = {
    "persistence": 40,
    "last-week": 900,
    "last-week-ramp": 30,
    "openstef": 20,
    "nhits": 15,
    "mlforecast": 10,
    "ours": 8,
}
COST = {"versions": {"somelib": "1.2"}, "train_s": 12.3, "predict_s": 0.4, "peak_mb": 1500, "rows": 1}


@pytest.fixture(scope="module")
def job() -> Job:
    return Job(**toy_grid.job_of(every_min=60))


@pytest.fixture(scope="module")
def truth(job: Job) -> pl.DataFrame:
    grid = Grid(toy_grid.grid())
    at = grid.rows(job.issues)
    parts = []
    for series in job.series:
        y = grid.filled(series)
        actual = np.stack([y[at + step] for step in job.steps], axis=1)
        table = rows(job, job.issues, {series: np.repeat(actual[..., None], 3, axis=-1)})
        stay = np.repeat(y[at], len(job.steps))
        parts.append(table.select("series", "issue_time", "horizon_min", y="q50").with_columns(y_issue=pl.Series(stay)))
    return pl.concat(parts)


def result(name: str, inputs: str, truth: pl.DataFrame, off: float) -> Result:
    """A peer that is off by so many MW an hour, with bands that hold about 80 %."""
    rng = np.random.default_rng(len(name))
    error = rng.normal(0, off, len(truth)) * truth["horizon_min"].to_numpy() / 60
    middle = pl.Series(truth["y"].to_numpy() + error)
    width = 1.28 * off * truth["horizon_min"].to_numpy() / 60
    told = truth.select("series", "issue_time", "horizon_min").with_columns(
        q10=middle - pl.Series(width), q50=middle, q90=middle + pl.Series(width)
    )
    return Result(name, inputs, "TOTAL", {"title": name.title(), **COST}, told)


@pytest.fixture(scope="module")
def results(truth: pl.DataFrame) -> list[Result]:
    made = [result(name, "a", truth, off) for name, off in OFF.items()]
    made.append(Result("skforecast", "a", "TOTAL", {}, None, "ValueError: a | b"))
    return made + [result(name, "b", truth, 0.9 * OFF[name]) for name in CLASSES["b"] if name in OFF]


def test_the_table_has_a_line_a_peer_and_says_what_failed(results: list[Result], truth: pl.DataFrame, job: Job) -> None:
    table = scored(results, truth)
    assert len(table) == (len(OFF) + 4) * 8
    total = result("mlforecast", "a", truth, 2.0)
    total = replace(total, predictions=total.predictions.filter(pl.col("series") == "TOTAL"))
    assert set(scored([total], truth)["series"]) == {"TOTAL"}, "of other series it was not asked"
    lines = markdown([r for r in results if r.inputs == "a"], table, "TOTAL", job.horizons_min).splitlines()
    assert len(lines) == 2 + len(OFF) + 2
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| Persistence 1.2 | .")
    assert "| **Ours** | ." in "\n".join(lines)
    assert "| skforecast | failed: ValueError: a / b |" in lines[-2]
    assert lines[-1].startswith("| fracast | not run | |")
    assert f" | {NOT_KEPT} | 12 | 0 | 1,500 |" in lines[2]


def test_coverage_is_told_by_month_where_the_answers_are_there(
    results: list[Result], truth: pl.DataFrame, job: Job
) -> None:
    told = results[0].predictions
    assert told is not None
    before = pl.col("issue_time").dt.offset_by("-31d")
    long_before = pl.col("issue_time").dt.offset_by("-60d")
    wide, off = {"q10": pl.lit(-1e9), "q90": pl.lit(1e9)}, {"q10": pl.lit(1e9), "q90": pl.lit(2e9)}
    every = pl.concat([told.with_columns(**wide), told.with_columns(before, **off), told[:8].with_columns(long_before)])
    there = pl.concat([truth, truth.with_columns(before), truth[:8].with_columns(long_before)])
    found = by_month(replace(results[0], predictions=every), there, job.timezone)
    held = [(one["month"], one["coverage"]) for one in found]
    assert held == [("2019-01", 0.0), ("2019-02", 1.0)], "December is an edge"
    assert found[0]["n"] == found[1]["n"] == len(truth.filter(pl.col("series") == "TOTAL"))
    assert by_month(Result("openstef", "a", "TOTAL", {}, None, "no"), there, job.timezone) == []
    months = {("a", "TOTAL", "persistence"): found}
    line = markdown(results[:1], scored(results[:1], truth), "TOTAL", job.horizons_min, months=months).splitlines()[2]
    assert "| 0 to 100 % | 12 |" in line


def test_a_grid_of_plants_is_scored_by_its_capacity(results: list[Result], truth: pl.DataFrame, job: Job) -> None:
    table = scored(results, truth.with_columns(capacity=pl.lit(20_000.0)))
    lines = markdown(results[:1], table, "TOTAL", job.horizons_min, score="nMAE").splitlines()
    own = table.filter(pl.col("class") == "a", pl.col("peer") == "persistence", pl.col("series") == "TOTAL")
    assert f"| {own['MAE'][3] / 200:.3f} |".replace("| 0.", "| .") in lines[2]
    assert beaten(table, "nMAE") == []


def test_missing_answers_are_told(results: list[Result], truth: pl.DataFrame, job: Job) -> None:
    whole = results[0]
    assert whole.predictions is not None
    short = Result(whole.name, "a", "TOTAL", whole.figures, whole.predictions[4:])
    line = markdown([short], scored([short], truth), "TOTAL", job.horizons_min).splitlines()[2]
    assert "(4 missing)" in line


def test_the_check_names_every_place_where_ours_does_not_win(results: list[Result], truth: pl.DataFrame) -> None:
    assert beaten(scored(results, truth)) == []
    better = [*results, result("nhits", "b", truth, 0.1)]
    words = beaten(scored([r for r in better if r is not results[-3]], truth))
    assert len(words) >= 16
    assert any(word.startswith("class b, TOTAL, 60 min: MAPE") and "nhits has" in word for word in words)
    assert not any(word.startswith("class a") for word in words)
    without = beaten(scored([r for r in results if r.name != "ours"], truth))
    assert any("MAPE nothing, persistence has" in word for word in without)


def test_nothing_answered_makes_an_empty_table() -> None:
    failed = [Result("openstef", "a", "TOTAL", {}, None, "no")]
    assert scored(failed, pl.DataFrame()).is_empty()
    assert beaten(pl.DataFrame()) == ["no row of a peer to compare with"]


def test_a_check_of_our_row_alone_or_with_holes_fails(results: list[Result], truth: pl.DataFrame) -> None:
    table = scored(results, truth)
    assert beaten(table.filter(pl.col("peer") == "ours")) == ["no row of a peer to compare with"]
    ours = (pl.col("peer") == "ours") & (pl.col("class") == "a")
    holes = table.with_columns(missing=pl.when(ours).then(3).otherwise("missing"))
    words = beaten(holes)
    assert len(words) == 8
    assert words[0].endswith("min: ours lacks 3 nowcasts")
    broken = table.with_columns(MAPE=pl.when(ours).then(float("nan")).otherwise("MAPE"))
    assert any("MAPE nothing, persistence has" in word for word in beaten(broken))


def test_the_plot_is_drawn_for_one_class_and_for_both(
    results: list[Result], truth: pl.DataFrame, job: Job, tmp_path: Path
) -> None:
    both, one = tmp_path / "both.png", tmp_path / "one.png"
    words = {"a": "alone", "b": "with more"}
    draw(results, scored(results, truth), job, both, words=words)
    mine = [r for r in results if r.inputs == "b"]
    months = {("b", "TOTAL", one.name): by_month(one, truth, job.timezone) for one in mine}
    draw(mine, scored(mine, truth), job, one, words=words, months=months)
    assert one.read_bytes()[:8] == both.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
