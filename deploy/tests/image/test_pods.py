"""The overlay `dev` as pods, by `podman kube play`, with PostgreSQL, S3 and MLflow with users beside them.

What differs from a cluster: the image's name, the region (the embedded sample, replayed), the place of the tables,
and the secret, which podman wants as JSON. Scheduling, probes, NetworkPolicy and the hook before the end are not tried.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from containers import Container, Engine
from image.composed import IN_CLUSTER, PROJECT, REGION, REPLAYED, SECRETS, Compose, ask
from image.conftest import MEASURED
from kustomize import render

pytestmark = pytest.mark.image
NETWORK = f"{PROJECT}_default"
POD = "power-nowcast-pod-0"
TABLES = "s3://nowcast/pods"
LIVE = ["live", "--replay", REPLAYED, "--speed", "60"]
SECRET = {
    "AWS_ACCESS_KEY_ID": SECRETS["S3_KEY"],
    "AWS_SECRET_ACCESS_KEY": SECRETS["S3_SECRET"],
    "AWS_ENDPOINT_URL": "http://s3:8333",
    "AWS_ALLOW_HTTP": "true",
    "MLFLOW_TRACKING_USERNAME": "admin",
    "MLFLOW_TRACKING_PASSWORD": SECRETS["MLFLOW_PASSWORD"],
}
GIB = 1 << 30


def _document(kind: str) -> dict[str, Any]:
    (found,) = (one for one in render("dev").documents if one["kind"] == kind)
    return found


def _settings(tables: str) -> dict[str, Any]:
    """The overlay's ConfigMap, for the region and the tables of this test."""
    found = _document("ConfigMap")
    found["data"] |= {"NOWCAST_REGION": REGION, "NOWCAST_DATA": tables}
    assert found["data"]["MLFLOW_TRACKING_URI"] == f"http://{IN_CLUSTER}:5001"
    return found


@pytest.fixture(scope="module")
def secret(compose: Compose, trained: str) -> Iterator[Engine]:
    """The secret by which the manifests refer to keys; gives the engine that has it."""
    engine = compose.engine
    coded = {name: base64.b64encode(value.encode()).decode() for name, value in SECRET.items()}
    engine.podman("secret", "rm", "power-nowcast", check=False)
    engine.podman("secret", "create", "power-nowcast", "-", input=json.dumps(coded))
    yield engine
    engine.podman("secret", "rm", "power-nowcast", check=False)


def _play(engine: Engine, folder: Path, *documents: dict[str, Any]) -> None:
    file = folder / "pods.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    engine.podman("kube", "play", "--network", NETWORK, str(file), timeout=300)


@pytest.fixture(scope="module")
def pod(secret: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """The container of the live service, in its pod."""
    deployment = _document("Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container |= {"image": image, "args": LIVE}
    secret.podman("pod", "rm", "--force", POD, check=False)
    try:
        _play(secret, tmp_path_factory.mktemp("pods"), _settings(TABLES), deployment)
        yield Container(secret, f"{POD}-live")
    finally:
        secret.podman("pod", "rm", "--force", POD, check=False)


def test_the_pod_becomes_ready_and_serves(pod: Container) -> None:
    probe = _document("Deployment")["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"]["path"]
    pod.wait(lambda: ask(pod, f"http://127.0.0.1:8000{probe}")[0] == 200, 300)
    code, body = ask(pod, f"http://127.0.0.1:8000/v1/nowcast/{REGION}")
    assert code == 200
    answer = json.loads(body)
    assert answer["region"] == REGION
    assert answer["model"]["version"]
    assert answer["nowcasts"]


def test_it_has_no_rights_and_stays_within_its_memory(pod: Container) -> None:
    told = pod.inspect()
    assert told["Config"]["User"] == "10001:10001"
    assert told["HostConfig"]["ReadonlyRootfs"]
    assert told["EffectiveCaps"] in (None, [])
    assert told["HostConfig"]["Memory"] == GIB
    assert not told["State"]["OOMKilled"]
    usage = pod.engine.podman("stats", "--no-stream", "--format", "{{.MemUsage}}", pod.name).stdout
    MEASURED["memory of the live pod"] = usage.strip()
    status = pod.exec("/usr/bin/cat", "/proc/self/status").stdout
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_it_drains_on_sigterm(pod: Container) -> None:
    """The last test of the pod: it is stopped."""
    assert pod.stop() == 0
    assert "Traceback" not in pod.logs()


def test_retraining_runs_as_a_pod_and_ends(secret: Engine, image: str, tmp_path: Path) -> None:
    """Every step was done by the job of compose on the same tables, so that little is left to do."""
    template = _document("CronJob")["spec"]["jobTemplate"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    container |= {"image": image}
    retrain = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "retrain"}, "spec": template["spec"]}
    secret.podman("pod", "rm", "--force", "retrain", check=False)
    try:
        _play(secret, tmp_path, _settings("s3://nowcast/tables"), retrain)
        job = Container(secret, "retrain-retrain")
        secret.podman("wait", job.name, timeout=1500)
        assert job.inspect()["State"]["ExitCode"] == 0, job.logs()
        assert "Nothing to do" in job.logs()
    finally:
        secret.podman("pod", "rm", "--force", "retrain", check=False)
