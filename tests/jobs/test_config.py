"""The settings as they are shown: value, origin, and no secret."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from power_nowcast import cli
from power_nowcast.jobs.config import in_force
from power_nowcast.settings import PARAMETERS, origins, settings

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty folder and none of the variables."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("NOWCAST_", "ENTSOE", "PJM")) or name == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_each_setting_has_its_value_and_its_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("NOWCAST_OWNER=team\nNOWCAST_WORKERS=3\nPJM_API_KEY=\n")
    monkeypatch.setenv("NOWCAST_WORKERS", "5")
    done = CliRunner().invoke(cli.app, ["config", "show", "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["variable"]: (row["value"], row["origin"]) for row in json.loads(done.stdout)}
    assert rows["NOWCAST_OWNER"] == ("team", ".env")
    assert rows["NOWCAST_WORKERS"] == ("5", "environment")
    assert rows["NOWCAST_DATA"] == ("data", "default")
    assert rows["MLFLOW_TRACKING_URI"] == ("sqlite:///mlflow.db", "default")
    assert rows["ENTSOE_API_KEY"] == ("", "default")
    assert len(rows) == len(origins())


def test_the_variable_is_the_one_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOWCAST_TRACKING_URI", "http://own")
    assert origins()["tracking_uri"] == ("NOWCAST_TRACKING_URI", "environment")


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTSOE_API_KEY", SECRET)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://ada:{SECRET}@db.example.org/mlflow?sslpassword={SECRET}")
    urls = {"caiso": f"https://ada:{SECRET}@example.org/x?token={SECRET}&a=1"}
    monkeypatch.setenv("NOWCAST_URLS", json.dumps(urls))
    done = CliRunner().invoke(cli.app, ["config", "show", "--json"])
    assert SECRET not in done.output
    rows = {row["variable"]: row["value"] for row in json.loads(done.stdout)}
    assert rows["ENTSOE_API_KEY"] == "**********"
    assert rows["MLFLOW_TRACKING_URI"].startswith("postgresql://db.example.org/mlflow")
    assert "example.org" in rows["NOWCAST_URLS"]
    assert SECRET not in repr(origins())


def test_a_value_of_the_parameter_store_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("power_nowcast.settings._parameters", lambda _: {"NOWCAST_DATA": f"s3://{SECRET}"})
    monkeypatch.setenv("NOWCAST_SSM_PREFIX", "/power")
    (row,) = [row for row in in_force(settings(), origins()) if row["variable"] == "NOWCAST_DATA"]
    assert row == {"variable": "NOWCAST_DATA", "value": "***", "origin": PARAMETERS}
