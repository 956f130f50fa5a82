"""The main job as a whole on a small region; what is done is not done again."""

import re
import shlex
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from power_nowcast import cli, mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.cli import base, show
from power_nowcast.contracts import Table
from power_nowcast.errors import MissingDataError, PromotionRefusedError, install_remedy
from power_nowcast.features.spec import FeatureSpec
from power_nowcast.jobs import run as main_job
from power_nowcast.jobs.job import Job, Plan
from power_nowcast.jobs.now import newest
from power_nowcast.jobs.run import Outcome
from power_nowcast.mlflow_client.connection import connect
from power_nowcast.regions import load
from power_nowcast.report.words import power
from tests.small_job import PLAN, TINY, job_of, write_power, write_region
from tests.toy import toy_rows

MODELS = {"lightgbm": TINY}
WORSE = TINY | {"n_estimators": 1, "linear": False}
"""One tree without a linear fit to begin with."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, work_in) -> Path:
    return write_region(work_in(tmp_path_factory.mktemp("main job")), "jobland")


@pytest.fixture(scope="module")
def outcome(file: Path) -> Outcome:
    """The first run, interrupted twice on its way."""
    for moment in ("lightgbm: ALL trained", "registering the version"):
        with pytest.raises(KeyboardInterrupt):
            main_job.run(job_of(file, stop_at=moment), PLAN, MODELS)
        assert mlflow_client.by_alias(job_of(file).region, mlflow_client.PRODUCTION) is None
    return main_job.run(job_of(file), PLAN, MODELS)


def _runs(job: Job) -> int:
    client = connect()
    found = client.get_experiment_by_name(f"power-nowcast/{job.region.name}")
    assert found is not None
    return len(client.search_runs([found.experiment_id]))


def test_it_goes_on_after_interruptions_to_production(file: Path, outcome: Outcome) -> None:
    assert outcome.refused == ""
    assert outcome.evaluation is not None
    assert outcome.evaluation.report.is_file()
    assert {"production", "candidate", "staging"} == set(outcome.production.aliases)
    assert outcome.production.kind == "lightgbm"


def test_the_printout_compares_every_trained_model(file: Path, outcome: Outcome) -> None:
    assert outcome.evaluation is not None
    assert [one.kind for one in outcome.trained] == ["lightgbm"]
    other = replace(
        outcome.trained[0], kind="xgboost", version="9", metrics=outcome.trained[0].metrics | {"valid_loss": 0.9}
    )
    before = replace(outcome.trained[0], kind="mlp", version="8", metrics={"valid_loss": 0.95})
    job = job_of(file)
    kept = job.reports / "summary.txt"
    text = kept.read_text(encoding="utf-8") if kept.is_file() else None
    show.scorecard(job, outcome.evaluation, (before, other, outcome.trained[0]))
    lines = kept.read_text(encoding="utf-8").splitlines()
    assert max(map(len, lines)) <= 80, "one terminal wide"
    assert "…" not in kept.read_text(encoding="utf-8"), "nothing is cut off"
    rows = [line.split() for line in lines if "(version" in line]
    assert [row[0] for row in rows] == ["lightgbm", "xgboost", "mlp"], "the best on valid first"
    card = outcome.evaluation.card.row("ALL", 60)
    assert rows[0][3:5] == [power(card["MAE"], "MW"), power(card["RMSE"], "MW")]
    assert rows[2][3:5] == ["\N{EN DASH}", "\N{EN DASH}"], "a version without figures"
    if text is not None:
        kept.write_text(text, encoding="utf-8")


def test_a_second_run_does_nothing(file: Path, outcome: Outcome) -> None:
    told: list[str] = []
    job = job_of(file, told)
    before, runs = mlflow_client.versions(job.region), _runs(job)
    again = main_job.run(job, PLAN, MODELS)
    assert (again.evaluation, again.refused) == (None, "")
    assert again.production == outcome.production
    assert mlflow_client.versions(job.region) == before
    assert _runs(job) == runs
    assert told[-1].startswith("Nothing to do")


def test_the_command_finds_that_nothing_is_to_do(file: Path, outcome: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in list(main_job.RUN_MODELS):
        monkeypatch.delitem(main_job.RUN_MODELS, kind)
    monkeypatch.setitem(main_job.RUN_MODELS, "lightgbm", TINY)
    monkeypatch.setattr(base.console, "width", 1000)
    plan = ["--every", "30", "--valid-days", "14", "--test-days", "14"]
    before = mlflow_client.versions(job_of(file).region)
    done = CliRunner().invoke(cli.app, ["run", "--region", str(file), *plan])
    assert done.exit_code == 0, done.output
    assert "Nothing to do" in done.stderr
    assert f"In production  jobland-nowcast version {outcome.production.version} (lightgbm)" in done.stdout
    named = f"REGION={shlex.quote(str(file))} "
    for target in ("make mlflow", f"make api {named}", f"make serve-mlflow {named}"):
        assert target in done.stdout
    report = re.search(r"Report  +(\S+)", done.stdout)
    assert report is not None
    assert Path(report[1]).is_file()
    assert mlflow_client.versions(job_of(file).region) == before


def test_a_model_without_its_packages_is_left_out_and_named(
    file: Path, outcome: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    told: list[str] = []
    again = main_job.run(job_of(file, told), PLAN, MODELS | {"lstm": {}})
    assert again.production == outcome.production
    assert any("lstm is left out: torch" in text and install_remedy("neural") in text for text in told)
    assert told[-1].startswith("Nothing to do"), "it is the run that was"


def test_what_changes_the_result_changes_the_recipe(file: Path, outcome: Outcome) -> None:
    job = job_of(file)
    recipe = main_job._recipe(job, PLAN, MODELS)
    assert main_job._done(job) == recipe
    changed = [
        (job, PLAN, {"lightgbm": TINY | {"seed": 3}}),
        (job, Plan(PLAN.spec, 60, None, 14, 14), MODELS),
        (job_of(job.region.model_copy(update={"timezone": "UTC"})), PLAN, MODELS),
    ]
    assert len({recipe, *(main_job._recipe(*one) for one in changed)}) == 4


@pytest.mark.parametrize("text", ["", "{", '{"other": 1}', "[]"])
def test_a_damaged_note_counts_as_nothing_done(file: Path, outcome: Outcome, text: str) -> None:
    job = job_of(file)
    note = Path(job.store.root, "documents", job.document(f"{main_job.DONE}.json"))
    kept = note.read_text()
    note.write_text(text)
    assert main_job._done(job) is None
    note.write_text(kept)


def test_the_fan_shows_the_newest_moment(file: Path, outcome: Outcome) -> None:
    job = job_of(file)
    folder, _ = mlflow_client.download(job.region, outcome.production.version, job.artifacts / "versions")
    bundle = Bundle.load(folder)
    found = newest(job, bundle, outcome.production.version)
    fan = found.fan()
    assert (found.answer().issue_time, found.answer().model.version) == (f"{fan.issue_time}:00Z", "1")
    assert (fan.series, fan.steps_minutes) == ("ALL", (30, 60))
    assert fan.values.shape == (2, 7)
    assert len(fan.times) == len(fan.actual) == 8
    assert fan.times[-1] == fan.issue_time
    last = job.store.last(Table.POWER, job.region.name)
    assert last is not None
    present = newest(job, bundle, "1", now=last + timedelta(minutes=47)).nowcast
    assert present.issue_time == fan.issue_time + np.timedelta64(30, "m"), "issued now, where an observation is recent"
    with pytest.raises(MissingDataError, match="no power"):
        newest(job_of(job.region.model_copy(update={"name": "empty"})), bundle, "1")


@pytest.mark.slow
def test_a_region_without_a_model_that_may_be_promoted_says_so(tmp_path_factory, work_in) -> None:
    # A baseline is not better than the best baseline.
    file = write_region(work_in(tmp_path_factory.mktemp("refused")), "refusedland")
    with pytest.raises(PromotionRefusedError, match="baseline"):
        main_job.run(job_of(file), PLAN, {"persistence_ramp": {}})
    job = job_of(file)
    assert mlflow_client.by_alias(job.region, mlflow_client.PRODUCTION) is None
    assert job.store.documents.read("refusedland/main_job") is None


@pytest.mark.slow
def test_new_data_are_worked_in_and_a_worse_model_is_not_promoted(tmp_path_factory, work_in) -> None:
    folder = work_in(tmp_path_factory.mktemp("newer"))
    file = write_region(folder, "newland", days=58)
    first = main_job.run(job_of(file), PLAN, MODELS)
    rows = toy_rows(60)
    write_power(folder, rows[58 * 48 :], "power2")
    with pytest.raises(KeyboardInterrupt):
        main_job.run(job_of(file, stop_at="promote: "), PLAN, {"lightgbm": WORSE})
    still = mlflow_client.by_alias(job_of(file).region, mlflow_client.PRODUCTION)
    assert still is not None
    assert still.version == first.production.version
    again = main_job.run(job_of(file), PLAN, {"persistence_ramp": {}, "lightgbm": WORSE})
    assert again.evaluation is not None
    assert again.refused
    assert again.production.version == first.production.version
    note = job_of(file).store.documents.read("newland/main_job")
    assert note["recipe"]
    assert main_job.run(job_of(file), PLAN, {"persistence_ramp": {}, "lightgbm": WORSE}).evaluation is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "folder", "days"),
    [
        ("aemo-victoria", "aemo", 100),
        ("bpa", "bpa", 150),
        ("caiso-files", "caiso", 100),
        ("elia-solar-files", "elia", 100),
        ("elia-wind-files", "elia", 85),
    ],
)
def test_a_grid_operator_is_one_region_file(
    name: str, folder: str, days: int, tmp_path_factory, work_in, bench_data: Path
) -> None:
    region = load(Path(__file__).parents[2] / f"benchmarks/regions/{name}.toml")
    work_in(tmp_path_factory.mktemp(name))
    job = replace(job_of(region), data=bench_data / folder)
    spec = FeatureSpec.for_interval(region.interval_minutes)
    plan = Plan(spec, every_minutes=30, days=days, valid_days=days // 5, test_days=days // 5)
    done = main_job.run(job, plan, {"lightgbm": {"n_estimators": 100, "learning_rate": 0.1, "num_leaves": 15}})
    assert done.refused == ""
    assert done.evaluation is not None
    assert done.evaluation.report.is_file()
    assert {"production", "candidate", "staging"} == set(done.production.aliases)
    folder, _ = mlflow_client.download(region, done.production.version, job.artifacts)
    assert newest(job, Bundle.load(folder), done.production.version).fan()
