from collections.abc import Iterator
from pathlib import Path

import pytest

from power_nowcast.bundle.bundle import Bundle
from power_nowcast.regions import Region
from power_nowcast.settings import settings
from tests.toy import toy_bundle, toy_region


@pytest.fixture(scope="package")
def bundles(region: Region) -> tuple[Bundle, Bundle]:
    """Two versions of the toy model."""
    return toy_bundle(region, seed=1), toy_bundle(region, seed=2)


@pytest.fixture(scope="package")
def region() -> Region:
    return toy_region()


@pytest.fixture(scope="package")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty MLflow database in a folder with a space: seconds to make, so it is shared and regions are new."""
    return f"sqlite:///{tmp_path_factory.mktemp('ml flow') / 'mlflow.db'}"


@pytest.fixture
def use_uri(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Point the settings at a tracking address."""

    def use(uri: str) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        settings.cache_clear()

    yield use
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def registry_uri(database: str, use_uri, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The shared database in force, the working folder elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOWCAST_OWNER", "tester")
    use_uri(database)
    return database
