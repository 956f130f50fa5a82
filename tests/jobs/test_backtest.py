"""Rolling backtests: every issue time in one fold, no fold learns what came after it began, work is not done twice."""

import re
from dataclasses import replace
from pathlib import Path
from shutil import copytree, ignore_patterns

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from power_nowcast import mlflow_client
from power_nowcast.collect.load import write_all
from power_nowcast.contracts import to_table
from power_nowcast.contracts.times import aware
from power_nowcast.errors import ConfigurationError, UnknownSeriesError
from power_nowcast.jobs import backtest as rolling
from power_nowcast.jobs.backtest import Question
from power_nowcast.jobs.job import Job
from power_nowcast.jobs.period import Period, backtest, known_before
from power_nowcast.store import Store
from power_nowcast.workers import processes
from tests.small_job import job_of, write_region

FIRST, LAST = np.datetime64("2024-04-22T00:00", "m"), np.datetime64("2024-04-24T12:00", "m")
WHOLE = Period(FIRST, FIRST, LAST, every_minutes=60, train_every_minutes=120, valid_days=14)
QUICK = {"n_estimators": 8, "early_stopping": 5, "num_leaves": 4, "max_bin": 15}
KEYS = ["series", "issue_time", "horizon_min"]
DAILY = Question(WHOLE, "lgbm", refit_days=1, options=QUICK)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, work_in) -> Job:
    made = job_of(write_region(work_in(tmp_path_factory.mktemp("rolling")), "rollingland"))
    write_all(made.store, made.region)
    return made


@pytest.fixture(scope="module")
def daily(job: Job) -> rolling.Result:
    return rolling.run(job, DAILY)


@given(
    st.integers(0, 60 * 24 * 40), st.integers(1, 90), st.sampled_from([5, 15, 30, 60]), st.none() | st.integers(1, 45)
)
def test_each_issue_time_lies_in_one_fold_that_learnt_before_it(
    minutes: int, apart: int, every: int, refit_days: int | None
) -> None:
    last = FIRST + np.timedelta64(minutes, "m")
    whole = Period(FIRST - np.timedelta64(apart, "m"), FIRST, last, every_minutes=every)
    folds = Question(whole, refit_days=refit_days).folds()
    spacing = np.timedelta64(every, "m")
    issues = [np.arange(fold.first, fold.last + np.timedelta64(1, "m"), spacing) for fold in folds]
    np.testing.assert_array_equal(
        np.concatenate(issues), np.arange(FIRST, last + np.timedelta64(1, "m"), spacing), strict=True
    )
    assert all(fold.train_end <= fold.first for fold in folds)
    assert folds[0].train_end == whole.train_end
    ends = np.array([fold.train_end for fold in folds])
    assert (np.diff(ends) > np.timedelta64(0, "m")).all()
    assert refit_days is not None or len(folds) == 1


def test_one_last_issue_time_has_no_fold_and_no_training_of_its_own() -> None:
    days = np.timedelta64(1, "D")
    folds = Question(replace(WHOLE, last=FIRST + 2 * days), refit_days=1).folds()
    assert [(fold.first, fold.last) for fold in folds] == [
        (FIRST, FIRST + days - np.timedelta64(60, "m")),
        (FIRST + days, FIRST + 2 * days),
    ]
    daily = Question(replace(WHOLE, last=FIRST + 2 * days, every_minutes=1440), refit_days=1).folds()
    assert len(daily) == 3, "folds that are all of one issue time stay"
    alone = Question(replace(WHOLE, last=FIRST), refit_days=1).folds()
    assert [(fold.first, fold.last) for fold in alone] == [(FIRST, FIRST)]


def test_progress_names_fold_and_series_and_the_time_left(job: Job, tmp_path: Path) -> None:
    told: list[str] = []
    copytree(job.store.root, tmp_path / "data", ignore=ignore_patterns("documents"))
    fresh = replace(job, store=Store(tmp_path / "data"), progress=told.append)
    short = replace(WHOLE, last=FIRST + np.timedelta64(26, "h"))
    rolling.run(fresh, Question(short, "lgbm", refit_days=1, options=QUICK))
    begun = "backtest: 2024-04-22T00:00 to 2024-04-22T23:00: lightgbm: "
    series = [text.removeprefix(begun) for text in told if text.startswith(begun)]
    assert [re.sub(r"\d+ s left", "N s left", text) for text in series] == [
        "ALL trained (1 of 3), N s left", "N.E. trained (2 of 3), N s left", "SOUTH 1 trained (3 of 3)"
    ]  # fmt: skip
    folds = [text for text in told if text.startswith("backtest: fold")]
    assert re.fullmatch(r"backtest: fold 1 of 2: .*, \d+ s, \d+ s left", folds[0])
    assert re.fullmatch(r"backtest: fold 2 of 2: .*, \d+ s", folds[1])


@pytest.mark.parametrize(
    "wrong", [{"last": FIRST - np.timedelta64(1, "m")}, {"train_end": FIRST + np.timedelta64(1, "m")}]
)
def test_a_period_without_an_answer_is_refused(wrong: dict[str, np.datetime64]) -> None:
    with pytest.raises(ConfigurationError, match="--train-end come first"):
        Question(replace(WHOLE, **wrong)).folds()


def test_unknown_names_are_told_before_anything_is_trained(job: Job) -> None:
    with pytest.raises(ConfigurationError, match="no model 'oracle'"):
        rolling.run(job, replace(DAILY, model="oracle"))
    with pytest.raises(UnknownSeriesError, match="WEST"):
        rolling.run(job, replace(DAILY, series=("WEST",)))


def test_without_a_refit_it_is_the_plain_backtest(job: Job) -> None:
    question = Question(WHOLE, "persistence_ramp")
    result = rolling.run(job, question)
    plain, _ = backtest(job.store, job.region, WHOLE, model="persistence_ramp")
    asked = to_table(plain).filter(pl.col("issue_time") >= aware(FIRST))
    mine, asked = pl.read_parquet(result.predictions).sort(KEYS), asked.sort(KEYS)
    assert mine.select(KEYS).equals(asked.select(KEYS))
    np.testing.assert_allclose(mine["q50"], asked["q50"])


def test_each_fold_answers_with_a_model_of_all_that_was_known(job: Job, daily: rolling.Result) -> None:
    folds = DAILY.folds()
    assert len(folds) == 3
    rows = pl.read_parquet(daily.predictions)
    assert rows["issue_time"].n_unique() == 61
    last = folds[-1]
    learnt = known_before(job.store, job.region, last)
    assert (
        learnt.train.block.issue_times[-1] > known_before(job.store, job.region, folds[0]).train.block.issue_times[-1]
    )
    assert learnt.valid.block.issue_times[-1] < last.train_end
    alone, _ = backtest(job.store, job.region, last, model="lgbm", options=QUICK)
    joined = rows.join(to_table(alone), on=KEYS, suffix="_alone")
    own = joined.filter(pl.col("issue_time") >= aware(last.first))
    assert len(own)
    np.testing.assert_allclose(own["q50"], own["q50_alone"])
    assert (joined["q50"] != joined["q50_alone"]).any()  # the folds before had other models


def test_what_was_answered_is_not_answered_again(job: Job, daily: rolling.Result) -> None:
    told: list[str] = []
    again = rolling.run(replace(job, progress=told.append), DAILY)
    assert again.found == 3
    assert any("3 of 3 folds exist already" in text for text in told)
    assert pl.read_parquet(again.predictions).equals(pl.read_parquet(daily.predictions))


def test_the_run_keeps_predictions_that_a_comparison_finds(job: Job, daily: rolling.Result, tmp_path: Path) -> None:
    found = mlflow_client.predictions(job.region, daily.run_id, tmp_path)
    assert pl.read_parquet(found.path).equals(pl.read_parquet(daily.predictions))


@pytest.mark.slow
def test_folds_side_by_side_say_the_same(job: Job, daily: rolling.Result, tmp_path: Path) -> None:
    with processes(2) as pool:
        copytree(job.store.root, tmp_path / "data", ignore=ignore_patterns("documents"))
        elsewhere = replace(job, store=Store(tmp_path / "data"), executor=lambda: pool)
        beside = rolling.run(elsewhere, DAILY, in_parallel=True)
    assert beside.found == 0
    assert pl.read_parquet(beside.predictions).equals(pl.read_parquet(daily.predictions))
