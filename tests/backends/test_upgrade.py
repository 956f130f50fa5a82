"""A database of an older MLflow is upgraded once, with its data, and then in use."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from power_nowcast import mlflow_client
from power_nowcast.mlflow_client.connection import connect
from power_nowcast.settings import settings
from tests.backends.servers import postgresql
from tests.toy import toy_region

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # it installs an older MLflow
OLDEST = "3.1.0"
REGION = toy_region("oldland", "power oldland")
FILL = f"""
import sys, mlflow
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1], sys.argv[1])
made = client.create_experiment("power-nowcast/oldland", artifact_location=sys.argv[2])
run = client.create_run(made, run_name="train", tags={{"region": "oldland"}})
client.log_metric(run.info.run_id, "valid_loss", 1 / 3)
client.log_param(run.info.run_id, "seed", "1")
client.set_terminated(run.info.run_id)
client.create_registered_model("{REGION.model}", tags={{"region": "oldland"}})
tags = {{"digest": "ab" * 32, "kind": "lightgbm", "metric.valid_loss": repr(1 / 3)}}
client.create_model_version("{REGION.model}", sys.argv[2] + "/model", run.info.run_id, tags=tags)
client.set_registered_model_alias("{REGION.model}", "production", "1")
print(mlflow.__version__)
"""


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment with the oldest MLflow that this project works with."""
    folder = tmp_path_factory.mktemp("before") / "venv"
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    python = folder / "bin/python"
    wanted = [f"mlflow~={OLDEST}", "psycopg2-binary", "sqlalchemy<2.1"]  # it knows no newer one
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *wanted], check=True)
    return python


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgresql() as address:
        yield f"{address}/postgres"


def revision(database: str) -> str:
    """The form of the database."""
    asked = ["psql", database, "-Atc", "SELECT version_num FROM alembic_version"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def test_a_database_of_an_older_version_is_upgraded_with_its_data(
    before: Path, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [str(before), "-c", FILL, database, tmp_path.as_uri()]
    filled = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert filled.returncode == 0, filled.stderr
    assert filled.stdout.split()[-1] != version("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    settings.cache_clear()
    try:
        old = revision(database)
        command = [sys.executable, "-m", "mlflow", "db", "upgrade", database]
        for _ in range(2):  # the second time there is nothing to do
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
            assert done.returncode == 0, done.stderr
        assert revision(database) != old
        (found,) = mlflow_client.versions(REGION)
        assert (found.version, found.aliases, found.digest) == ("1", ("production",), "ab" * 32)
        assert found.metrics == {"valid_loss": 1 / 3}
        data = connect().get_run(found.run_id).data
        assert (data.metrics, data.params) == ({"valid_loss": 1 / 3}, {"seed": "1"})
        with mlflow_client.run(REGION, "train") as run:
            run.metrics({"valid_loss": 0.25})
        assert connect().get_run(run.id).info.experiment_id == connect().get_run(found.run_id).info.experiment_id
    finally:
        settings.cache_clear()
