"""What the sources of a live region need from this machine is asked for before the region is followed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from power_nowcast.errors import ConfigurationError
from power_nowcast.ingest.catalog import check_ready
from power_nowcast.ingest.web import Http, client
from power_nowcast.regions import load
from power_nowcast.settings import settings
from tests.cli.test_cli import call, said, wide  # noqa: F401 - the fixture is used


@pytest.fixture
def folder(tmp_path: Path, work_in: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("NOWCAST_CONTACT", raising=False)
    monkeypatch.setattr(Http, "get", _no_request)
    work_in(tmp_path)
    client.cache_clear()
    yield tmp_path
    client.cache_clear()


def _no_request(*_: object, **__: object) -> None:
    raise AssertionError("a request was sent")


@pytest.mark.parametrize("command", [["live", "--port", "0"], ["ingest", "--follow"]], ids=" ".join)
def test_a_missing_contact_is_told_before_anything_begins(folder: Path, command: list[str]) -> None:
    done = call(*command, "--region", "nyiso-live")
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    first, second = said(done)
    assert first == ("Wrong configuration: nyiso-live: the source nws needs a contact, which api.weather.gov demands.")
    assert second == "Set NOWCAST_CONTACT to a mail address or a page."
    assert not list(folder.glob("data/power*")), "nothing was stored"


def test_a_region_with_a_contact_is_ready_without_a_request(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOWCAST_CONTACT", "me@example.org")
    settings.cache_clear()
    check_ready(load("nyiso-live"))
    assert client().contact == "me@example.org"


@pytest.mark.parametrize("name", ["nyiso", "victoria", "caiso", "elia-solar"])
def test_a_region_that_needs_nothing_is_ready(folder: Path, name: str) -> None:
    check_ready(load(name))


def test_a_missing_key_is_told_alike(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENTSOE_API_KEY", raising=False)
    settings.cache_clear()
    with pytest.raises(ConfigurationError, match="ENTSOE_API_KEY") as refused:
        check_ready(load("entsoe-fi-wind"))
    assert "Set ENTSOE_API_KEY" in refused.value.remedy


def test_files_that_are_not_there_yet_are_waited_for(folder: Path, tmp_path: Path) -> None:
    region = load("nyiso-live")
    spec = region.power.model_copy(update={"source": "files", "options": {"files": str(tmp_path / "none*.csv")}})
    check_ready(region.model_copy(update={"power": spec, "forecast": None, "weather": None}))
