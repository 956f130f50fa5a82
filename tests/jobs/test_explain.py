"""Explaining on a small region: contributions add up, at knots, between them and late; the overview names families."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from power_nowcast import mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.collect.load import write_all
from power_nowcast.contracts import Table
from power_nowcast.errors import HistoryError, RegistryError, StaleDataError, UnknownHorizonError, UnknownSeriesError
from power_nowcast.features.families import LABELS
from power_nowcast.jobs import explain
from power_nowcast.jobs.evaluate import evaluate
from power_nowcast.jobs.features import make_features
from power_nowcast.jobs.job import Job, Plan
from power_nowcast.jobs.train import registered, train
from power_nowcast.store import Store
from tests.small_job import PLAN, TINY, job_of, write_region
from tests.toy import DAYS, START

FIRST = START.item().replace(tzinfo=UTC)
AT = FIRST + timedelta(days=50, hours=15)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, work_in) -> Job:
    made = job_of(write_region(work_in(tmp_path_factory.mktemp("explain")), "whyland"))
    write_all(made.store, made.region)
    make_features(made, Plan(PLAN.spec, every_minutes=90, valid_days=14, test_days=14))
    return made


@pytest.fixture(scope="module")
def bundles(job: Job) -> dict[str, Bundle]:
    options = {"lightgbm": TINY, "persistence_ramp": {}, "ensemble": {"members": {"xgboost": TINY, "persistence": {}}}}
    return {kind: train(job, kind, **own)[0] for kind, own in options.items()}


@pytest.mark.parametrize("kind", ["lightgbm", "persistence_ramp", "ensemble"])
@pytest.mark.parametrize("horizon", [30, 60])
@pytest.mark.parametrize("late", [0, 30])
def test_contributions_add_up_to_what_the_model_answers(job: Job, bundles, kind: str, horizon: int, late: int) -> None:
    bundle, last = bundles[kind], FIRST + timedelta(days=DAYS) - timedelta(minutes=30)
    at = last + timedelta(minutes=late) if late else AT
    told = explain.explain(job, bundle, at=at, series="SOUTH 1", horizon_minutes=horizon)
    assert told.age_minutes == late
    assert told.persistence_mw + sum(p.contribution_mw for p in told.parts) == pytest.approx(told.median_mw, abs=1e-9)
    assert told.parts[0].family == explain.BASE
    assert {part.family for part in told.parts[1:]} <= {*LABELS, explain.CALIBRATION}
    if kind == "persistence_ramp":
        assert explain.CALIBRATION not in {part.family for part in told.parts}
    assert told.low_80_mw < told.median_mw < told.high_80_mw
    assert (told.outcome_mw is None) == bool(late)
    assert json.loads(json.dumps(told.to_json()))["kind"] == kind


def test_values_stand_beside_what_is_usual(job: Job, bundles) -> None:
    told = explain.explain(job, bundles["lightgbm"], at=AT)
    assert told.series == "ALL"
    assert told.compared_with == "the same time of 12 earlier days off", "2024-04-20 is a Saturday"
    assert told.method == "TreeSHAP"
    sizes = [abs(part.contribution_mw) for part in told.parts[1:]]
    assert sizes == sorted(sizes, reverse=True)
    values = [value for part in told.parts for value in part.values]
    assert all(np.isfinite([one.value, one.usual, one.contribution_mw]).all() for one in values)
    assert len(told.similar) == explain.SIMILAR
    assert [one.distance for one in told.similar] == sorted(one.distance for one in told.similar)
    power = job.store.as_of(Table.POWER, "whyland").group_by("valid_at").agg(pl.col("value").sum())
    load = dict(power.iter_rows())
    for one in told.similar:
        then = datetime.fromisoformat(one.issue_time)
        assert one.ramp_mw == pytest.approx(load[then + timedelta(minutes=60)] - load[then])


def test_an_explanation_knows_nothing_later(job: Job, bundles, tmp_path: Path) -> None:
    told = explain.explain(job, bundles["lightgbm"], at=AT, horizon_minutes=30)
    store = Store(tmp_path / "cut")
    write_all(store, job.region, end=AT)
    again = explain.explain(Job(job.region, store, job.settings), bundles["lightgbm"], at=AT, horizon_minutes=30)
    assert again.outcome_mw is None
    assert again.parts == told.parts
    assert again.median_mw == told.median_mw


def test_what_cannot_be_explained_is_told(job: Job, bundles) -> None:
    with pytest.raises(UnknownSeriesError):
        explain.explain(job, bundles["lightgbm"], series="NOWHERE")
    with pytest.raises(UnknownHorizonError):
        explain.explain(job, bundles["lightgbm"], horizon_minutes=45)
    with pytest.raises(StaleDataError, match="no value of ALL recent enough"):
        explain.explain(job, bundles["lightgbm"], at=FIRST + timedelta(days=DAYS + 1))
    early = FIRST + timedelta(days=8)
    assert explain.explain(job, bundles["lightgbm"], at=early).compared_with == "no earlier day"
    with pytest.raises(HistoryError, match="no earlier time to compare"):
        explain.explain(job, bundles["ensemble"], at=early)
    with pytest.raises(RegistryError):
        registered(job, "99")


def test_the_overview_ranks_families(job: Job, bundles) -> None:
    told, draws = explain.overview(job, bundles["lightgbm"], repeats=2, rows=80)
    assert sum(told.gains.values()) == pytest.approx(1)
    assert sum(told.gains_by_family.values()) == pytest.approx(1)
    assert not any(name.endswith("_h60") for name in told.gains)
    means = [mean for mean, _ in told.rests_on.values()]
    assert means == sorted(means, reverse=True)
    assert means[0] > 0
    assert {name: len(found) for name, found in draws.items()} == dict.fromkeys(told.rests_on, 2)
    plain, _ = explain.overview(job, bundles["persistence_ramp"], repeats=1, rows=40)
    assert plain.gains == {}
    assert next(iter(plain.rests_on)) == "same time, past days"


@pytest.mark.slow
def test_the_report_of_any_kind_tells_what_the_accuracy_rests_on(job: Job, bundles) -> None:
    newest = mlflow_client.versions(job.region)
    version = next(one for one in newest if one.kind == "ensemble")
    page = evaluate(job, version).report.read_text()
    assert "Permutation importance" in page
    assert "Families of features by importance" in page
    assert "SHAP" not in page, "an ensemble has no trees of its own"
