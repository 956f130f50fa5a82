"""access: addresses, keys and the client come from the settings."""

from pathlib import Path

import pytest

from power_nowcast.errors import ConfigurationError
from power_nowcast.ingest.web import api_key, base_url, client
from power_nowcast.regions import SourceSpec
from power_nowcast.settings import settings

KEY = "a-key-that-nobody-may-see"


@pytest.mark.parametrize("variable", ["ENTSOE_API_KEY", "PJM_API_KEY"])
def test_a_key_that_is_not_set_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for given in ("", " "):
        monkeypatch.setenv(variable, given)
        settings.cache_clear()
        with pytest.raises(ConfigurationError, match=f"{variable} is not set") as caught:
            api_key(variable, source="publisher")
        assert caught.value.fields == {"source": "publisher", "variable": variable}
    monkeypatch.setenv(variable, f" {KEY}\n")
    settings.cache_clear()
    assert api_key(variable, source="publisher") == KEY
    settings.cache_clear()


def test_base_urls_come_from_the_region_the_setting_or_the_publisher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOWCAST_URLS", '{"caiso": "http://localhost:1/", "oasis": "http://localhost:2"}')
    settings.cache_clear()
    spec = SourceSpec(source="caiso")
    assert base_url(spec, "https://default.org/") == "http://localhost:1"
    assert base_url(spec, "https://default.org/", name="oasis") == "http://localhost:2"
    assert base_url(spec.model_copy(update={"source": "nws"}), "https://default.org/") == "https://default.org"
    assert base_url(spec.model_copy(update={"options": {"url": "http://own"}}), "x") == "http://own"
    settings.cache_clear()


def test_the_process_has_one_client_by_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOWCAST_DATA", str(tmp_path))
    monkeypatch.setenv("NOWCAST_CONTACT", "me@example.org")
    settings.cache_clear()
    client.cache_clear()
    assert client() is client()
    assert client().contact == "me@example.org"
    client().close()
    client.cache_clear()
    settings.cache_clear()
