"""compose.yaml at work: PostgreSQL, S3, MLflow with users, a job, the live service, Prometheus, on their own network.

Images that are pulled elsewhere have stand-ins here, of Debian's packages and SeaweedFS's. The product's own is real.
"""

import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from containers import DOCKER, PYTHON, REPOSITORY, Container, Engine

COMPOSE = DOCKER / "compose.yaml"
STANDINS = Path(__file__).parent / "standins"
PROJECT = "nowcast-test"
SECRETS = {
    "POSTGRES_PASSWORD": "made-up-1",
    "S3_KEY": "tester",
    "S3_SECRET": "made-up-2",
    "MLFLOW_PASSWORD": "made-up-3-long",
    "MLFLOW_SECRET": "made-up-4",
}
REGION, REPLAYED = "victoria", "2014-12-20 12:00"
GET = """
import sys, urllib.error, urllib.request
asked = urllib.request.Request(sys.argv[1], headers=dict(one.split("=", 1) for one in sys.argv[2:]))
try:
    with urllib.request.urlopen(asked, timeout=30) as answer:
        print(answer.status, answer.read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""


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


class Compose:
    """podman-compose with this project's services."""

    def __init__(self, engine: Engine, environment: dict[str, str], over: Path) -> None:
        self.engine, self.environment, self._over = engine, environment, over

    def run(self, *words: str, timeout: float = 300, check: bool = True) -> subprocess.CompletedProcess[str]:
        program = [Path(sys.executable).parent / "podman-compose", "--podman-args", f"--runtime={self.engine.runtime}"]
        command = [*program, "--project-name", PROJECT, "--file", COMPOSE, "--file", self._over, *words]
        environment = {**self.engine.environment, **self.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=timeout)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def container(self, service: str) -> Container:
        return Container(self.engine, f"{PROJECT}_{service}_1")

    def up(self, service: str, ready: Callable[[Container], bool], seconds: int = 180) -> Container:
        """Start one service, and wait until it is ready: nothing here starts the checks of health by itself."""
        self.run("up", "--detach", "--no-deps", "--no-build", service)
        found = self.container(service)
        found.wait(lambda: ready(found), seconds)
        return found


def _healthy(container: Container) -> bool:
    return container.engine.podman("healthcheck", "run", container.name, check=False).returncode == 0


@pytest.fixture(scope="module")
def images(engine: Engine, image: str, base: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The images of compose.yaml, by their variables."""
    if not shutil.which("iptables"):
        pytest.skip("iptables not installed: apt-get install --no-install-recommends netavark aardvark-dns iptables")
    folder = tmp_path_factory.mktemp("standins")
    shutil.copytree(STANDINS, folder, dirs_exist_ok=True)
    weed = REPOSITORY / ".venv/bin/weed"
    if not weed.exists():
        pytest.skip("There is no SeaweedFS here: make setup")
    shutil.copy(weed, folder / "weed")
    made = {"NOWCAST_IMAGE": image}
    for name in ("postgres", "s3", "prometheus"):
        made[f"{name.upper()}_IMAGE"] = f"localhost/power-nowcast-{name}:test"
        words = ("--build-arg", f"BASE={base}", "--pull=never")
        engine.build(folder / f"{name}.Dockerfile", folder, made[f"{name.upper()}_IMAGE"], *words)
    return made


@pytest.fixture(scope="module")
def compose(engine: Engine, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """PostgreSQL, S3 and MLflow at work."""
    # The embedded sample is replayed: its publisher is asked for nothing.
    replay = ["live", "--replay", REPLAYED, "--speed", "60"]
    over = tmp_path_factory.mktemp("compose") / "replay.yaml"
    live = {"command": replay, "environment": {"NOWCAST_DATA": "s3://nowcast/replayed"}}
    over.write_text(yaml.safe_dump({"services": {"live": live}}))
    made = Compose(engine, {**SECRETS, **images, "NOWCAST_REGION": REGION}, over)
    made.run("down", "--volumes", check=False)
    try:
        made.up("postgres", _healthy)
        made.up("s3", lambda one: one.exec("bash", "-c", "exec 3<>/dev/tcp/s3/8333", check=False).returncode == 0)
        made.up("mlflow", _healthy)
        yield made
    finally:
        made.run("down", "--volumes", check=False)


def _ask(container: Container, url: str, *headers: str) -> tuple[int, str]:
    done = container.exec(PYTHON, "-c", GET, url, *headers, check=False)
    code, _, body = done.stdout.partition(" ")
    return (int(code), body) if done.returncode == 0 else (0, done.stderr)


@pytest.fixture(scope="module")
def trained(compose: Compose) -> str:
    """The main job as a container of its own, over S3 and MLflow; what it printed."""
    done = compose.run("run", "--rm", "-T", "job", "run", timeout=1800)
    return done.stdout + done.stderr


@pytest.mark.image
def test_mlflow_asks_for_a_password_and_knows_its_names(compose: Compose) -> None:
    mlflow = compose.container("mlflow")
    url = "http://mlflow:5001/api/2.0/mlflow/experiments/get?experiment_id=0"
    login = base64.b64encode(f"admin:{SECRETS['MLFLOW_PASSWORD']}".encode()).decode()
    assert _ask(mlflow, url)[0] == 401
    assert _ask(mlflow, url, f"Authorization=Basic {login}")[0] == 200
    assert _ask(mlflow, url, f"Authorization=Basic {login}", "Host=elsewhere:5001")[0] == 403


@pytest.mark.image
def test_the_job_puts_a_model_into_production(compose: Compose, trained: str) -> None:
    done = compose.run("run", "--rm", "-T", "job", "models")
    assert "production" in done.stdout, trained


@pytest.mark.image
def test_live_serves_it_and_prometheus_watches(compose: Compose, trained: str) -> None:
    live = compose.up("live", lambda one: _ask(one, f"http://live:8000/v1/nowcast/{REGION}")[0] == 200, 300)
    _, body = _ask(live, f"http://live:8000/v1/nowcast/{REGION}")
    assert json.loads(body)["model"]["version"]
    watched = "http://prometheus:9090/api/v1/targets?state=active"
    compose.up("prometheus", lambda _: '"health":"up"' in _ask(live, watched)[1], 90)
    (target,) = json.loads(_ask(live, watched)[1])["data"]["activeTargets"]
    assert target["scrapeUrl"] == "http://live:8000/metrics"
    assert live.stop() == 0


@pytest.mark.image
def test_everything_ends_by_itself(compose: Compose, trained: str) -> None:
    """The last test: each service ends on its signal, within the time that it has."""
    for name in ("mlflow", "s3", "postgres"):
        assert compose.container(name).stop() in (0, 143), name
