"""The steps on a small region from CSV files, with a real MLflow database."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mlflow.entities import Run
from typer.testing import CliRunner

from power_nowcast import cli, mlflow_client, scoring
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.collect.load import write_all
from power_nowcast.contracts import Table
from power_nowcast.errors import MissingDataError, ModelError, PromotionRefusedError, RegistryUnavailableError
from power_nowcast.evaluate.backtest import WRITTEN, truth
from power_nowcast.evaluate.promotion import RULE
from power_nowcast.jobs import promote as promoting
from power_nowcast.jobs.evaluate import Evaluation, evaluate
from power_nowcast.jobs.features import make_features, read_examples, read_manifest
from power_nowcast.jobs.held_out import issues_and_panel
from power_nowcast.jobs.job import Job, Plan
from power_nowcast.jobs.promote import Promotion, promote, rollback
from power_nowcast.jobs.train import best, read_params, train
from power_nowcast.jobs.train import trained as trained_digests
from power_nowcast.mlflow_client.connection import connect
from power_nowcast.mlflow_client.registry import history
from power_nowcast.mlflow_client.runs import MOST_METRICS
from power_nowcast.models.examples import PARTS
from power_nowcast.regions import load
from power_nowcast.report.words import headline
from power_nowcast.settings import settings
from power_nowcast.store.events import events
from tests.small_job import PLAN, TINY, job_of, write_region


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, work_in) -> Job:
    """Data ingested and features made."""
    folder = work_in(tmp_path_factory.mktemp("pipeline"))
    made = job_of(write_region(folder, "stepland"))
    write_all(made.store, made.region)
    make_features(made, PLAN)
    return made


@pytest.fixture(scope="module")
def trained(job: Job) -> dict[str, mlflow_client.Version]:
    return {
        "persistence_ramp": train(job, "persistence_ramp")[1],
        "lightgbm": train(job, "lgbm", **TINY)[1],
    }


@pytest.fixture(scope="module")
def evaluated(job: Job, trained) -> Evaluation:
    return evaluate(job, best(job))


@pytest.fixture(scope="module")
def promoted(job: Job, trained, evaluated) -> Promotion:
    return promote(job, mlflow_client.CANDIDATE, person="ada", reason="the first")


def _tags(job: Job, run_id: str) -> dict[str, str]:
    return dict(connect().get_run(run_id).data.tags)


def test_the_manifest_says_all_of_the_tables(job: Job) -> None:
    manifest = job.store.documents.read("stepland/features")
    assert manifest["region"] == "stepland"
    assert [one["rows"] for one in manifest["inputs"]] == [2 * 60 * 48, 60 * 48, 0, 0]
    assert [len(one["sha256"]) for one in manifest["inputs"]] == [64] * 4
    assert set(manifest["tables"]) == set(PARTS)
    borders = [manifest["split"][name] for name in ("train_start", "valid_start", "test_start", "test_end")]
    assert borders == sorted(borders)
    for part, table in manifest["tables"].items():
        frame = job.store.read_features(job.table(part), version=table["version"])
        assert table["rows"] == len(frame) > 600
        assert table["columns"] == {name: str(kind) for name, kind in frame.schema.items()}
        assert table["first"] == frame["issue_time"].min().isoformat()
        assert table["last"] == frame["issue_time"].max().isoformat()
        low, high = table["ranges"]["origin_mw"]
        assert 500 < low < high < 5000
        assert (low, high) == (frame["origin_mw"].min(), frame["origin_mw"].max())
        assert len(table["sha256"]) == 64


def test_parts_do_not_overlap_even_by_their_outcomes(job: Job) -> None:
    train, valid, test = read_examples(job, read_manifest(job), *PARTS)
    reach = np.timedelta64(max(PLAN.spec.knots), "m")
    assert train.block.issue_times[-1] + reach < valid.block.issue_times[0]
    assert valid.block.issue_times[-1] + reach < test.block.issue_times[0]


def test_features_made_again_are_the_same_versions(job: Job) -> None:
    before = read_manifest(job)
    assert make_features(job, PLAN) == before
    assert read_manifest(job) == before


def test_features_are_logged_as_a_run(job: Job) -> None:
    client = connect()
    found = client.get_experiment_by_name("power-nowcast/stepland")
    assert found is not None
    run = next(r for r in client.search_runs([found.experiment_id]) if r.data.tags["command"] == "features")
    assert run.info.status == "FINISHED"
    assert run.data.tags["owner"] == "tester"
    assert run.data.params["every_minutes"] == "30"
    assert run.data.params["spec.knots"] == "[30, 60, 90]"
    assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"features.json", "manifests.json"}


def test_training_registers_with_figures_and_lineage(job: Job, trained) -> None:
    version = trained["lightgbm"]
    assert version.kind == "lightgbm"
    assert 0 < version.metrics["valid_loss"] < 1
    assert version.metrics["valid_loss"] < trained["persistence_ramp"].metrics["valid_loss"]
    run = connect().get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["n_estimators"] == "40"
    curve = connect().get_metric_history(version.run_id, "learning/valid")
    assert len(curve) > 5
    assert {file.path for file in connect().list_artifacts(version.run_id)} >= {"importance.csv", "test", "training"}
    assert len(version.tags["data_digest"]) == 64


def test_every_trained_model_is_scored_on_the_time_that_no_training_saw(job: Job, trained) -> None:
    split = read_manifest(job)["split"]
    for kind, version in trained.items():
        metrics = connect().get_run(version.run_id).data.metrics
        names = {f"test/{name}_{h}min" for name in ("MAE", "RMSE", "MAPE", "pinball", "coverage_80") for h in (30, 60)}
        assert names | {"valid_loss", "test/loss", "test/coverage_80", "seconds"} <= set(metrics), kind
        assert {name: metrics[name] for name in names} == {name: version.metrics[name] for name in names}
        bundle = Bundle.load(job.artifacts / kind, trained_digests(job)[kind])
        assert bundle.info.train_end < split["test_start"]
        issues, panel = issues_and_panel(job.store, job.region, read_manifest(job))
        nowcasts, _ = bundle.replay(panel, issues)
        actual = truth(panel, job.region, issues, (60,))[:, 0, 0]
        assert metrics["test/MAE_60min"] == pytest.approx(scoring.mae(actual, nowcasts.values[:, 0, 1, 3]))
    own, other = (trained[kind].metrics["test/loss"] for kind in ("lightgbm", "persistence_ramp"))
    assert own < other
    note = connect().get_run(trained["persistence_ramp"].run_id).data.tags["mlflow.note.content"]
    first, last = (f"{datetime.fromisoformat(split[end]):%d %b %Y}" for end in ("test_start", "test_end"))
    assert f"Figures `test/` are of {job.region.series[0]} on {first} to {last}" in note


def test_a_run_has_few_metrics_and_the_rest_as_tables(job: Job, trained, evaluated: Evaluation, promoted) -> None:
    client = connect()
    experiment = client.get_experiment_by_name("power-nowcast/stepland")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    counts = {run.info.run_name: len(run.data.metrics) for run in runs}
    assert counts["train lightgbm"] > 15
    assert max(counts.values()) <= MOST_METRICS, counts
    text = client.download_artifacts(trained["lightgbm"].run_id, "test/by_series.csv")
    table = pl.read_csv(text)
    assert table.select("series", "horizon_min").rows() == [
        (series, horizon) for series in job.region.series for horizon in (30, 60)
    ]
    row = evaluated.card.row("ALL", 60)
    assert table.row(1, named=True)["MAE"] == pytest.approx(row["MAE"], rel=1e-5)
    assert "skill_seasonal naive" in table.columns, "the evaluation's table has every baseline"


def test_the_evaluation_finds_the_figures_of_the_training(trained, evaluated: Evaluation) -> None:
    metrics = connect().get_run(trained["lightgbm"].run_id).data.metrics
    assert metrics["test/MAE_60min"] == trained["lightgbm"].metrics["test/MAE_60min"]
    assert metrics["test/MAE_60min"] == evaluated.card.row("ALL", 60)["MAE"]


def test_the_best_model_becomes_the_candidate(job: Job, trained) -> None:
    assert best(job).version == trained["lightgbm"].version
    candidate = mlflow_client.by_alias(job.region, mlflow_client.CANDIDATE)
    assert candidate is not None
    assert candidate.digest == trained["lightgbm"].digest


def test_evaluation_leaves_report_tables_and_predictions(job: Job, evaluated: Evaluation, trained) -> None:
    folder = evaluated.report.parent
    page = evaluated.report.read_text()
    assert "Toyland" in page
    assert trained["lightgbm"].digest[:16] in page
    predictions = pl.read_parquet(folder / "predictions.parquet")
    assert predictions.schema == WRITTEN
    assert set(predictions["series"]) == {"ALL", "N.E.", "SOUTH 1"}
    assert (predictions["q05"] <= predictions["q95"]).all()
    row = evaluated.card.row("ALL", 60)
    truth = job.store.as_of(Table.POWER, "stepland").group_by("valid_at").agg(pl.col("value").sum(), n=pl.len())
    joined = (
        predictions.filter(pl.col("series") == "ALL", pl.col("horizon_min") == 60)
        .with_columns(valid_at=pl.col("issue_time") + pl.duration(minutes=60))
        .join(truth.filter(pl.col("n") == 2), on="valid_at")
    )
    assert row["MAE"] == pytest.approx((joined["q50"] - joined["value"]).abs().mean(), rel=1e-9)
    assert {path.name for path in folder.glob("*.png")} >= {"pred_vs_actual.png", "residual_hist.png"}
    tables = list((folder / "tables").iterdir())
    assert tables
    assert all(path.stat().st_size > 0 for path in tables)
    run = connect().get_run(trained["lightgbm"].run_id)
    assert run.info.status == "FINISHED"
    assert "evaluation" in {file.path for file in connect().list_artifacts(trained["lightgbm"].run_id)}


def test_promotion_moves_the_alias_and_says_why(job: Job, promoted, trained) -> None:
    assert promoted.production.version == trained["lightgbm"].version
    assert "production" in promoted.production.aliases
    (step,) = history(job.region)
    assert (step.person, step.reason, step.previous) == ("ada", "the first", None)
    assert step.figures["pinball"] > 0
    assert job.store.read_calibration("stepland", promoted.production.digest) is not None


def _newest(job: Job, name: str) -> Run:
    found = connect().get_experiment_by_name(f"power-nowcast/{job.region.name}")
    assert found is not None
    asked = {"filter_string": f"attributes.run_name = '{name}'", "order_by": ["attributes.start_time DESC"]}
    return connect().search_runs([found.experiment_id], **asked)[0]


def test_a_promotion_is_a_run_with_the_rule_the_figures_and_the_decision(job: Job, promoted, trained) -> None:
    run = _newest(job, "promote")
    tags = run.data.tags
    told = {name: tags[name] for name in ("decision", "from_version", "to_version", "person", "reason")}
    version = trained["lightgbm"].version
    assert told == {
        "decision": "promoted", "from_version": "none", "to_version": version, "person": "ada", "reason": "the first"
    }  # fmt: skip
    assert run.data.params["rule.difference upper bound"] == "0.01"
    assert run.data.metrics["decision/coverage 80 _"] == promoted.decision.figures["coverage 80 %"]
    assert len(run.data.metrics) <= MOST_METRICS
    table = pl.read_csv(connect().download_artifacts(run.info.run_id, "decision/figures.csv"))
    assert table["figure"].to_list() == list(promoted.decision.figures)
    assert all(sentence in tags["mlflow.note.content"] for sentence in promoted.decision.reasons)


def test_runs_say_who_made_them_and_how_to_make_them_again(job: Job, trained) -> None:
    tags = _tags(job, trained["lightgbm"].run_id)
    assert tags["mlflow.user"] == tags["owner"] == "tester"
    features = "nowcast features --region stepland --every 30 --valid-days 14 --test-days 14"
    assert tags["run_again"] == f"{features} && nowcast train --region stepland --model lightgbm --params params.json"
    assert tags["mlflow.source.name"] == tags["run_again"]
    params = Path(connect().download_artifacts(trained["lightgbm"].run_id, "params.json"))
    assert read_params(params, "lightgbm") == TINY
    assert _tags(job, trained["persistence_ramp"].run_id)["run_again"].endswith("--model persistence_ramp")


def test_the_command_of_a_run_makes_the_same_model_again(job: Job, trained, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = trained["persistence_ramp"].run_id
    commands = _tags(job, run_id)["run_again"].replace("--region stepland", "--region stepland.toml").split(" && ")
    for one in commands:
        done = CliRunner().invoke(cli.app, one.split()[1:])
        assert done.exit_code == 0, done.output
    again = Bundle.load(job.artifacts / "persistence_ramp")
    before = Bundle.load(mlflow_client.download(job.region, trained["persistence_ramp"].version, job.artifacts)[0])
    assert again.model.errors.tolist() == before.model.errors.tolist()


def test_a_models_run_is_described_with_the_picture_of_its_report(job: Job, trained, evaluated: Evaluation) -> None:
    run_id = trained["lightgbm"].run_id
    note = _tags(job, run_id)["mlflow.note.content"]
    assert headline(evaluated.card) in note
    for name in ("evaluation/report.html", "evaluation/pred_vs_actual.png"):
        assert f"(get-artifact?path={name.replace('/', '%2F')}&run_uuid={run_id})" in note
        assert Path(connect().download_artifacts(run_id, name)).stat().st_size > 10_000
    other = _tags(job, trained["persistence_ramp"].run_id)["mlflow.note.content"]
    assert "which no training saw" in other


def test_promoting_what_is_in_production_changes_nothing(job: Job, promoted) -> None:
    again = promote(job, promoted.production.version, person="ada", reason="twice")
    assert again.decision.reasons == ("It is in production already.",)
    assert len(history(job.region)) == 1


def test_a_refused_promotion_keeps_the_alias(job: Job, promoted, trained) -> None:
    told: list[str] = []
    with pytest.raises(PromotionRefusedError, match="not promoted") as caught:
        promote(replace(job, progress=told.append), trained["persistence_ramp"].version, person="ada", reason="try")
    assert f"promote: {RULE}" in told
    assert caught.value.fields["reasons"]
    now = mlflow_client.by_alias(job.region, mlflow_client.PRODUCTION)
    assert now is not None
    assert now.version == promoted.production.version


def test_rollback_goes_back_and_renews_the_calibration(job: Job, promoted) -> None:
    _, second = train(job, "lightgbm", **(TINY | {"seed": 2}))
    decision = promoted.decision
    mlflow_client.promote(job.region, second.version, decision=decision, person="bob", reason="second")
    back = rollback(job, person="ada", reason="the second was worse")
    assert back.version == promoted.production.version
    told = [one.what for one in events(job.store, "stepland", datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC))]
    assert told[0] == f"Version {back.version} is in production, by ada: the first."
    assert told[-1] == f"Version {back.version} is in production again, by ada: the second was worse."
    last = history(job.region)[-1]
    assert (last.action, last.person, last.previous) == ("rollback", "ada", second.version)
    assert job.store.read_calibration("stepland", back.digest) is not None
    tags = _newest(job, "rollback").data.tags
    assert (tags["from_version"], tags["to_version"]) == (second.version, back.version)
    shown = CliRunner(env={"COLUMNS": "160"}).invoke(cli.app, ["models", "--region", "stepland.toml"])
    table = [line.split("│") for line in shown.stdout.partition("In production")[2].splitlines() if "│" in line]
    rows = [[cell.strip() for cell in row[2:-1]] for row in table]
    assert rows[0] == ["rollback", back.version, second.version, "ada", "the second was worse"]
    assert rows[-1] == ["promote", back.version, "", "ada", "the first"]


@pytest.mark.parametrize("moment", ["train: lightgbm", "lightgbm: ALL trained", "registering the version"])
def test_interrupted_training_leaves_no_half_version(job: Job, trained, moment: str) -> None:
    before = mlflow_client.versions(job.region)
    options = TINY | {"seed": 10 + len(moment)}
    broken = job_of(job.region, stop_at=moment)
    with pytest.raises(KeyboardInterrupt):
        train(broken, "lightgbm", **options)
    assert mlflow_client.versions(job.region) == before
    client = connect()
    found = client.get_experiment_by_name("power-nowcast/stepland")
    assert found is not None
    newest = client.search_runs([found.experiment_id], order_by=["attributes.start_time DESC"], max_results=1)[0]
    assert newest.info.status == "KILLED"
    _, version = train(job, "lightgbm", **options)
    assert mlflow_client.versions(job.region)[0].version == version.version
    assert version.aliases == ()


def test_steps_in_the_wrong_order_say_which_comes_first(tmp_path: Path, work_in, job: Job) -> None:
    other = Job(job.region.model_copy(update={"name": "empty"}), job.store, job.settings)
    with pytest.raises(MissingDataError, match="nowcast ingest"):
        other.panel()
    with pytest.raises(MissingDataError, match="nowcast features"):
        read_manifest(other)
    with pytest.raises(ModelError, match="nowcast train"):
        trained_digests(other)


def test_a_short_history_is_refused_with_figures(job: Job) -> None:
    plan = Plan(PLAN.spec, every_minutes=30, days=20, valid_days=14, test_days=14)
    with pytest.raises(MissingDataError, match="20 days of data; training, validation and test need 50"):
        make_features(job, plan)


def test_nothing_after_training_cannot_be_judged(job: Job, trained) -> None:
    last = job.store.last(Table.POWER, "stepland")
    assert last is not None
    with pytest.raises(MissingDataError, match="--test-days"):
        promoting._held_out(job, np.datetime64(last.replace(tzinfo=None), "m"), 30)


def test_mlflow_down_is_told_before_the_work(job: Job, work_in) -> None:
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
        settings.cache_clear()
        with pytest.raises(RegistryUnavailableError, match="make mlflow"):
            train(job_of(job.region, told), "persistence_ramp")
    settings.cache_clear()
    assert told == []
    assert load(f"{job.region.name}.toml").name == "stepland"
