"""A key in the environment comes out nowhere: not in logs, tables, raw answers, reports or MLflow."""

import gzip
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from power_nowcast import cli, mlflow_client
from power_nowcast.cli import base
from power_nowcast.contracts import Table
from power_nowcast.ingest.web import client
from power_nowcast.regions import load
from power_nowcast.settings import settings
from power_nowcast.store import Store
from tests.faults import Reply, Server
from tests.small_job import write_region

KEY = "k3y-that-nobody-may-see"


def everything(folder: Path) -> dict[Path, bytes]:
    """All that was written, unpacked where it is packed."""
    files = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return files | {file: gzip.decompress(data) for file, data in files.items() if file.suffix == ".gz"}


@pytest.fixture
def own_client() -> Iterator[None]:
    """The process's client is made anew, by the settings of this test."""
    client.cache_clear()
    yield
    client().close()
    client.cache_clear()


def test_a_planted_key_is_nowhere(
    tmp_path: Path, work_in, own_client: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "power_nowcast.ingest")
    with Server() as server:
        server.serve("/outlook", Reply(f"<html><title>{KEY}</title>".encode(), 200, "text/html"))
        host = server.url.removeprefix("http://")
        monkeypatch.setattr(base.console, "width", 1000)
        folder = work_in(
            tmp_path,
            MLFLOW_TRACKING_URI=f"sqlite:///{tmp_path}/mlflow.db",
            ENTSOE_API_KEY=KEY,
            PJM_API_KEY=KEY,
            AWS_SECRET_ACCESS_KEY=KEY,
            NOWCAST_URLS=f'{{"caiso": "http://user:{KEY}@{host}/outlook?securityToken={KEY}"}}',
        )
        (folder / ".env").write_text(f"NOWCAST_GRIDSTATUS_KEY={KEY}\n")
        toml = write_region(folder, "keyland", days=3)
        said = [
            CliRunner().invoke(cli.app, arguments).output
            for arguments in (
                ["ingest", "--region", str(toml)],
                ["ingest", "--region", "caiso"],
                ["doctor", "--region", str(toml), "--region", "caiso", "--json"],
                ["doctor", "--region", "caiso", "--live"],
                ["data", "status", "--region", str(toml)],
                ["data", "verify", "--region", str(toml)],
            )
        ]
        assert server.asked, "the key went where it belongs"
    with mlflow_client.run(load(toml), "ingest") as run:
        run.manifests([Store(settings().data).manifest(Table.POWER, "keyland")])
    written = everything(folder)
    assert any(file.suffix == ".parquet" for file in written)
    assert any(file.parts[-3:-1] == ("keyland", "power") for file in written), "raw answers"
    assert folder / "mlflow.db" in written
    guilty = [file for file, data in written.items() if KEY.encode() in data and file.name != ".env"]
    assert guilty == []
    assert KEY not in caplog.text
    assert [text for text in said if KEY in text] == []
