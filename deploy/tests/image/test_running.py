"""The image at work, without a network with a read-only root: main job, service, health, memory, SIGTERM."""

import json
import re

import pytest

from containers import PYTHON, SLEEP, Container, Engine
from image.conftest import Ran

pytestmark = pytest.mark.image
SERVICE = ("live", "--region", "nyiso", "--replay", "2019-06-20 12:00", "--speed", "60")
"""The embedded sample, replayed: no publisher is asked."""
MEMORY = "1g"
REPLAYED = ("--env", "NOWCAST_DATA=replayed")
ASK = """
import json, urllib.request
with urllib.request.urlopen("http://127.0.0.1:{port}{path}", timeout=30) as answer:
    print(answer.read().decode())
"""
READING = "/var/lib/power-nowcast/reading"
READ_ON = """
import sys, urllib.request
with urllib.request.urlopen("http://127.0.0.1:8000/v1/stream/nyiso", timeout=120) as answer:
    print(answer.readline().decode(), flush=True)
    open("/var/lib/power-nowcast/reading", "w").close()
    rest = answer.read()
open("/var/lib/power-nowcast/read", "w").write(str(len(rest)))
"""


def _answers(container: Container, path: str, port: int = 8000) -> bool:
    return container.python(ASK.format(port=port, path=path), check=False).returncode == 0


def _health(engine: Engine, container: Container) -> int:
    return engine.podman("healthcheck", "run", container.name, check=False).returncode


def test_the_main_job_puts_a_model_into_production(engine: Engine, image: str, ran: Ran) -> None:
    listed = engine.run(image, "models", options=ran.volume).stdout
    assert re.search(r"lightgbm.*production", listed)
    assert "xgboost" in listed
    assert "lstm is left out" in ran.printed
    # Everything that was made lies in the volume, compiled kernels and fonts too.
    words = (".cache/numba", ".cache/matplotlib", "-name", "*.nbi", "-o", "-name", "fontlist*")
    kept = engine.run(image, *words, options=ran.volume, program="/usr/bin/find").stdout
    assert ".nbi" in kept
    assert "fontlist" in kept


def test_a_second_run_finds_nothing_to_do(engine: Engine, image: str, ran: Ran) -> None:
    done = engine.run(image, "run", options=ran.volume, timeout=600)
    assert "Nothing to do" in done.stdout + done.stderr


def test_the_service_serves_within_its_memory_and_drains(engine: Engine, image: str, ran: Ran) -> None:
    options = (*ran.volume, *REPLAYED, f"--memory={MEMORY}")
    with engine.service(image, *SERVICE, options=options) as container:
        container.wait(lambda: _answers(container, "/v1/nowcast/nyiso"), 300)
        answer = json.loads(container.python(ASK.format(port=8000, path="/v1/nowcast/nyiso")).stdout)
        assert answer["region"] == "nyiso"
        assert len(answer["nowcasts"]) == 12
        assert _health(engine, container) == 0
        engine.podman("exec", "--detach", container.name, PYTHON, "-c", READ_ON)
        container.wait(
            lambda: container.exec("test", "-e", "/var/lib/power-nowcast/reading", check=False).returncode == 0, 60
        )
        assert container.stop() == 0
        assert not container.inspect()["State"]["OOMKilled"]
        assert "Traceback" not in container.logs()
    # The reader of the stream saw its end as one that the service made.
    read = engine.run(
        image, "/var/lib/power-nowcast/read", options=(*ran.volume, "--entrypoint", "/usr/bin/cat")
    ).stdout
    assert read.isdecimal()


def test_a_container_without_a_server_is_not_healthy(engine: Engine, image: str) -> None:
    with engine.service(image, "infinity", options=SLEEP) as container:
        assert _health(engine, container) != 0


def test_the_main_job_ends_on_sigterm(engine: Engine, image: str) -> None:
    """The first process hands the signal on; by itself it would be ignored, and the container killed."""
    with engine.service(image, "run") as container:
        container.wait(lambda: "ingest" in container.logs(), 60)
        assert container.stop() == 143


def test_a_limit_of_memory_holds(engine: Engine, image: str) -> None:
    greedy = ("-c", "held = bytearray(200 << 20); print(len(held))")
    assert engine.run(image, *greedy, options=("--memory=512m",), program=PYTHON).stdout.strip() == str(200 << 20)
    done = engine.run(image, *greedy, options=("--memory=64m", "--memory-swap=64m"), program=PYTHON, check=False)
    assert done.returncode == 137
