"""compose.yaml at work: PostgreSQL, S3, MLflow with users, a job, the live service and Prometheus."""

import base64
import json

import pytest
import yaml

from image.composed import COMPOSE, REGION, SECRETS, Compose, ask


@pytest.fixture(scope="module")
def told() -> dict:
    return yaml.safe_load(COMPOSE.read_text())


def test_services_have_no_rights_and_no_secret_of_their_own(told: dict) -> None:
    for name, service in told["services"].items():
        assert service["mem_limit"], name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
        if name == "postgres":  # its start needs rights, to take its folder and become its user
            continue
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    text = COMPOSE.read_text()
    for name in SECRETS:
        assert f"${{{name}:?" in text
    secret = [line for line in text.splitlines() if any(word in line for word in ("PASSWORD:", "SECRET", "KEY:"))]
    assert secret
    assert all("${" in line for line in secret)


def test_every_name_of_mlflow_is_allowed(told: dict) -> None:
    """Since MLflow 3.5 a request by another name is refused."""
    services = told["services"]
    asked = {
        service["environment"].get("MLFLOW_TRACKING_URI", "")
        for service in services.values()
        if "environment" in service
    }
    names = {uri.removeprefix("http://") for uri in asked if uri.startswith("http://")}
    assert names == {"mlflow:5001"}
    assert names <= set(services["mlflow"]["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(","))


@pytest.mark.image
def test_mlflow_asks_for_a_password_and_knows_its_names(compose: Compose) -> None:
    mlflow = compose.container("mlflow")
    url = "http://mlflow:5001/api/2.0/mlflow/experiments/get?experiment_id=0"
    login = base64.b64encode(f"admin:{SECRETS['MLFLOW_PASSWORD']}".encode()).decode()
    assert ask(mlflow, url)[0] == 401
    assert ask(mlflow, url, f"Authorization=Basic {login}")[0] == 200
    assert ask(mlflow, url, f"Authorization=Basic {login}", "Host=elsewhere:5001")[0] == 403


@pytest.mark.image
def test_the_job_puts_a_model_into_production(compose: Compose, trained: str) -> None:
    done = compose.run("run", "--rm", "-T", "job", "models")
    assert "production" in done.stdout, trained


@pytest.mark.image
def test_live_serves_it_and_prometheus_watches(compose: Compose, trained: str) -> None:
    live = compose.up("live", lambda one: ask(one, f"http://live:8000/v1/nowcast/{REGION}")[0] == 200, 300)
    _, body = ask(live, f"http://live:8000/v1/nowcast/{REGION}")
    assert json.loads(body)["model"]["version"]
    watched = "http://prometheus:9090/api/v1/targets?state=active"
    compose.up("prometheus", lambda _: '"health":"up"' in ask(live, watched)[1], 90)
    (target,) = json.loads(ask(live, watched)[1])["data"]["activeTargets"]
    assert target["scrapeUrl"] == "http://live:8000/metrics"
    assert live.stop() == 0
