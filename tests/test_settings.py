import getpass
from importlib.util import find_spec
from pathlib import Path

import pytest

from power_nowcast.errors import ConfigurationError, install_remedy
from power_nowcast.settings import Settings, settings


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty folder and none of the variables."""
    import os

    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("NOWCAST_") or name == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_defaults_stay_in_the_working_folder() -> None:
    found = settings()
    assert (found.data, found.reports, found.artifacts) == ("data", Path("reports"), Path("artifacts"))
    assert (found.region, found.workers) == ("nyiso", 2)
    assert found.tracking_uri == "sqlite:///mlflow.db"
    assert found.cache_bytes == 512 * 2**20
    assert (found.serve_port, found.mlflow_port, found.api_port, found.host) == (5000, 5001, 8000, "127.0.0.1")


def test_the_owner_is_the_user_of_the_system_where_none_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    assert Settings.read().owner == "ada"
    monkeypatch.setenv("NOWCAST_OWNER", "team load")
    assert Settings.read().owner == "team load"


@pytest.mark.parametrize("error", [OSError("No username set in the environment"), KeyError("getpwuid(): 4711")])
def test_a_user_without_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A container may run as a number; Python 3.12 and 3.13 raise different errors then."""

    def nobody() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert Settings.read().owner == "unknown"


def test_the_environment_comes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(
        "NOWCAST_OWNER=file\nNOWCAST_API_PORT=8001\nMLFLOW_TRACKING_URI=http://file:1\nUNRELATED=1\n"
    )
    monkeypatch.setenv("NOWCAST_OWNER", "environment")
    found = settings()
    assert (found.owner, found.api_port, found.tracking_uri) == ("environment", 8001, "http://file:1")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment:2")
    assert settings().tracking_uri == "http://file:1", "read once"
    assert Settings.read().tracking_uri == "http://environment:2"


def test_mlflow_keeps_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOWCAST_TRACKING_URI", "http://second")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://first")
    assert settings().tracking_uri == "http://first"


def test_every_field_is_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOWCAST_DATA", "s3://bucket/tables")
    monkeypatch.setenv("NOWCAST_REPORTS", "/srv/reports")
    monkeypatch.setenv("NOWCAST_REGIONS", "my regions")
    monkeypatch.setenv("NOWCAST_WORKERS", "7")
    monkeypatch.setenv("NOWCAST_CACHE_MIB", "64")
    found = settings()
    assert (found.data, found.reports) == ("s3://bucket/tables", Path("/srv/reports"))
    assert (found.regions, found.workers, found.cache_bytes) == (Path("my regions"), 7, 64 * 2**20)


def test_addresses_of_sources_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (settings().urls, settings().contact) == ({}, "")
    monkeypatch.setenv("NOWCAST_URLS", '{"caiso": "http://localhost:8080"}')
    assert Settings.read().urls == {"caiso": "http://localhost:8080"}
    for wrong in ("http://localhost:8080", '["caiso"]', '{"caiso": 8080}'):
        monkeypatch.setenv("NOWCAST_URLS", wrong)
        settings.cache_clear()
        with pytest.raises(ConfigurationError, match="NOWCAST_URLS is no JSON"):
            settings()


def test_names_of_variables_have_no_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text('nowcast_contact="me@example.org"\nexport NOWCAST_HOST=localhost\nNOWCAST_DATA\n')
    monkeypatch.setenv("nowcast_owner", "small")
    found = settings()
    assert (found.contact, found.host, found.owner, found.data) == ("me@example.org", "localhost", "small", "data")


def test_keys_and_passwords_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PJM_API_KEY", "ENTSOE_API_KEY", "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "k3y")
    found = settings()
    assert "k3y" not in f"{found!r} {found}"
    assert found.pjm_api_key is not None
    assert found.pjm_api_key.get_secret_value() == "k3y"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOWCAST_WORKERS", "0"),
        ("NOWCAST_WORKERS", "two"),
        ("NOWCAST_WORKERS", ""),
        ("NOWCAST_API_PORT", "http"),
        ("NOWCAST_SHADOW_DAYS", "2"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as caught:
        settings()
    assert caught.value.fields == {"variable": name, "value": value}


@pytest.mark.skipif(find_spec("boto3") is not None, reason="boto3 is installed")
def test_parameters_without_the_package_for_them_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOWCAST_SSM_PREFIX", "/power")
    with pytest.raises(ConfigurationError, match="boto3 is not installed") as caught:
        settings()
    assert install_remedy("aws") in caught.value.remedy
