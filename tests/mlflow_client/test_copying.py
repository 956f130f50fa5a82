"""A model copied between two databases: versions, runs, tags, aliases, history; what is there is not copied again."""

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest
import uvicorn
from typer.testing import CliRunner

from power_nowcast import cli, mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.contracts import Manifest
from power_nowcast.errors import ArtifactDigestError, ConfigurationError, RegistryError
from power_nowcast.evaluate.promotion import Decision
from power_nowcast.mlflow_client import CANDIDATE, PRODUCTION, STAGING, Version
from power_nowcast.mlflow_client.connection import connect
from power_nowcast.mlflow_client.copying import copy_model, renumbered
from power_nowcast.regions import Region
from power_nowcast.serve.fastapi_app import create_app
from power_nowcast.serve.service import Served
from power_nowcast.serve.start import production
from power_nowcast.settings import settings
from power_nowcast.store import Store
from tests.toy import toy_bundle, toy_region

YES = Decision(True, ("It is better.",), {"pinball": 0.5})
REGION = toy_region("copyland", "power copyland")


def put(bundle: Bundle, folder: Path) -> Version:
    bundle.save(folder)
    with mlflow_client.run(bundle.region, "train") as run:
        run.params({"seed": 1, "spec": {"knots": [30, 60]}})
        run.metrics({"valid_loss": 1 / 3})
        run.curves({"learning/valid": [0.5, 0.4, 0.3]})
        run.manifests([Manifest("power", 3, 10, "2024-01-01", "2024-02-01", "ab" * 32)])
        run.json("features.json", {"spec": 1})
        run.note(f"![picture]({run.link('evaluation/picture.png')})")
        return mlflow_client.register(bundle, folder, run_id=run.id, metrics={"MAE 30": 1 / 7}, tags={"dataset": "toy"})


@pytest.fixture(scope="module")
def empty(database: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Makes databases without this model: copies of one, because MLflow takes long to make its tables."""
    connect(database)
    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    shutil.copy(database.removeprefix("sqlite:///"), file)

    def copy() -> str:
        folder = tmp_path_factory.mktemp("other server")
        shutil.copy(file, folder)
        return f"sqlite:///{folder / file.name}"

    return copy


@pytest.fixture(scope="module")
def other(empty: Callable[[], str]) -> str:
    return empty()


@pytest.fixture(scope="module")
def source(database: str, empty: Callable[[], str], tmp_path_factory: pytest.TempPathFactory, work_in) -> str:
    """A database with three versions, of which the second was deleted, and with promotions."""
    folder, uri = tmp_path_factory.mktemp("first server"), database
    work_in(folder, MLFLOW_TRACKING_URI=uri)
    first, second, third = (
        put(replace(toy_bundle(REGION, seed=n), region=REGION), folder / f"bundle {n}") for n in (1, 2, 3)
    )
    for one in (first, second, third):
        mlflow_client.promote(REGION, one.version, decision=YES, person="ada", reason=f"v{one.version}")
    mlflow_client.rollback(REGION, person="bob", reason="too high")
    mlflow_client.promote(REGION, third.version, decision=YES, person="ada", reason="mended")
    mlflow_client.set_alias(REGION, first.version, CANDIDATE)
    connect().delete_model_version(REGION.model, second.version)
    return uri


@pytest.fixture(scope="module")
def copied(source: str, other: str) -> mlflow_client.Copied:
    return copy_model(REGION, source, other)


def use(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    settings.cache_clear()


def test_versions_come_with_tags_aliases_and_digests(
    source: str, other: str, copied: mlflow_client.Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert copied.numbers == {"1": "1", "3": "2"}
    assert copied.made == ("1", "2")
    assert copied.aliases == {CANDIDATE: "1", PRODUCTION: "2"}
    use(monkeypatch, source)
    before = mlflow_client.versions(REGION)
    use(monkeypatch, other)
    after = mlflow_client.versions(REGION)
    assert [one.digest for one in after] == [one.digest for one in before]
    assert [one.aliases for one in after] == [one.aliases for one in before]
    assert [one.metrics for one in after] == [one.metrics for one in before] == [{"MAE 30": 1 / 7}] * 2
    for old, new in zip(before, after, strict=True):
        plain = {key: value for key, value in old.tags.items() if not key.startswith("promotion.")}
        assert plain.items() <= new.tags.items()


def test_lineage_comes_along(
    source: str, other: str, copied: mlflow_client.Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, source)
    old = connect().get_run(mlflow_client.find(REGION, PRODUCTION).run_id)
    use(monkeypatch, other)
    client = connect()
    version = mlflow_client.find(REGION, PRODUCTION)
    new = client.get_run(version.run_id)
    assert new.info.run_id != old.info.run_id
    assert (new.info.status, new.info.start_time, new.info.end_time) == ("FINISHED", *_times(old))
    assert new.data.params == old.data.params
    assert new.data.metrics == old.data.metrics
    assert new.data.metrics["valid_loss"] == 1 / 3, "to the last digit"
    assert [m.value for m in client.get_metric_history(version.run_id, "learning/valid")] == [0.5, 0.4, 0.3]
    assert new.data.tags["copied_run"] == old.info.run_id
    assert new.data.tags["copied_from"] == source
    assert f"run_uuid={new.info.run_id}" in new.data.tags["mlflow.note.content"]
    assert [one.dataset.to_dictionary() for one in new.inputs.dataset_inputs] == [
        one.dataset.to_dictionary() for one in old.inputs.dataset_inputs
    ]
    assert {file.path for file in client.list_artifacts(version.run_id)} >= {"features.json", "manifests.json"}
    (output,) = new.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert (model.source_run_id, model.tags["digest"]) == (version.run_id, version.digest)


def _times(run: object) -> tuple[int, int]:
    return run.info.start_time, run.info.end_time  # type: ignore[attr-defined]


def test_history_is_told_with_the_numbers_of_the_copy(
    other: str, copied: mlflow_client.Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, other)
    steps = mlflow_client.history(REGION)
    assert [(one.action, one.version, one.previous) for one in steps] == [
        ("promote", "1", None),
        ("promote", "2 (not copied)", "1"),
        ("promote", "2", "2 (not copied)"),
        ("rollback", "2 (not copied)", "2"),
        ("promote", "2", "2 (not copied)"),
    ]
    assert steps[-1].reason == "mended"


def test_a_second_copy_copies_nothing_and_moves_aliases_with_the_source(
    source: str, other: str, copied: mlflow_client.Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, source)
    mlflow_client.set_alias(REGION, "3", STAGING)
    done = CliRunner().invoke(cli.app, ["registry", "copy", source, other, "--region", "nyiso"])
    assert done.exit_code == 1
    assert "has no version" in done.stderr
    again = copy_model(REGION, source, other)
    assert (again.made, again.numbers) == ((), copied.numbers)
    assert again.aliases == {CANDIDATE: "1", PRODUCTION: "2", STAGING: "2"}


def test_a_service_opens_the_copy(
    source: str, other: str, copied: mlflow_client.Copied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOWCAST_ARTIFACTS", str(tmp_path / "artifacts"))
    use(monkeypatch, other)
    digest = mlflow_client.find(REGION, PRODUCTION).digest
    served = {REGION.name: Served(REGION, production(REGION, settings()))}
    app = create_app(served, Store(tmp_path / "data"), default_region=REGION.name)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            thread.join(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        for _ in range(120):
            answer = httpx.get(f"http://127.0.0.1:{port}/v1/models", timeout=10)
            if answer.status_code == 200 and digest in answer.text:
                break
            thread.join(0.5)
        else:
            pytest.fail(answer.text)
    finally:
        server.should_exit = True
        thread.join()


def test_a_damaged_source_is_not_copied(source: str, empty: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, source)
    version = mlflow_client.find(REGION, PRODUCTION)
    model = connect().get_logged_model(connect().get_run(version.run_id).outputs.model_outputs[0].model_id)
    file = Path(unquote(urlsplit(model.artifact_location).path)) / "artifacts/bundle/calibration.json"
    text = file.read_text()
    target = empty()
    try:
        file.write_text(text.replace("1", "2", 1))
        with pytest.raises(ArtifactDigestError, match=r"calibration\.json"):
            copy_model(REGION, source, target)
    finally:
        file.write_text(text)
    use(monkeypatch, target)
    assert [one.version for one in mlflow_client.versions(REGION)] == ["1"], "the version before it"
    again = copy_model(REGION, source, target)
    assert (again.made, again.aliases[PRODUCTION]) == (("2",), "2")
    mlflow_client.promote(REGION, "1", decision=YES, person="cy", reason="here")
    kept = copy_model(REGION, source, target)
    assert "promotions of its own" in kept.kept
    assert kept.aliases[PRODUCTION] == "1", "what is in production there is decided there"


def test_the_same_address_twice_is_refused(source: str, region: Region) -> None:
    with pytest.raises(ConfigurationError, match="the same"):
        copy_model(region, source, source)


def test_a_source_without_the_model_is_told(tmp_path: Path, region: Region) -> None:
    with pytest.raises(RegistryError, match="no such file"):
        copy_model(region, f"sqlite:///{tmp_path / 'none.db'}", f"sqlite:///{tmp_path / 'two.db'}")
    assert not (tmp_path / "none.db").exists()


def test_numbers_of_a_copy_of_a_copy() -> None:
    step = json.dumps({"version": "2 (not copied)", "previous": None})
    assert json.loads(renumbered(step, {"3": "1"}))["version"] == "2 (not copied)"
