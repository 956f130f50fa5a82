"""compose.yaml at work, for the tests: the servers of a deployment on their own network.

Images that are pulled elsewhere have stand-ins here, of Debian's packages and SeaweedFS's. The product's own is real.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from containers import DOCKER, PYTHON, Container, Engine

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
SERVERS = ("mlflow", "s3", "postgres")
IN_CLUSTER = "mlflow.mlflow.svc.cluster.local"
"""The name of MLflow's service in Kubernetes."""
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


class Compose:
    """podman-compose with this project's services."""

    def __init__(self, engine: Engine, environment: dict[str, str], over: Path) -> None:
        self.engine, self.environment, self._over = engine, environment, over

    def run(self, *words: str, timeout: float = 300, check: bool = True) -> subprocess.CompletedProcess[str]:
        program = [
            Path(sys.executable).parent / "podman-compose",
            f"--podman-args=--runtime={self.engine.runtime}",
            "--profile=job",
        ]
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


def healthy(container: Container) -> bool:
    return container.engine.podman("healthcheck", "run", container.name, check=False).returncode == 0


def ask(container: Container, url: str, *headers: str) -> tuple[int, str]:
    done = container.exec(PYTHON, "-c", GET, url, *headers, check=False)
    code, _, body = done.stdout.partition(" ")
    return (int(code), body) if done.returncode == 0 else (0, done.stderr)
