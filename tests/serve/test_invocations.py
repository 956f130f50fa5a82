"""A model in a folder behind `/ping` and `/invocations`."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pandas as pd
import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.errors import ArtifactDigestError, ModelError
from power_nowcast.mlflow_client.packaging import save
from power_nowcast.serve.guard import Limits
from power_nowcast.serve.invocations import invocations_app
from tests.backends.servers import HOST, answers, free_ports, running
from tests.serve.conftest import Client
from tests.toy import toy_bundle, toy_region, toy_rows

LIMIT = 1_000_000


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return toy_bundle(toy_region())


@pytest.fixture(scope="module")
def folder(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("model")
    bundle.save(place / "bundle")
    save(bundle, place / "bundle", place / "model")
    return place / "model"


@pytest.fixture(scope="module")
def client(folder: Path) -> Client:
    return Client(invocations_app(folder, Limits(max_body=LIMIT)))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return toy_rows().to_pandas()


def test_it_is_ready_once_the_model_is_loaded(client: Client) -> None:
    assert client.get("/ping").status_code == 200


def test_json_and_csv_are_answered_alike(client: Client, bundle: Bundle, rows: pd.DataFrame) -> None:
    split = rows.astype(object).to_dict(orient="split", index=False)
    split["data"][7][split["columns"].index("N.E.")] = None
    told = client.post("/invocations", json={"dataframe_split": split})
    assert told.status_code == 200
    found = told.json()["predictions"]
    assert {row["model_digest"] for row in found} == {bundle.digest}
    gaps = rows.assign(**{"N.E.": rows["N.E."].where(rows.index != 7)})
    table = client.post("/invocations", content=gaps.to_csv(index=False), headers={"content-type": "text/csv"})
    assert table.json()["predictions"] == found
    assert told.headers["x-request-id"]


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("text/plain", "valid_at", 415),
        ("application/json", "{", 400),
        ("application/json", json.dumps({"dataframe_records": [{"valid_at": "yesterday"}]}), 400),
        ("text/csv", "a" * (LIMIT + 1), 413),
        ("text/csv", "a,b\n1,2,3\n", 400),
        ("text/csv", "", 400),
        ("text/csv; charset=utf-8", "valid_at,N.E.\nnow,1\n", 400),
    ],
)
def test_what_cannot_be_answered_is_refused(client: Client, kind: str, body: str, code: int) -> None:
    assert client.post("/invocations", content=body, headers={"content-type": kind}).status_code == code


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no model that MLflow can load"):
        invocations_app(tmp_path)


def test_a_damaged_model_is_not_served(folder: Path) -> None:
    (file,) = folder.glob("artifacts/bundle/calibration.json")
    before = file.read_bytes()
    try:
        file.write_bytes(before + b" ")
        with pytest.raises(ArtifactDigestError):
            invocations_app(folder)
    finally:
        file.write_bytes(before)


@pytest.mark.integration
def test_the_command_serves_and_ends_by_itself(folder: Path, tmp_path: Path, rows: pd.DataFrame) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "power_nowcast.cli", "serve", "--port", str(port), "--model", str(folder)]
    url = f"http://{HOST}:{port}"
    with running(command, tmp_path, None, lambda: answers(f"{url}/ping", 200), 120) as process:
        split = {"dataframe_split": rows.to_dict(orient="split", index=False), "params": {"horizon": 60}}
        assert httpx.post(f"{url}/invocations", json=split, timeout=60).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_the_command_tells_what_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "power_nowcast.cli", "serve", "--port", "0", "--model", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "mlflow artifacts download" in " ".join(done.stderr.split())
