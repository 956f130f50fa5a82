"""Settings from AWS Parameter Store, as a server on this machine speaks its protocol."""

import getpass
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from power_nowcast.errors import ConfigurationError
from power_nowcast.settings import settings

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed: it is in the extra aws and in the dev group")

SECRET = "k3y-that-nobody-may-see"


class ParameterStore:
    """Parameters by name, two a page; `asked` holds the bodies of all requests, `fault` answers in their place."""

    def __init__(self) -> None:
        self.parameters: dict[str, str] = {}
        self.asked: list[dict[str, Any]] = []
        self.fault: str | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.headers["X-Amz-Target"] == "AmazonSSM.GetParametersByPath"
                status, answer = outer.answer(body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked.append(body)
        if self.fault is not None:
            return 400, {"__type": self.fault, "message": "is not authorized to perform this"}
        below = sorted(name for name in self.parameters if name.startswith(f"{body['Path']}/"))
        first = int(body.get("NextToken", 0))
        page = [
            {"Name": name, "Type": "SecureString", "Value": self.parameters[name]} for name in below[first : first + 2]
        ]
        further = {"NextToken": str(first + 2)} if len(below) > first + 2 else {}
        return 200, {"Parameters": page, **further}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ParameterStore]:
    """A server, and the environment of a process that is to ask it."""
    made = ParameterStore()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("NOWCAST_", "AWS_")) or name == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{made.server.server_port}",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "NOWCAST_SSM_PREFIX": "/power/live",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    boto3.setup_default_session()  # it remembers the credentials of the test before
    yield made
    settings.cache_clear()
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_parameters_are_settings(store: ParameterStore) -> None:
    store.parameters = {
        "/power/live/NOWCAST_URLS": f'{{"caiso": "https://example.org?key={SECRET}"}}',
        "/power/live/MLFLOW_TRACKING_URI": f"https://me:{SECRET}@example.org",
        "/power/live/nowcast_contact": "me@example.org",
        "/power/other/NOWCAST_OWNER": "another",
    }
    found = settings()
    assert found.urls == {"caiso": f"https://example.org?key={SECRET}"}
    assert found.tracking_uri == f"https://me:{SECRET}@example.org"
    assert (found.contact, found.owner) == ("me@example.org", getpass.getuser())
    assert len(store.asked) == 2, "page by page"
    assert all(body["WithDecryption"] and body["Path"] == "/power/live" for body in store.asked)


def test_the_environment_and_its_file_come_first(
    store: ParameterStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.parameters = {f"/power/live/NOWCAST_{name}": "parameter" for name in ("OWNER", "CONTACT", "DATA")}
    (tmp_path / ".env").write_text("NOWCAST_OWNER=file\nNOWCAST_CONTACT=file\n")
    monkeypatch.setenv("NOWCAST_CONTACT", "environment")
    found = settings()
    assert (found.owner, found.contact, found.data) == ("file", "environment", "parameter")


def test_the_prefix_may_stand_in_the_file(
    store: ParameterStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOWCAST_SSM_PREFIX")
    assert settings().owner == getpass.getuser()
    assert store.asked == [], "nothing is asked without it"
    store.parameters = {"/power/live/NOWCAST_OWNER": "parameter"}
    (tmp_path / ".env").write_text("NOWCAST_SSM_PREFIX=/power/live\n")
    settings.cache_clear()
    assert settings().owner == "parameter"


def test_a_wrong_parameter_is_named_without_its_value(store: ParameterStore) -> None:
    store.parameters = {"/power/live/NOWCAST_WORKERS": SECRET}
    with pytest.raises(ConfigurationError, match="NOWCAST_WORKERS has a value that it cannot have") as caught:
        settings()
    assert "AWS Parameter Store" in caught.value.remedy
    assert SECRET not in f"{caught.value} {caught.value.fields}"
    assert caught.value.__context__ is None, "an error of the parser would repeat it"


def test_a_refusal_is_told_with_its_remedy(store: ParameterStore) -> None:
    store.fault = "AccessDeniedException"
    with pytest.raises(ConfigurationError, match=r"below /power/live cannot be read.*AccessDenied") as caught:
        settings()
    assert "ssm:GetParametersByPath" in caught.value.remedy
    assert caught.value.fields == {"variable": "NOWCAST_SSM_PREFIX"}


def test_missing_credentials_are_told(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigurationError, match="Unable to locate credentials"):
        settings()
    assert store.asked == []


def test_a_prefix_is_a_path(store: ParameterStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOWCAST_SSM_PREFIX", "power")
    with pytest.raises(ConfigurationError, match="no path") as caught:
        settings()
    assert "slash" in caught.value.remedy
