"""The command lines that runs are tagged with: the commands read them, and they ask the same question."""

import shlex
from pathlib import Path

import click
import pytest

import power_nowcast.cli
from power_nowcast.cli.group import command
from power_nowcast.cli.plan import plan as planned
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs import commands
from power_nowcast.jobs.job import Job, Plan
from tests.small_job import job_of, write_region

CLI = Path(power_nowcast.cli.__file__).parent


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, work_in) -> Job:
    return job_of(write_region(work_in(tmp_path_factory.mktemp("a folder")), "commandland"))


def options_of(line: str) -> dict[str, object]:
    """The values that a command reads from its line."""
    program, name, *words = shlex.split(line)
    assert program == "nowcast"
    found = command("power_nowcast.cli", CLI, name)
    with click.Context(found, info_name=name) as context:
        found.parse_args(context, words)
        return dict(context.params)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"days": 90, "every": 60, "valid_days": 10, "test_days": 12},
        {"horizon": 30, "lags": "30,60", "rolling": "60,120"},
    ],
)
def test_the_features_are_asked_for_again(job: Job, changes: dict[str, object]) -> None:
    given = {
        "days": None,
        "horizon": 60,
        "lags": None,
        "rolling": None,
        "every": None,
        "valid_days": 30,
        "test_days": 30,
    }
    plan = planned(job, **(given | changes))  # type: ignore[arg-type]
    options = options_of(commands.features(job, plan))
    assert options.pop("region") == "commandland"
    assert planned(job, **options) == plan  # type: ignore[arg-type]


def test_a_region_is_named_as_it_was(job: Job) -> None:
    named = Job(job.region, job.store, job.settings, named="my regions/commandland.toml")
    line = commands.line(named, "train", {"model": "xgboost", "params": None})
    assert line == "nowcast train --region 'my regions/commandland.toml' --model xgboost"
    options = options_of(line)
    assert (options["region"], options["model"]) == ("my regions/commandland.toml", "xgboost")


def test_lists_are_repeated_and_what_is_not_set_is_left_out(job: Job) -> None:
    line = commands.line(job, "backtest", {"first": "2024-01-01T00:00Z", "last": "2024-01-02T00:00Z", "delay": [0, 5]})
    assert line.endswith("--delay 0 --delay 5")
    assert options_of(line)["delay"] == [0, 5]


def test_a_model_with_options_of_its_own_names_their_file(job: Job) -> None:
    made = commands.features(job, Plan(FeatureSpec.for_interval(30), every_minutes=30))
    line = commands.train(job, "lightgbm", {"num_leaves": 7}, {"command": made})
    assert line == f"{made} && nowcast train --region commandland --model lightgbm --params params.json"
    bare = commands.train(job, "lightgbm", {}, {})
    assert bare == "nowcast train --region commandland --model lightgbm", "tables of an older version name no command"
