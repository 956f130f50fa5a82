"""Tuning on a small region: the defaults come first, bad trials end early, and a killed study goes on where it was."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import optuna
import pytest

from power_nowcast import mlflow_client
from power_nowcast.collect.load import write_all
from power_nowcast.errors import ConfigurationError, ModelError, WriterBusyError
from power_nowcast.jobs import train as training
from power_nowcast.jobs import tune
from power_nowcast.jobs.features import make_features, read_examples, read_manifest
from power_nowcast.jobs.job import Job, Plan
from power_nowcast.mlflow_client.connection import connect
from power_nowcast.mlflow_client.runs import PARENT
from power_nowcast.models.examples import expanding_folds
from power_nowcast.models.search_spaces import DEFAULTS, SPACES
from power_nowcast.store.lease import FileLease
from tests.small_job import PLAN, job_of, write_region

FIXED = {"n_estimators": 8, "early_stopping": 5, "num_leaves": 4, "max_bin": 15}
TUNING = tune.Plan(trials=5, folds=2, fixed=FIXED)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, work_in) -> Job:
    """Features made, every fifth hour."""
    made = job_of(write_region(work_in(tmp_path_factory.mktemp("tune")), "tuneland"))
    write_all(made.store, made.region)
    make_features(made, Plan(PLAN.spec, every_minutes=300, valid_days=14, test_days=14))
    return made


@pytest.fixture(scope="module")
def tuned(job: Job) -> tune.Tuned:
    return tune.tune(job, "lgbm", TUNING)


def trials_of(job: Job, kind: str, study: str) -> list[optuna.trial.FrozenTrial]:
    storage = optuna.storages.RDBStorage(f"sqlite:///{(job.artifacts / 'tune' / kind / 'studies.db').absolute()}")
    try:
        return optuna.load_study(study_name=study, storage=storage).trials
    finally:
        storage.remove_session()
        storage.engine.dispose()


def finished(trials: list[optuna.trial.FrozenTrial]) -> list[tuple[dict[str, float], list[float], float | None]]:
    return [
        (t.params, list(t.intermediate_values.values()), t.value)
        for t in trials
        if t.state.is_finished() and t.params and t.state.name != "FAIL"
    ]


def test_folds_follow_each_other_and_never_reach_the_test_part(job: Job) -> None:
    reach = np.timedelta64(max(PLAN.spec.knots), "m")
    train, valid, test = read_examples(job, read_manifest(job), "train", "valid", "test")
    folds = list(expanding_folds(train, valid, 3, max(PLAN.spec.knots)))
    for learn, judged in folds:
        assert learn.block.issue_times[0] == train.block.issue_times[0]
        assert learn.block.issue_times[-1] + reach < judged.block.issue_times[0]
        assert judged.block.issue_times[-1] + reach < test.block.issue_times[0]
    for (_, before), (learn, after) in pairwise(folds):
        assert before.block.issue_times[-1] + reach < after.block.issue_times[0]
        assert set(before.block.issue_times) <= set(learn.block.issue_times)
    (one,) = expanding_folds(train, valid, 1, max(PLAN.spec.knots))
    np.testing.assert_array_equal(one[1].block.issue_times, valid.block.issue_times)
    np.testing.assert_array_equal(one[0].outcome_mw, train.outcome_mw)
    with pytest.raises(ConfigurationError, match="too few for 400 folds"):
        list(expanding_folds(train, valid, 400, max(PLAN.spec.knots)))


def test_the_defaults_are_the_first_trial_and_nothing_is_worse(job: Job, tuned: tune.Tuned) -> None:
    trials = trials_of(job, "lightgbm", tuned.study)
    assert trials[0].user_attrs["default"]
    assert trials[0].params["learning_rate"] == DEFAULTS["lightgbm"]["learning_rate"]
    assert trials[0].value == tuned.default_loss >= tuned.loss > 0
    assert tuned.gain == pytest.approx(1 - tuned.loss / tuned.default_loss)
    assert tuned.trials == len(trials) == 5
    assert tuned.params.items() >= {"n_estimators": 8, "num_leaves": 4}.items()
    assert set(tuned.params) == set(SPACES["lightgbm"]) | set(FIXED)


def test_a_study_is_a_run_with_a_run_below_it_for_each_trial(job: Job, tuned: tune.Tuned) -> None:
    client = connect()
    found = client.get_experiment_by_name("power-nowcast/tuneland")
    assert found is not None
    runs = client.search_runs([found.experiment_id])
    (parent,) = [one for one in runs if one.data.params.get("study") == tuned.study]
    below = [one for one in runs if one.data.tags.get(PARENT) == parent.info.run_id]
    assert len(below) == tuned.trials
    assert {one.info.status for one in [parent, *below]} == {"FINISHED"}
    assert sum(one.data.tags["state"] == "pruned" for one in below) == tuned.pruned
    assert min(one.data.metrics["valid_loss"] for one in below) == pytest.approx(tuned.loss)
    assert all("learning_rate" in one.data.params and "fold_loss" in one.data.metrics for one in below)
    assert parent.data.metrics["gain"] == pytest.approx(tuned.gain)
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files >= {"best.json", "trials.json", "importance.json", "study.png", "features.json"}


def test_the_same_call_has_nothing_left_to_do(job: Job, tuned: tune.Tuned) -> None:
    told: list[str] = []
    assert tune.tune(job_of(job.region, told), "lightgbm", TUNING) == tuned
    assert told == []


def test_training_takes_the_file(job: Job, tuned: tune.Tuned) -> None:
    _, version = training.train(job, "lightgbm", **training.read_params(tuned.file, "lgbm"))
    logged = connect().get_run(version.run_id).data.params
    assert float(logged["learning_rate"]) == tuned.params["learning_rate"]
    with pytest.raises(ConfigurationError, match="--model lightgbm"):
        training.read_params(tuned.file, "xgboost")
    wrong = tuned.file.parent / "wrong.json"
    for text, said in (("[1]", "not a file of parameters"), ('{"kind": "xgboost", "params": {"leafs": 3}}', "leafs")):
        wrong.write_text(text)
        with pytest.raises(ConfigurationError, match=said):
            training.read_params(wrong, "xgboost")


CHILD = """
import os, signal
from power_nowcast.jobs import tune
from tests.small_job import job_of
from tests.jobs.test_tune import FIXED

told = []
def judge(*arguments, **options):
    told.append(1)
    if len(told) == 6:  # in the second fold of the third trial
        os.kill(os.getpid(), signal.SIGKILL)
    return judged(*arguments, **options)

judged, tune.fit_and_judge = tune.fit_and_judge, judge
tune.tune(job_of("tuneland.toml"), "lightgbm", tune.Plan(trials=4, folds=2, seed=7, fixed=FIXED))
"""


@pytest.mark.integration
def test_a_killed_study_goes_on_with_the_trials_of_an_undisturbed_one(job: Job, tuned: tune.Tuned) -> None:
    root = Path(tune.__file__).parents[3]
    path = os.pathsep.join([str(root / "src"), str(root), os.environ.get("PYTHONPATH", "")])
    killed = subprocess.run([sys.executable, "-c", CHILD], env=os.environ | {"PYTHONPATH": path}, check=False)
    assert killed.returncode == -signal.SIGKILL
    plan = tune.Plan(trials=4, folds=2, seed=7, fixed=FIXED)
    done = tune.tune(job, "lightgbm", plan)
    trials = trials_of(job, "lightgbm", done.study)
    assert [one.state.name for one in trials].count("FAIL") == 1
    assert len(trials) == 5
    failed = next(one for one in trials if one.state.name == "FAIL")
    again = trials[failed.number + 1]
    assert again.params == failed.params
    assert again.user_attrs["mlflow_run"] == failed.user_attrs["mlflow_run"], "the trial has one run"
    forget(job, "lightgbm")
    Path(job.store.root, "documents", job.region.name, "tune/lightgbm/studies.db").unlink()
    undisturbed = tune.tune(job, "lightgbm", plan)
    assert finished(trials_of(job, "lightgbm", undisturbed.study)) == finished(trials)
    assert undisturbed == done


def forget(job: Job, kind: str) -> None:
    """Lose the local database of a kind's studies."""
    (job.artifacts / "tune" / kind / "studies.db").rename(job.artifacts / f"{kind}.db")


def test_a_machine_without_the_folder_goes_on_with_the_study(job: Job) -> None:
    plan, told = tune.Plan(trials=2, folds=1, seed=11, fixed=FIXED), list[str]()
    done = tune.tune(job, "xgboost", plan)
    forget(job, "xgboost")
    again = tune.tune(replace(job, progress=told.append), "xgboost", plan)
    assert again == done
    assert told == []
    assert job.store.documents.read(f"{job.region.name}/tune/xgboost/best")["params"] == done.params


def test_ctrl_c_leaves_a_trial_that_is_taken_up(job: Job) -> None:
    plan = tune.Plan(trials=2, folds=1, fixed=FIXED)
    with pytest.raises(KeyboardInterrupt):
        tune.tune(job_of(job.region, stop_at="trial 1 of 2"), "xgb", plan)
    assert tune.tune(job, "xgboost", plan).trials == 2


def test_time_that_is_up_ends_a_study(job: Job) -> None:
    plan = tune.Plan(trials=9, folds=1, timeout_seconds=3.5, seed=3, fixed=FIXED)
    ticks = count()
    assert tune.tune(job, "xgboost", plan, clock=lambda: float(next(ticks))).trials == 1
    with pytest.raises(ModelError, match="--timeout"):
        tune.tune(job, "xgboost", tune.Plan(timeout_seconds=0, seed=4, fixed=FIXED), clock=lambda: 0.0)


@pytest.mark.slow
def test_a_network_is_tuned_as_boosters_are(job: Job) -> None:
    pytest.importorskip("torch", reason="the extra neural is not installed")
    fixed = {"epochs": 1, "width": 8, "layers": 1, "batch_size": 64}
    done = tune.tune(job, "mlp", tune.Plan(trials=1, folds=1, fixed=fixed))
    assert done.gain == 0
    assert done.params["dropout"] == 0.3


def test_a_study_is_for_one_process_at_a_time(job: Job) -> None:
    with (
        FileLease(job.artifacts / "tune" / "xgboost")(),
        pytest.raises(WriterBusyError, match=f"process {os.getpid()}"),
    ):
        tune.tune(job, "xgboost", TUNING)


def test_what_cannot_be_tuned_is_told(job: Job, tuned: tune.Tuned) -> None:
    for kind in ("persistence", "ensemble"):
        with pytest.raises(ConfigurationError, match="no options to tune") as caught:
            tune.tune(job, kind)
        assert "lightgbm" in caught.value.remedy
    with pytest.raises(ConfigurationError, match="no option leafs"):
        tune.tune(job, "lightgbm", tune.Plan(fixed={"leafs": 3}))
    assert json.loads(tuned.file.read_text())["kind"] == "lightgbm"
    assert mlflow_client.has_run("0" * 32) is False
