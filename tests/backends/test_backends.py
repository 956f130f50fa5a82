"""The main job on real backends: only the environment differs, and the results are equal to the last bit."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from power_nowcast.errors import RegistryError
from power_nowcast.mlflow_client.connection import artifact_location
from tests.backends.servers import (
    BUCKET,
    CREDENTIALS,
    HOST,
    answers,
    free_ports,
    memory_mib,
    postgresql,
    running,
    seaweed,
)
from tests.backends.ways import keep, same
from tests.small_job import write_region

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1500),
]  # servers and main jobs start in processes of their own
ROOT = Path(__file__).parents[2]
START_SECONDS = 400
ADMIN, PASSWORD = "ada", "correct horse battery"
QUOTED = PASSWORD.replace(" ", "%20")
NAMES = ("mlflow:5001", "mlflow.ml.svc.cluster.local:5001")
"""Names by which a service in compose or Kubernetes asks."""
AUTH = """
[mlflow]
default_permission = NO_PERMISSIONS
database_uri = {database}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""
MOST_MIB = 1000
"""Memory of the server without jobs, all processes together: a t3.medium has 4 GiB."""


def bare(folder: Path, **further: str) -> dict[str, str]:
    """An environment without any address or key, for a process in `folder`."""
    own = ("AWS_", "MLFLOW_", "NOWCAST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    places = {f"NOWCAST_{name.upper()}": str(folder / name) for name in ("data", "artifacts", "reports")}
    apart = {"NOWCAST_OWNER": "tester", "NOWCAST_WORKERS": "1", "PYTHONPATH": str(ROOT)}
    return {**kept, **places, **apart, "AWS_EC2_METADATA_DISABLED": "true", **further}


def begin(file: Path, env: dict[str, str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.backends.main_job", str(file)]
    return subprocess.Popen(
        command, env=env, cwd=file.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def made(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, err = process.communicate()
    assert process.returncode == 0, f"{out}\n{err}"
    return json.loads(out.splitlines()[-1].removeprefix("made "))


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables with which a client reaches S3."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as url:
        yield {"AWS_ENDPOINT_URL": url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1", **CREDENTIALS}


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Address of PostgreSQL with its standard database."""
    with postgresql() as address:
        yield f"{address}/postgres"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A region's file with its data."""
    return write_region(tmp_path_factory.mktemp("backends"), "backland")


@pytest.fixture(scope="module")
def embedded(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], dict[str, Any]]:
    """The main job with sqlite and folders, which works beside the tests: what every other way must equal."""
    folder = tmp_path_factory.mktemp("embedded")
    process = begin(file, bare(folder, MLFLOW_TRACKING_URI=f"sqlite:///{folder / 'mlflow.db'}"))
    return cache(lambda: made(process))


@pytest.fixture(scope="module")
def direct(s3: dict[str, str], database: str) -> dict[str, str]:
    """PostgreSQL and S3 with keys at the client: tables and artifacts."""
    return {
        **s3,
        "MLFLOW_TRACKING_URI": database,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": f"s3://{BUCKET}/artifacts",
        "NOWCAST_DATA": f"s3://{BUCKET}/tables",
    }


@pytest.fixture(scope="module")
def server(
    s3: dict[str, str], database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`nowcast mlflow` with users, over PostgreSQL and S3: its address without a user, and its process."""
    folder = tmp_path_factory.mktemp("server")
    config = folder / "auth.ini"
    subprocess.run(["psql", database, "-c", "CREATE DATABASE users", "-c", "CREATE DATABASE runs"], check=True)
    config.write_text(AUTH.format(database=database.replace("/postgres", "/users")))
    (port,) = free_ports(1)
    env = bare(
        folder,
        **s3,
        MLFLOW_TRACKING_URI=database.replace("/postgres", "/runs"),
        MLFLOW_ARTIFACTS_DESTINATION=f"s3://{BUCKET}/proxied",
        MLFLOW_AUTH_CONFIG_PATH=str(config),
        MLFLOW_AUTH_ADMIN_USERNAME=ADMIN,
        MLFLOW_AUTH_ADMIN_PASSWORD=PASSWORD,
        MLFLOW_FLASK_SERVER_SECRET_KEY="of this test",
        MLFLOW_SERVER_ALLOWED_HOSTS=",".join((*NAMES, f"{HOST}:{port}")),
    )
    url = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "power_nowcast.cli", "mlflow", "--port", str(port)]
    with running(command, folder, env, lambda: answers(f"{url}/health", 200), START_SECONDS) as process:
        yield url, process


def test_postgresql_and_s3_with_keys_at_the_client(
    embedded: Callable[[], dict[str, Any]], direct: dict[str, str], file: Path, tmp_path: Path
) -> None:
    found = made(begin(file, bare(tmp_path, **direct)))
    assert same(found) == same(embedded())
    assert embedded()["refused"] == ""
    assert len(embedded()["metrics"]) > 5
    assert not (tmp_path / "data").exists(), "no table lies in a folder"
    assert not list(file.parent.glob("ml*")), "neither does an artifact"
    keep("embedded", embedded())
    keep("direct", found)


def test_a_server_with_users_stores_artifacts_for_a_client_without_keys(
    embedded: Callable[[], dict[str, Any]], server: tuple[str, Any], file: Path, tmp_path: Path
) -> None:
    url, _ = server
    env = bare(tmp_path, MLFLOW_TRACKING_URI=url.replace("://", f"://{ADMIN}:{QUOTED}@"))
    assert not [name for name in env if name.startswith("AWS_") and name != "AWS_EC2_METADATA_DISABLED"]
    found = made(begin(file, env))
    assert same(found) == same(embedded())
    asked = {"experiment_names": ["power-nowcast/backland"]}
    runs = f"{url}/api/2.0/mlflow/experiments/search"
    assert httpx.post(runs, json={"max_results": 5}, timeout=60).status_code == 401, asked
    answer = httpx.post(runs, json={"max_results": 5}, auth=(ADMIN, PASSWORD), timeout=60)
    (experiment,) = (one for one in answer.json()["experiments"] if one["name"] == "power-nowcast/backland")
    assert experiment["artifact_location"].startswith("mlflow-artifacts:")
    keep("proxied", found)


def test_a_wrong_password_is_refused_before_the_work(server: tuple[str, Any], file: Path, tmp_path: Path) -> None:
    url, _ = server
    env = bare(tmp_path, MLFLOW_TRACKING_URI=url.replace("://", f"://{ADMIN}:wrong@"))
    done = subprocess.run(
        [sys.executable, "-m", "power_nowcast.cli", "models", "--region", str(file)],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Check the user and the password" in " ".join(done.stderr.split())
    assert "wrong" not in done.stderr


@pytest.mark.parametrize("path", ["/api/2.0/mlflow/experiments/search", "/ajax-api/2.0/mlflow/experiments/search"])
def test_a_server_answers_to_its_names_only(server: tuple[str, Any], path: str) -> None:
    url, _ = server

    def status(host: str) -> int:
        asked = {"headers": {"Host": host}, "json": {"max_results": 1}, "auth": (ADMIN, PASSWORD), "timeout": 60}
        return httpx.post(f"{url}{path}", **asked).status_code  # type: ignore[arg-type]

    assert {name: status(name) for name in NAMES} == dict.fromkeys(NAMES, 200)
    assert status("mlflow.example.org") == 403


def test_the_server_runs_no_jobs_and_its_memory_is_bounded(server: tuple[str, Any]) -> None:
    _, process = server
    mib, count = memory_mib(process.pid)
    sys.stdout.write(f"server {mib:.0f} MiB in {count} processes\n")
    assert 100 < mib < MOST_MIB
    assert count <= 3


def test_two_main_jobs_at_once_do_not_disturb_each_other(
    embedded: Callable[[], dict[str, Any]], direct: dict[str, str], file: Path, tmp_path: Path
) -> None:
    """The same region, the same tables, the same registry: both end, and both made what one alone makes."""
    database = direct["MLFLOW_TRACKING_URI"]
    subprocess.run(["psql", database, "-c", "CREATE DATABASE pair"], check=True)
    env = direct | {
        "MLFLOW_TRACKING_URI": database.replace("/postgres", "/pair"),
        "NOWCAST_DATA": f"s3://{BUCKET}/{uuid4().hex}",
    }
    # The first connection makes MLflow's tables: that is once, and no job of two at once.
    subprocess.run([sys.executable, "-m", "mlflow", "db", "upgrade", env["MLFLOW_TRACKING_URI"]], check=True)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    processes = [begin(file, bare(tmp_path / name, **env)) for name in ("one", "two")]
    found = [made(process) for process in processes]
    for one in found:
        assert same(one) | {"refused": ""} == same(embedded())


def test_a_database_without_a_place_for_artifacts_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", raising=False)
    with pytest.raises(RegistryError, match="has no place for artifacts") as caught:
        artifact_location("postgresql://ada:hunter2@db/runs", "x")
    assert "MLFLOW_DEFAULT_ARTIFACT_ROOT" in caught.value.remedy
    assert "hunter2" not in str(caught.value)
    assert artifact_location("http://server", "x") is None
    assert artifact_location("sqlite:////a b/mlflow.db", "x") == "file:///a%20b/mlartifacts/x"
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "s3://bucket/art/")
    for uri in ("postgresql+psycopg2://db/runs", "sqlite:///mlflow.db"):
        assert artifact_location(uri, "x") == "s3://bucket/art/x"
