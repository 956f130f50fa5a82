import tomllib

from power_nowcast.regions.files import of
from power_nowcast.regions.region import Region
from power_nowcast.regions.toml import toml_of

KEYS = {
    "name": "own",
    "title": 'Feeder "7" \\ Süd\x7f'.rstrip("\x7f"),
    "timezone": "Europe/Berlin",
    "interval_minutes": 15,
    "model": "power-nowcast-own",
    "zones": [{"name": "N.", "latitude": 52.5, "longitude": 13.4, "max_mw": 0.58}],
    "power": {
        "source": "files",
        "label": "start",
        "options": {"files": ["a.csv", "b.csv"], "separator": "\t", "series": {"Last [kW]": "N."}, "ignore": "others"},
    },
}


def test_the_text_is_the_region() -> None:
    region = of(KEYS, "own.toml")
    text = toml_of(region, {"": "Made here.", "label": "What is it?\nNobody knows."})
    assert tomllib.loads(text) == KEYS
    assert Region.model_validate(tomllib.loads(text)) == region
    assert text.startswith("# Made here.\n")
    assert "# What is it?\n# Nobody knows.\nlabel = " in text
