"""A run that is made again: equal to the last bit, or a report of what differs."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from power_nowcast import cli, mlflow_client
from power_nowcast.collect.findings import Finding, State, failed
from power_nowcast.collect.load import write_all
from power_nowcast.contracts import Manifest, Table
from power_nowcast.errors import ModelError, RegistryError
from power_nowcast.jobs import reproduce as reproducing
from power_nowcast.jobs.features import days_of, make_features
from power_nowcast.jobs.job import Job
from power_nowcast.jobs.reproduce import TOLERANCE, reproduce
from power_nowcast.jobs.surroundings import Surroundings
from power_nowcast.jobs.train import train
from power_nowcast.models import search_spaces
from power_nowcast.store import Store
from power_nowcast.store.pinned import Pinned, version_of
from tests.small_job import PLAN, TINY, job_of, write_power, write_region
from tests.toy import toy_rows

ROOT = Path(__file__).parents[2]
NOW = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, work_in) -> Job:
    """Data ingested and features made."""
    folder = work_in(tmp_path_factory.mktemp("again"))
    made = job_of(write_region(folder, "againland"))
    write_all(made.store, made.region)
    make_features(made, PLAN)
    return made


@pytest.fixture(scope="module")
def trained(job: Job) -> mlflow_client.Version:
    return train(job, "lightgbm", **TINY)[1]


@pytest.fixture(scope="module")
def later(job: Job, trained: mlflow_client.Version) -> None:
    """What comes after the training: two more days, and a value that is corrected."""
    rows = toy_rows(62)
    write_power(Path(), rows[60 * 48 :], "power2")
    write_power(Path(), rows[58 * 48 : 58 * 48 + 1].with_columns(pl.col("N.E.") + 500), "power3")
    stored = write_all(job.store, job.region)
    assert stored.stored > 2 * 2 * 48, "with corrections"


def _row(store: Store, region: str) -> pl.DataFrame:
    """A row of power."""
    row = {"region": region, "series": "N.E.", "valid_at": NOW, "value": 1.0, "available_at": NOW, "basis": "delay"}
    return pl.DataFrame([row | {"source": "test"}], store.versions(Table.POWER, region).drop("first_seen_at").schema)


def _by_name(found: list[Finding]) -> dict[str, Finding]:
    return {one.name: one for one in found}


def _all_ok(found: list[Finding], but: tuple[str, ...] = ()) -> bool:
    return all(one.state is State.OK for one in found if one.name not in but)


def test_a_training_is_made_again_to_the_last_bit(job: Job, trained, later) -> None:
    before = mlflow_client.versions(job.region)
    made = reproduce(job, trained.run_id)
    assert (made.version.version, made.fresh) == (trained.version, ())
    assert _all_ok(made.findings), made.findings
    found = _by_name(made.findings)
    assert "equal to the last bit" in found["metrics"].detail
    assert "equal to the last bit" in found["files"].detail
    assert found["answers"].detail.startswith("the largest difference on the golden rows is 0 MW")
    assert found["digest"].detail == trained.digest[:16]
    assert found["seeds"].detail == "seed 1"
    assert "as recorded" in found["data power"].detail
    assert mlflow_client.versions(job.region) == before, "nothing is registered"


def test_a_version_or_an_alias_names_its_run(job: Job, trained) -> None:
    mlflow_client.set_alias(job.region, trained.version, mlflow_client.CANDIDATE)
    run, version = reproducing._found(job, "candidate")
    assert (run.id, version.version) == (trained.run_id, trained.version)
    assert reproducing._found(job, trained.version)[0].tags["model_digest"] == trained.digest


def test_a_run_whose_model_was_registered_before_finds_it(job: Job, trained) -> None:
    """The same training twice gives one version, of the first run."""
    with mlflow_client.run(job.region, "train lightgbm", tags={mlflow_client.DIGEST: trained.digest}) as run:
        pass
    assert reproducing._found(job, run.id)[1].version == trained.version


def test_tables_that_were_ingested_anew_have_other_versions_and_the_same_rows(
    job: Job, trained, later, tmp_path: Path
) -> None:
    store = Store(tmp_path / "anew")
    store.append(Table.POWER, _row(store, "elsewhere"), now=NOW)
    write_all(store, job.region)
    made = reproduce(replace(job, store=store), trained.run_id)
    assert _all_ok(made.findings), made.findings
    assert "equal rows in version" in _by_name(made.findings)["data power"].detail


def test_tables_that_are_lost_are_rebuilt_from_the_raw_archive(job: Job, trained, later, tmp_path: Path) -> None:
    store = Store(tmp_path / "damaged")
    write_all(store, job.region)
    other = Store(tmp_path / "other")
    other.append(Table.POWER, _row(other, "againland"), now=NOW)
    power = Path("interim/power")
    (Path(store.root) / power).rename(tmp_path / "lost")
    (Path(other.root) / power).rename(Path(store.root) / power)
    made = reproduce(replace(job, store=Store(store.root)), trained.run_id)
    assert _all_ok(made.findings), made.findings
    assert "rebuilt from the raw archive" in _by_name(made.findings)["data power"].detail


def test_other_data_are_told_and_nothing_is_trained(job: Job, trained, tmp_path: Path) -> None:
    told: list[str] = []
    empty = replace(job_of(job.region, told), store=Store(tmp_path / "empty"))
    made = reproduce(empty, trained.run_id)
    found = _by_name(made.findings)
    assert found["data power"].state is State.FAIL
    assert "5,760 rows" in found["data power"].detail
    assert "0 rows" in found["data power"].detail
    assert "Nothing was trained" in found["data power"].detail
    assert found["data forecast"].state is State.OK, "there never was any"
    assert {"metrics", "digest"}.isdisjoint(found)
    assert not [text for text in told if "trained" in text]


def test_what_makes_results_differ_is_told_beside_them(
    job: Job, trained, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another default of the code: the setting is named, and the results do not pass."""
    other = dict(search_spaces.DEFAULTS["lightgbm"]) | {"colsample": 0.9}
    monkeypatch.setattr(search_spaces, "DEFAULTS", {**search_spaces.DEFAULTS, "lightgbm": other})
    here = Surroundings.here()
    elsewhere = replace(here, git_sha="1" * 40, code="other", packages=here.packages | {"lightgbm": "0.1", "odd": "2"})
    monkeypatch.setattr(Surroundings, "here", lambda: elsewhere)
    made = reproduce(job, trained.run_id)
    found = _by_name(made.findings)
    assert (found["settings"].state, found["settings"].detail) == (
        State.WARN,
        "colsample 0.2 then, 0.9 here",
    )
    assert found["code"].state is State.WARN
    assert f"lightgbm {here.packages['lightgbm']} then, 0.1 here; odd absent then, 2 here" in found["packages"].detail
    assert [found[name].state for name in ("metrics", "files", "digest", "answers")] == [State.FAIL] * 4
    assert "valid_loss" in found["metrics"].detail or "test/" in found["metrics"].detail
    assert "model/" in found["files"].detail
    assert failed(made.findings)


def test_the_command_ends_with_1_where_a_result_differs(
    job: Job, trained, later, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown() -> tuple[int, dict[str, dict[str, str]]]:
        done = CliRunner().invoke(cli.app, ["reproduce", trained.run_id, "--region", "againland.toml", "--json"])
        return done.exit_code, {row["name"]: row for row in json.loads(done.stdout)}

    code, rows = shown()
    assert (code, {row["state"] for row in rows.values()}) == (0, {"ok"})
    other = dict(search_spaces.DEFAULTS["lightgbm"]) | {"colsample": 0.9}
    monkeypatch.setattr(search_spaces, "DEFAULTS", {**search_spaces.DEFAULTS, "lightgbm": other})
    code, rows = shown()
    assert (code, rows["files"]["state"], rows["settings"]["state"]) == (1, "fail", "warn")


def test_a_run_that_trained_nothing_is_refused(job: Job, trained) -> None:
    with pytest.raises(RegistryError, match="There is no run"):
        reproduce(job, "0" * 32)
    with mlflow_client.run(job.region, "ingest") as run:
        pass
    with pytest.raises(RegistryError, match="has no registered model: it is a run of `ingest`"):
        reproduce(job, run.id)
    with mlflow_client.run(job.region, "train lightgbm", tags={mlflow_client.DIGEST: trained.digest}) as bare:
        pass
    with pytest.raises(ModelError, match="did not record its features"):
        reproduce(job, bare.id)


def test_metrics_may_differ_by_the_tolerance_only_where_bits_need_not_be_equal() -> None:
    before = {"loss": 0.5, "coverage": 0.8}
    near = {"loss": 0.5 * (1 + 0.9 * TOLERANCE), "coverage": 0.8}
    assert reproducing._metrics(before, near, exact=True).state is State.FAIL
    assert reproducing._metrics(before, near, exact=False).state is State.OK
    far = {"loss": 0.5 * (1 + 1.1 * TOLERANCE), "coverage": 0.8}
    assert reproducing._metrics(before, far, exact=False).state is State.FAIL
    assert reproducing._metrics({"loss": 0.5}, before, exact=False).state is State.FAIL, "one was not recorded"
    assert reproducing._metrics({}, {}, exact=False).state is State.FAIL, "nothing was compared"


def test_a_commit_with_changed_files_makes_no_environment(job: Job, trained) -> None:
    run = mlflow_client.recorded(trained.run_id)
    bundle = type("Bundle", (), {"info": type("Info", (), {"git_sha": "a" * 40})})
    first, second, third = reproducing._fresh(run, bundle)  # type: ignore[arg-type]
    assert first == f"git worktree add ../power-nowcast-{'a' * 12} {'a' * 40}"
    assert second == f"make -C ../power-nowcast-{'a' * 12} setup"
    assert third == f"../power-nowcast-{'a' * 12}/.venv/bin/nowcast reproduce {trained.run_id}"
    for lost in ("a" * 40 + "-dirty", "unknown"):
        bundle.info.git_sha = lost  # type: ignore[attr-defined]
        assert reproducing._fresh(run, bundle) == ()  # type: ignore[arg-type]


def test_days_are_read_from_older_manifests() -> None:
    assert days_of({"days": 40}) == 40
    assert days_of({"days": None, "command": "nowcast features --days 3"}) is None
    assert days_of({"command": "nowcast features --region x --days 90 --every 30"}) == 90
    assert days_of({"command": "nowcast features --region x --every 30"}) is None


def test_the_surroundings_are_those_of_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Surroundings.here()
    assert here.python == ".".join(map(str, sys.version_info[:3]))
    assert {"numpy", "lightgbm", "polars", "mlflow", "llvmlite"} <= here.packages.keys()
    assert "pytest" not in here.packages, "tools do not decide a result"
    assert Surroundings.of(json.loads(json.dumps(here.__dict__))) == here
    assert Surroundings.of(None) is None
    cpu = tmp_path / "cpuinfo"
    cpu.write_text("processor\t: 0\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: EPYC 7R13\n")
    monkeypatch.setattr("power_nowcast.jobs.surroundings.PROCESSORS", cpu)
    assert Surroundings.here().machine.endswith("EPYC 7R13 (cpu family 25, model 1)")
    monkeypatch.setattr("power_nowcast.jobs.surroundings.PROCESSORS", tmp_path / "none")
    assert Surroundings.here().machine.startswith(sys.platform.capitalize())


def test_a_pinned_store_answers_as_it_did(tmp_path: Path) -> None:
    store = Store(tmp_path / "pinned")

    def add(minute: int, value: float) -> Manifest:
        at = datetime(2024, 1, 1, 0, minute, tzinfo=UTC)
        row = {"region": "a", "series": "x", "valid_at": at, "value": value, "available_at": at, "basis": "delay"}
        schema = store.versions(Table.POWER, "a").drop("first_seen_at").schema
        store.append(Table.POWER, pl.DataFrame([row | {"source": "t"}], schema), now=at)
        return store.manifest(Table.POWER, "a")

    first, second, _ = add(0, 1.0), add(5, 2.0), add(10, 3.0)
    pinned = Pinned.of(store, [second])
    assert pinned.versions(Table.POWER, "a")["value"].to_list() == [1.0, 2.0]
    assert [time and time.minute for time in pinned.span(Table.POWER, "a")] == [0, 5]
    assert pinned.read_quarantine("a").is_empty()
    assert version_of(store, "a", first) == first.version
    assert version_of(store, "a", second) == second.version
    assert version_of(store, "a", replace(second, sha256="other")) is None
    assert version_of(store, "a", replace(second, rows=9)) is None
    assert np.isfinite(second.rows)


@pytest.mark.slow
def test_a_network_is_made_again(job: Job, trained, later) -> None:
    pytest.importorskip("torch", reason="the networks need PyTorch")
    _, version = train(job, "mlp", epochs=2, width=16, layers=1)
    made = reproduce(job, version.run_id)
    assert not failed(made.findings), made.findings


@pytest.mark.slow
@pytest.mark.timeout(900)  # a fresh clone compiles its kernels first
def test_a_fresh_clone_makes_the_version_again(job: Job, trained, tmp_path: Path) -> None:
    """A clone of what is committed, another process, tables that are ingested anew: the version's results are equal."""
    clone, here = tmp_path / "clone", tmp_path / "elsewhere"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    here.mkdir()
    database = os.environ["MLFLOW_TRACKING_URI"]
    own = {"NOWCAST_DATA": str(here / "data"), "PYTHONPATH": str(clone / "src"), "MLFLOW_TRACKING_URI": database}
    command = [sys.executable, "-m", "power_nowcast.cli"]
    where = {"cwd": here, "env": {**os.environ, **own}, "capture_output": True, "text": True}
    region = ["--region", str(Path("againland.toml").absolute())]
    ingested = subprocess.run([*command, "ingest", *region], check=False, **where)
    assert ingested.returncode == 0, ingested.stderr
    done = subprocess.run([*command, "reproduce", trained.version, *region, "--json"], check=False, **where)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert {row["state"] for name, row in rows.items() if name != "code"} == {"ok"}, (
        "code may hold what is not committed"
    )
