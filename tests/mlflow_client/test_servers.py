"""Real servers: MLflow's tracking server, and the registered model served with and without this repository."""

import json
import os
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest

from power_nowcast import mlflow_client
from power_nowcast.bundle.bundle import Bundle
from power_nowcast.errors import RegistryUnavailableError
from power_nowcast.evaluate.promotion import Decision
from power_nowcast.live.nowcaster import Nowcaster
from power_nowcast.mlflow_client import PRODUCTION
from power_nowcast.regions import Region
from tests.backends.servers import HOST, answers, running
from tests.mlflow_client.test_connection import closed_port
from tests.serving_examples import run, sections, write_recent
from tests.toy import toy_bundle, toy_panel, toy_region, toy_rows


def post(url: str, body: object) -> tuple[int, dict]:
    answer = httpx.post(url, json=body, timeout=60)
    return answer.status_code, answer.json()


def body_of(rows: pl.DataFrame, **params: object) -> dict:
    split = {"columns": rows.columns, "data": [list(row) for row in rows.rows()]}
    return {"dataframe_split": split, "params": params}


def check_answers(url: str, bundle: Bundle) -> None:
    """Answers by HTTP equal the offline nowcaster's, and bad input is the caller's error."""
    panel = toy_panel(bundle.region)
    for asked, issue in (("", panel.end), ("2024-04-25T12:00:00Z", np.datetime64("2024-04-25T12:00", "m"))):
        expected = Nowcaster(bundle).nowcast(panel, issue)
        status, answer = post(f"{url}/invocations", body_of(toy_rows(), issue_time=asked))
        assert status == 200, answer
        rows = answer["predictions"]
        found = np.array([[row[f"q{round(100 * q):02d}"] for q in expected.quantiles] for row in rows])
        np.testing.assert_allclose(found.reshape(expected.values.shape), expected.values, rtol=0, atol=1e-6)
        assert {row["model_digest"] for row in rows} == {bundle.digest}
        assert {row["calibration_id"] for row in rows} == {bundle.calibration.id}
    # Whole numbers, gaps and text that JSON writes are read as what they are.
    gaps = toy_rows().with_columns(pl.col("N.E.").round(0).cast(pl.Int64), pl.lit(None).alias("KTOY.temperature_c"))
    status, answer = post(f"{url}/invocations", body_of(gaps, horizon=60))
    assert status == 200, answer
    assert [row["horizon_min"] for row in answer["predictions"]] == [60, 60, 60]
    # Rows as pandas writes them, with their index; a zone without values has no answer, and null says so.
    dead = toy_rows().to_pandas()
    dead.loc[dead.index[-8:], "N.E."] = None
    split = json.loads(dead.to_json(orient="split", double_precision=15))
    assert "index" in split
    plain = httpx.post(f"{url}/invocations", json={"dataframe_split": split}, timeout=60)
    assert plain.status_code == 200, plain.text
    rows = json.loads(plain.text, parse_constant=pytest.fail)["predictions"]
    assert {row["series"] for row in rows if row["q50"] is None} == {"N.E."}
    assert {row["quality"] for row in rows if row["q50"] is None} == {"refused"}
    assert all(isinstance(row["q50"], float) for row in rows if row["series"] == "SOUTH 1")
    for bad, said in (
        (body_of(toy_rows().tail(10)), "reach back"),
        (body_of(toy_rows(), horizon=45), "30, 60"),
        (body_of(toy_rows(), issue_time="noon"), "ISO time"),
        (body_of(toy_rows().drop("N.E.")), "N.E."),
        (body_of(toy_rows().with_columns(pl.lit("x").alias("N.E."))), "N.E."),
    ):
        status, answer = post(f"{url}/invocations", bad)
        assert status == 400, answer
        assert said in json.dumps(answer)


def check_documented(url: str, folder: Path) -> None:
    """The example of docs/serving.md runs as it stands there, and the answer has the columns that it names."""
    (section,) = [one for one in sections() if "/invocations" in one.heading]
    assert "http://127.0.0.1:5000/invocations" in section.python
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_recent(folder)
        table = run(section.python.replace("http://127.0.0.1:5000", url))["table"]
    assert isinstance(table, pl.DataFrame)
    assert table.columns == list(section.keys)
    assert table["horizon_min"].unique().to_list() == [60]


def promoted(region: Region, bundle: Bundle, folder: Path) -> str:
    bundle.save(folder)
    with mlflow_client.run(region, "train") as run:
        version = mlflow_client.register(bundle, folder, run_id=run.id, metrics={}, tags={})
    yes = Decision(True, ("First.",), {})
    mlflow_client.promote(region, version.version, decision=yes, person="tester", reason="first")
    return f"models:/{region.model}@{PRODUCTION}"


def test_commands_name_address_and_store() -> None:
    serve = mlflow_client.serve_command("models:/m@production", host="0.0.0.0", port=5000, env_manager="uv")  # noqa: S104
    assert serve[1:] == [
        *("-m", "mlflow", "models", "serve", "--model-uri", "models:/m@production"),
        *("--host", "0.0.0.0", "--port", "5000", "--env-manager", "uv", "--workers", "1"),  # noqa: S104
    ]
    server = mlflow_client.server_command(host=HOST, port=5001, tracking_uri="sqlite:///a b.db", artifacts="kept")
    assert {"sqlite:///a b.db", "--serve-artifacts", "kept", "5001"} < set(server)


def test_their_environment_refuses_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    env = mlflow_client.environment("http://127.0.0.1:1")
    assert env["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert env["MLFLOW_DISABLE_TELEMETRY"] == "false"  # the user's word
    assert env["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:1"
    assert Path(env["PATH"].split(os.pathsep)[0], "python").exists()


@pytest.mark.integration
def test_a_real_tracking_server_holds_all_of_it(use_uri, tmp_path: Path, bundles: tuple[Bundle, Bundle]) -> None:
    port = closed_port()
    url = f"http://{HOST}:{port}"
    command = mlflow_client.server_command(host=HOST, port=port, tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    region = bundles[0].region
    with running(command, tmp_path, mlflow_client.environment(), lambda: answers(f"{url}/health", 200), 120):
        use_uri(url)
        promoted(region, bundles[0], tmp_path / "bundle")
        version = mlflow_client.by_alias(region, PRODUCTION)
        assert version is not None
        assert version.digest == bundles[0].digest
        folder, _ = mlflow_client.download(region, PRODUCTION, tmp_path / "cache")
        Bundle.load(folder).check()
        assert list((tmp_path / "mlartifacts").rglob("MLmodel"))
    with pytest.raises(RegistryUnavailableError, match="make mlflow"):
        mlflow_client.versions(region)


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["persistence_ramp", "lightgbm"])
def test_mlflow_serves_it_from_here(registry_uri: str, tmp_path: Path, kind: str) -> None:
    options = {} if kind == "persistence_ramp" else {"n_estimators": 20}
    bundle = toy_bundle(toy_region(f"here-{kind}", f"here-{kind}"), kind=kind, **options)
    uri = promoted(bundle.region, bundle, tmp_path / "bundle")
    port = closed_port()
    command = mlflow_client.serve_command(uri, host=HOST, port=port)
    url = f"http://{HOST}:{port}"
    with running(command, tmp_path, mlflow_client.environment(), lambda: answers(f"{url}/ping", 200), 120):
        check_answers(url, bundle)
        check_documented(url, tmp_path)


@pytest.mark.integration
@pytest.mark.timeout(900)
def test_mlflow_serves_it_elsewhere(registry_uri: str, tmp_path: Path) -> None:
    """In a new environment, from the wheel and the requirements that the model carries."""
    region = toy_region("elsewhere", "elsewhere")
    pytest.importorskip("torch", reason="the ensemble's network is trained with PyTorch, the extra `neural`")
    small = {"mlp": {"epochs": 1, "width": 8}, "lightgbm": {"n_estimators": 5, "min_child": 20}}
    bundle = toy_bundle(region, kind="ensemble", members=small)
    uri = promoted(region, bundle, tmp_path / "bundle")
    port = closed_port()
    command = mlflow_client.serve_command(uri, host=HOST, port=port, env_manager="uv")
    env = mlflow_client.environment() | {"MLFLOW_ENV_ROOT": str(tmp_path / "envs")}
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        env.pop(name, None)
    url = f"http://{HOST}:{port}"
    with running(command, tmp_path, env, lambda: answers(f"{url}/ping", 200), 800):
        check_answers(url, bundle)
        homes = {path.parent for path in tmp_path.rglob("site-packages/power_nowcast")}
        assert homes, "the new environment holds the wheel"
        assert not any((home / "matplotlib").exists() for home in homes)
