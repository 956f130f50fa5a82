"""Addresses with a password, servers that are no MLflow, databases that are held or have no driver."""

import http.server
import logging
import os
import sqlite3
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from power_nowcast import mlflow_client
from power_nowcast.errors import NowcastError, RegistryError, RegistryUnavailableError
from power_nowcast.jobs.doctor import Outside, examine
from power_nowcast.mlflow_client.connection import hidden, login_of, shown_address
from power_nowcast.mlflow_client.registry import history
from power_nowcast.settings import settings
from tests.faults import Dripping
from tests.toy import toy_region

PASSWORD = "p@ss w0rd/x"
QUOTED = "p%40ss%20w0rd%2Fx"
REGION = toy_region()


class Answering:
    """A server that is healthy and answers everything else alike."""

    def __init__(self) -> None:
        self.body, self.status, self.health = b"{}", 200, b"OK"
        self.users: set[str | None] = set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.users.add(self.headers.get("Authorization"))
                is_health = self.path == "/health"
                body = outer.health if is_health else outer.body
                self.send_response(200 if is_health else outer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def answering() -> Iterator[Answering]:
    made = Answering()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def begin_run() -> None:
    with mlflow_client.run(REGION, "train"):
        pass


CALLS: list[Callable[[], object]] = [
    begin_run,
    lambda: mlflow_client.versions(REGION),
    lambda: mlflow_client.by_alias(REGION, "production"),
    lambda: history(REGION),
]


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"null", b"garbage", b"<html>Log in</html>", b"", b'{"registered_model": 5}', b"\xff\xfe"]
)
def test_what_is_no_mlflow_is_told(use_uri, answering: Answering, body: bytes) -> None:
    use_uri(f"http://{answering.address}")
    answering.body = body
    for call in CALLS[1:] if b"registered" in body else CALLS:
        with pytest.raises(RegistryUnavailableError, match="is no MLflow: ") as caught:
            call()
        assert answering.address in str(caught.value)
        assert "MLFLOW_TRACKING_URI" in caught.value.remedy


def test_a_web_page_in_place_of_mlflow_is_told(use_uri, answering: Answering) -> None:
    use_uri(f"http://{answering.address}")
    answering.health = b"\n<!DOCTYPE html><title>Log in</title>"
    with pytest.raises(RegistryUnavailableError, match="web page"):
        mlflow_client.connect()


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-Long: "])
def test_a_server_that_drips_or_says_nothing_is_given_up(use_uri, monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr("power_nowcast.mlflow_client.connection.CONNECT_SECONDS", 0.3)
    with Dripping(head) as server:
        use_uri(server.url)
        with pytest.raises(RegistryUnavailableError, match="does not answer within"):
            mlflow_client.connect()


def test_a_password_logs_in_and_is_told_nobody(
    use_uri, answering: Answering, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    use_uri(f"http://us%40er:{QUOTED}@{answering.address}")
    answering.body, answering.status = b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}', 400
    told = []
    for call in CALLS:
        with pytest.raises(RegistryError) as caught:
            call()
        told += [str(caught.value), repr(caught.value.fields), repr(caught.value.__cause__)]
    assert answering.users == {"Basic " + b64encode(f"us@er:{PASSWORD}".encode()).decode()}
    found = examine([], settings(), outside=Outside())
    assert any(one.name == "mlflow" and answering.address in one.detail for one in found)
    captured = capfd.readouterr()
    told += [str(found), caplog.text, captured.out, captured.err, repr(settings())]
    told += mlflow_client.server_command(host="127.0.0.1", port=1)
    assert not [text for text in told if PASSWORD in text or QUOTED in text]
    use_uri(f"http://{answering.address}")
    answering.users.clear()
    with pytest.raises(RegistryError):
        mlflow_client.versions(REGION)
    assert answering.users == {None}, "the password was for the other address"
    assert "MLFLOW_TRACKING_PASSWORD" not in os.environ


def test_a_login_that_is_refused_is_told_with_what_to_check(use_uri, answering: Answering) -> None:
    use_uri(f"http://ada:{QUOTED}@{answering.address}")
    answering.body, answering.status = b"no", 401
    with pytest.raises(RegistryError, match=r"401.*Check the user and the password") as caught:
        mlflow_client.versions(REGION)
    assert QUOTED not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg2", "mysql"])
def test_a_missing_driver_is_named(use_uri, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    modules = ("MySQLdb",) if scheme == "mysql" else ("psycopg", "psycopg2")
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)  # not there, wherever this runs
    use_uri(f"{scheme}://ada:{QUOTED}@127.0.0.1:1/mlflow")
    with pytest.raises(RegistryError, match="needs the Python package") as caught:
        mlflow_client.versions(REGION)
    assert caught.value.fields["package"] in modules
    assert "pip install '" in caught.value.remedy
    assert f"{scheme}://127.0.0.1:1/mlflow" in str(caught.value)
    assert QUOTED not in f"{caught.value}{caught.value.fields}"


def test_an_address_that_mlflow_does_not_know_hides_its_password(use_uri) -> None:
    use_uri(f"fax://ada:{QUOTED}@127.0.0.1:1/mlflow")
    with pytest.raises(RegistryError, match="refused") as caught:
        mlflow_client.versions(REGION)
    assert QUOTED not in str(caught.value)
    assert caught.value.__cause__ is None, "its words repeat the address"


def test_a_database_that_is_locked_is_told(use_uri, tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("CREATE TABLE held (x)")
        other.execute("BEGIN EXCLUSIVE")
        use_uri(f"sqlite:///{database}?timeout=0.1")
        with pytest.raises(RegistryUnavailableError, match="another process holds a lock on the database") as caught:
            mlflow_client.versions(REGION)
    assert "make mlflow" in caught.value.remedy


def test_a_file_that_is_no_database_is_told(use_uri, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database at all, and longer than a header of SQLite" * 10)
    use_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(NowcastError, match="file is not a database"):
        mlflow_client.versions(REGION)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("sqlite:////a/b@c/mlflow.db", "sqlite:////a/b@c/mlflow.db"),
        (f"http://ada:{QUOTED}@host:5000/x", "http://host:5000/x"),
        ("postgresql://ada:p@ss/w@host/db", "postgresql://host/db"),
        ("postgresql://host/db?user=ada&password=hunter2", "postgresql://host/db?user=ada&password=***"),
        ("http://host/?x=a@b", "http://host/?x=a@b"),
        ("databricks", "databricks"),
    ],
)
def test_an_address_is_shown_without_its_user(uri: str, shown: str) -> None:
    assert shown_address(uri) == shown


def test_commands_of_servers_show_no_password() -> None:
    uri = f"postgresql://ada:{QUOTED}@host/db"
    assert not [part for part in mlflow_client.server_command(host="x", port=1, tracking_uri=uri) if QUOTED in part]
    assert mlflow_client.environment(uri)["MLFLOW_BACKEND_STORE_URI"] == uri
    child = mlflow_client.environment(f"https://ada:{QUOTED}@host")
    assert (child["MLFLOW_TRACKING_URI"], child["MLFLOW_TRACKING_PASSWORD"]) == ("https://host", PASSWORD)
    assert login_of("https://host") == ("https://host", {})
    assert hidden(f"at {PASSWORD} or {QUOTED}", uri) == "at *** or ***"
