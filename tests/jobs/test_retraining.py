"""Retraining by schedule or by skill: the whole line, which ends in the alias `candidate`."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from power_nowcast import mlflow_client
from power_nowcast.jobs import run as main_job
from power_nowcast.monitor.rules import ACTIONS, TRAIN_ANEW
from power_nowcast.store.events import Event, Kind, note
from tests.small_job import PLAN, TINY, job_of, write_region

pytestmark = pytest.mark.slow

MODELS = {"lightgbm": TINY}
LATER = replace(PLAN, test_days=13)
"""Another plan, so that the work is not done yet."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, work_in) -> Path:
    """A region whose first run has found no version in production."""
    made = write_region(work_in(tmp_path_factory.mktemp("retraining")), "candland")
    first = main_job.run(job_of(made), PLAN, MODELS, is_candidate=True, by_skill=True)
    assert first.production.version == "1", "a service needs a first version"
    return made


def test_without_an_alarm_of_skill_nothing_is_trained(file: Path) -> None:
    told: list[str] = []
    job = job_of(file, told)
    note(job.store, [Event("candland", datetime.now(UTC), Kind.RAISED, "It is slow.", "slow loop")])
    outcome = main_job.run(job, LATER, MODELS, is_candidate=True, by_skill=True)
    assert (outcome.production.version, outcome.evaluation, outcome.trained) == ("1", None, ())
    assert told == ["Nothing to do: no alarm that stands asks for a new training."]


def test_an_alarm_of_skill_trains_a_candidate_and_leaves_production_as_it_is(file: Path) -> None:
    told: list[str] = []
    job = job_of(file, told)
    note(job.store, [Event("candland", datetime.now(UTC), Kind.RAISED, "It is 11.", "loss of a week")])
    outcome = main_job.run(job, LATER, MODELS, is_candidate=True, by_skill=True)
    assert told[0] == "Trained anew because of: loss of a week"
    (trained,) = outcome.trained
    assert trained.version == "2"
    assert outcome.evaluation is not None, "the whole line, with its report"
    by_alias = {name: mlflow_client.by_alias(job.region, name) for name in ("production", "candidate")}
    assert {name: one.version for name, one in by_alias.items() if one is not None} == {
        "production": "1",
        "candidate": "2",
    }
    assert outcome.production.version == "1"
    assert "nowcast promote --version candidate" in outcome.refused


def test_the_alarms_that_train_anew_say_so() -> None:
    assert all("rain anew" in ACTIONS[name] for name in TRAIN_ANEW)
    assert {name for name, text in ACTIONS.items() if "rain anew" in text} == set(TRAIN_ANEW)
