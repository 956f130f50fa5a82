"""The image as SageMaker starts it: `serve`, the model below /opt/ml/model, port 8080, `/ping` and `/invocations`."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from containers import PYTHON, Container, Engine

pytestmark = pytest.mark.image
ASK = """
import json, sys, urllib.error, urllib.request
method, path, kind, body = json.loads(sys.stdin.read())
asked = urllib.request.Request("http://127.0.0.1:8080" + path, None if body is None else body.encode(), method=method)
if kind:
    asked.add_header("content-type", kind)
try:
    with urllib.request.urlopen(asked, timeout=60) as answer:
        print(json.dumps([answer.status, answer.read().decode()]))
except urllib.error.HTTPError as error:
    print(json.dumps([error.code, error.read().decode()]))
"""
ANNOUNCE = """
from http.client import HTTPConnection
asked = HTTPConnection("127.0.0.1", 8080, timeout=60)
asked.putrequest("POST", "/invocations")
asked.putheader("content-type", "text/csv")
asked.putheader("content-length", "{bytes}")
asked.endheaders()
print(asked.getresponse().status)
"""
LARGEST = 32 * 1024 * 1024


@pytest.fixture(scope="module")
def endpoint(engine: Engine, image: str, model: Path) -> Iterator[Container]:
    mounted = ("--volume", f"{model}:/opt/ml/model:ro", "--memory=1g")
    with engine.service(image, "serve", options=mounted) as container:
        container.wait(lambda: _ask(container, "GET", "/ping")[0] == 200, 240)
        yield container


def _ask(container: Container, method: str, path: str, kind: str = "", body: str | None = None) -> tuple[int, str]:
    words = ("exec", "--interactive", container.name, PYTHON, "-c", ASK)
    done = container.engine.podman(*words, check=False, input=json.dumps([method, path, kind, body]))
    return tuple(json.loads(done.stdout)) if done.returncode == 0 else (0, done.stderr)


@pytest.fixture(scope="module")
def rows(model: Path) -> dict:
    """The example that comes with the model: columns and rows as MLflow's `dataframe_split` has them."""
    return json.loads((model / "serving_input_example.json").read_text())["dataframe_split"]


def _predictions(answer: tuple[int, str]) -> list[dict]:
    code, body = answer
    assert code == 200, body
    return json.loads(body)["predictions"]


def test_json_and_csv_are_answered_alike(endpoint: Container, rows: dict) -> None:
    split = json.dumps({"dataframe_split": rows})
    told = _predictions(_ask(endpoint, "POST", "/invocations", "application/json", split))
    assert {row["series"] for row in told} >= {"NYCA", "N.Y.C."}
    assert {row["horizon_min"] for row in told} == set(range(5, 65, 5))
    assert all(row["q05"] <= row["q50"] <= row["q95"] for row in told if row["q50"] is not None)
    assert any(row["q50"] is not None for row in told)
    lines = [rows["columns"], *rows["data"]]
    table = "\n".join(",".join("" if value is None else str(value) for value in line) for line in lines)
    assert _predictions(_ask(endpoint, "POST", "/invocations", "text/csv", table)) == told


def test_one_horizon_can_be_asked_for(endpoint: Container, rows: dict) -> None:
    asked = json.dumps({"dataframe_split": rows, "params": {"horizon": 60}})
    told = _predictions(_ask(endpoint, "POST", "/invocations", "application/json", asked))
    assert {row["horizon_min"] for row in told} == {60}


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("text/plain", "valid_at", 415),
        ("application/json", "{", 400),
        ("application/json", json.dumps({"dataframe_records": [{"valid_at": "yesterday"}]}), 400),
    ],
)
def test_what_cannot_be_answered_is_refused(endpoint: Container, kind: str, body: str, code: int) -> None:
    assert _ask(endpoint, "POST", "/invocations", kind, body)[0] == code


def test_a_body_beyond_the_limit_is_refused_before_it_is_sent(endpoint: Container) -> None:
    done = endpoint.python(ANNOUNCE.format(bytes=LARGEST + 1))
    assert done.stdout.strip() == "413"


def test_it_is_healthy_and_ends_by_itself(engine: Engine, endpoint: Container) -> None:
    """The last test of the endpoint: it is stopped."""
    assert engine.podman("healthcheck", "run", endpoint.name, check=False).returncode == 0
    assert endpoint.stop() == 0
    assert "Traceback" not in endpoint.logs()


def test_another_model_than_was_registered_is_refused(engine: Engine, image: str, model: Path, tmp_path: Path) -> None:
    """A file of the bundle that was changed ends the start, before anything is answered."""
    copied = tmp_path / "model"
    shutil.copytree(model, copied)
    (calibration,) = copied.glob("artifacts/**/calibration.json")
    calibration.write_text(calibration.read_text() + " ")
    subprocess.run(["chmod", "-R", "a+rX", str(tmp_path)], check=True)
    done = engine.run(image, "serve", options=("--volume", f"{copied}:/opt/ml/model:ro"), check=False)
    assert done.returncode == 1
    assert "calibration.json" in done.stdout + done.stderr


def test_without_a_model_it_says_so(engine: Engine, image: str) -> None:
    done = engine.run(image, "serve", check=False)
    assert done.returncode == 1
    assert "/opt/ml/model holds no model" in " ".join((done.stdout + done.stderr).split())
