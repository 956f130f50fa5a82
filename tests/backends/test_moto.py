"""AWS Parameter Store, by moto: a command reads its settings from there, page by page, and shows none of them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.backends.servers import HOST, answers, free_ports, running

pytestmark = pytest.mark.integration
KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_REGION": "us-west-2"}


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of moto's server."""
    (port,) = free_ports(1)
    url = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    folder = tmp_path_factory.mktemp("moto")
    with running(command, folder, dict(os.environ), lambda: answers(f"{url}/moto-api/data.json", 200), 120):
        yield url


def test_a_command_reads_its_settings_from_parameter_store(moto: str, tmp_path: Path) -> None:
    client = boto3.client(
        "ssm",
        endpoint_url=moto,
        region_name=KEYS["AWS_REGION"],
        aws_access_key_id="tester",
        aws_secret_access_key="tests",
    )
    given = {
        "NOWCAST_OWNER": "hunter2",
        "NOWCAST_WORKERS": "1",
        "NOWCAST_CONTACT": "hunter2@example.org",
        "MLFLOW_TRACKING_URI": "https://ada:hunter2@example.org",
        "ENTSOE_API_KEY": "hunter2",
        **{f"OTHER_{number}": "x" for number in range(10)},
    }
    for name, value in given.items():
        client.put_parameter(Name=f"/power/live/{name}", Value=value, Type="SecureString", Overwrite=True)
    client.put_parameter(Name="/power/other/NOWCAST_REGION", Value="victoria", Type="String")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NOWCAST_", "AWS_", "MLFLOW_"))}
    env = {**kept, **KEYS, "AWS_ENDPOINT_URL": moto, "NOWCAST_SSM_PREFIX": "/power/live", "NOWCAST_CONTACT": "mine"}
    done = subprocess.run(
        [sys.executable, "-m", "power_nowcast.cli", "config", "show", "--json"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = {row["variable"]: row for row in json.loads(done.stdout)}
    held = {name for name, row in rows.items() if row["origin"] == "AWS Parameter Store"}
    assert held == {"NOWCAST_OWNER", "NOWCAST_WORKERS", "MLFLOW_TRACKING_URI", "ENTSOE_API_KEY"}
    assert rows["NOWCAST_CONTACT"] == {"variable": "NOWCAST_CONTACT", "value": "mine", "origin": "environment"}
    assert rows["NOWCAST_REGION"]["origin"] == "default", "it stands below another path"
    assert "hunter2" not in done.stdout + done.stderr
