import os
import socket
from pathlib import Path

import pytest

from power_nowcast import mlflow_client
from power_nowcast.errors import RegistryUnavailableError
from power_nowcast.mlflow_client.connection import database_folder
from tests.toy import toy_region


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_server_that_is_down_is_named_with_the_remedy(use_uri) -> None:
    port = closed_port()
    use_uri(f"http://someone:secret@127.0.0.1:{port}")
    with pytest.raises(RegistryUnavailableError, match="make mlflow") as caught:
        mlflow_client.versions(toy_region())
    assert str(port) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_run_is_not_begun_when_the_server_is_down(use_uri) -> None:
    use_uri(f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(RegistryUnavailableError), mlflow_client.run(toy_region(), "train"):
        pytest.fail("the body must not run")


def test_a_server_that_only_fails_counts_as_down(use_uri) -> None:
    import http.server
    import threading

    class Failing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        use_uri(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(RegistryUnavailableError, match="503"):
            mlflow_client.connect()
        server.shutdown()


def test_a_server_that_goes_away_later_is_noticed(use_uri) -> None:
    import http.server
    import threading

    class OnlyHealthy(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/health":
                self.send_response(200)
                self.end_headers()
            else:
                self.connection.close()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), OnlyHealthy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        use_uri(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(RegistryUnavailableError):
            mlflow_client.versions(toy_region())
        server.shutdown()


def test_a_database_that_cannot_be_written_is_named(use_uri, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    use_uri(f"sqlite:///{tmp_path / 'file' / 'mlflow.db'}")
    with pytest.raises(RegistryUnavailableError, match="MLFLOW_TRACKING_URI"):
        mlflow_client.connect()
    use_uri(f"sqlite:///{tmp_path}")
    with pytest.raises(RegistryUnavailableError, match="written"):
        mlflow_client.connect()


def test_pickle_stays_refused(registry_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    mlflow_client.connect()
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_folder_of_a_database() -> None:
    assert database_folder("sqlite:////a b/mlflow.db") == Path("/a b")
    assert database_folder("http://127.0.0.1:5001") is None
