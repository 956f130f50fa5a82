"""The image as it is built here, and a volume in which it has run the main job."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from containers import DOCKER, REPOSITORY, Engine, lacking
from image.composed import IN_CLUSTER, REGION, REPLAYED, SECRETS, SERVERS, STANDINS, Compose, healthy

BASE = os.environ.get("IMAGE_BASE", "")
"""A base that can be pulled; without one it is made of Debian's packages."""
MADE_BASE = "localhost/power-nowcast-base:trixie"
LEFT_OUT = ("doc", "groff", "info", "linda", "lintian", "locale", "man")
"""What a slim base of Debian leaves out below /usr/share."""
IMAGE = "localhost/power-nowcast:test"
VOLUME = "power-nowcast-test"
HOME = "/var/lib/power-nowcast"
SECONDS = 3000
MEASURED: dict[str, str] = {}
"""What the tests measured; it is told at their end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("image"):  # the first one builds, or waits for the main job
            item.add_marker(pytest.mark.timeout(SECONDS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what, figure in MEASURED.items():
        terminalreporter.write_line(f"{what}: {figure}")


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    if why := lacking():
        pytest.skip(why)
    return Engine(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="session")
def base(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The base: as it is pulled, or what Debian's own tool makes of the packages of a minimal system."""
    if BASE:
        engine.podman("pull", BASE, timeout=600)
        return BASE
    if not engine.exists(MADE_BASE):
        if not shutil.which("mmdebstrap"):
            pytest.skip("mmdebstrap not installed: apt-get install mmdebstrap, or set IMAGE_BASE")
        folder = tmp_path_factory.mktemp("base")
        left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
        packed = ["mmdebstrap", "--quiet", "--variant=minbase", *left_out, "trixie", str(folder / "trixie.tar")]
        subprocess.run(packed, check=True, timeout=900)
        (folder / "Dockerfile").write_text("FROM scratch\nADD trixie.tar /\n")
        engine.build(folder / "Dockerfile", folder, MADE_BASE)
    return MADE_BASE


@pytest.fixture(scope="session")
def image(engine: Engine, base: str) -> str:
    """The image for the processor, built from this tree."""
    options = ["--build-arg", f"BASE={base}", "--pull=never", "--ignorefile", str(DOCKER / "Dockerfile.dockerignore")]
    if own := os.environ.get("SSL_CERT_FILE"):
        options += ["--secret", f"id=certificates,src={own}"]
    begin = time.monotonic()
    engine.build(DOCKER / "Dockerfile", REPOSITORY, IMAGE, *options)
    MEASURED["build"] = f"{time.monotonic() - begin:.0f} s"
    return IMAGE


class Ran(NamedTuple):
    """The main job as it ran: the options that give a container its volume, seconds, and what was printed."""

    volume: tuple[str, ...]
    seconds: float
    printed: str


@pytest.fixture(scope="session")
def ran(engine: Engine, image: str) -> Iterator[Ran]:
    """The main job on the embedded sample, once, into a volume of its own, within 3 GB of memory."""
    engine.podman("volume", "rm", "--force", VOLUME, check=False)
    engine.podman("volume", "create", VOLUME)
    volume = ("--volume", f"{VOLUME}:{HOME}")
    begin = time.monotonic()
    done = engine.run(image, "run", options=(*volume, "--memory=3g"), timeout=3000)
    seconds = time.monotonic() - begin
    MEASURED["main job"] = f"{seconds:.0f} s, within 3 GB of memory"
    yield Ran(volume, seconds, done.stdout + done.stderr)
    engine.podman("volume", "rm", "--force", VOLUME, check=False)


@pytest.fixture(scope="session")
def model(engine: Engine, image: str, ran: Ran) -> Path:
    """The folder of the production model, as MLflow gives it."""
    words = ("artifacts", "download", "--artifact-uri", "models:/power-nowcast@production", "--dst-path", "model")
    registry = ("--env", "MLFLOW_TRACKING_URI=sqlite:///mlflow.db")
    engine.run(image, *words, options=(*ran.volume, *registry), program="/opt/power-nowcast/bin/mlflow")
    return Path(engine.podman("volume", "inspect", "--format", "{{.Mountpoint}}", VOLUME).stdout.strip()) / "model"


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def compose(engine: Engine, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """PostgreSQL, S3 and MLflow at work; in the end they must end by themselves."""
    # The embedded sample is replayed: its publisher is asked for nothing.
    replay = ["live", "--replay", REPLAYED, "--speed", "60"]
    over = tmp_path_factory.mktemp("compose") / "replay.yaml"
    live = {"command": replay, "environment": {"NOWCAST_DATA": "s3://nowcast/replayed"}}
    # Kubernetes asks by the name of its service; a test of pods does, too.
    mlflow = {
        "environment": {"MLFLOW_SERVER_ALLOWED_HOSTS": f"mlflow:5001,{IN_CLUSTER}:5001"},
        "networks": {"default": {"aliases": [IN_CLUSTER]}},
    }
    over.write_text(yaml.safe_dump({"services": {"live": live, "mlflow": mlflow}}))
    made = Compose(engine, {**SECRETS, **images, "NOWCAST_REGION": REGION}, over)
    made.run("down", "--volumes", check=False)
    try:
        made.up("postgres", healthy)
        made.up("s3", lambda one: one.exec("bash", "-c", "exec 3<>/dev/tcp/s3/8333", check=False).returncode == 0)
        made.up("mlflow", healthy)
        yield made
        # Each service ends on its signal, within the time that it has.
        assert {name: made.container(name).stop() for name in SERVERS} == dict.fromkeys(SERVERS, 0)
    finally:
        made.run("down", "--volumes", check=False)


@pytest.fixture(scope="session")
def trained(compose: Compose) -> str:
    """The main job as a container of its own, over S3 and MLflow; what it printed."""
    done = compose.run("run", "--rm", "-T", "job", "run", timeout=1800)
    return done.stdout + done.stderr
