"""Region files with faults: each is refused with its file, its key, the value and a remedy, and never with a trace."""

import copy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from power_nowcast import cli, regions
from power_nowcast.errors import ConfigurationError
from power_nowcast.ingest.catalog import check_sources
from power_nowcast.regions import Region

WHOLE = """
name = "twozones"
title = "Two zones"
timezone = "Europe/Berlin"
interval_minutes = 15
model = "power-nowcast-twozones"
total = "ALL"
holidays = { country = "DE", subdivision = "BY" }
features = ["quality", "holidays"]
zones = [
    { name = "NORTH", latitude = 53.5, longitude = 10.0, max_mw = 9000, weather = { EDDM = 0.6 } },
    { name = "SOUTH", latitude = 48.1, longitude = 11.6, max_mw = 12000 },
]
stations = [
    { name = "EDDM", latitude = 48.4, longitude = 11.8 },
    { name = "EDDH", latitude = 53.6, longitude = 9.9 },
]
[power]
source = "files"
label = "start"
delay_minutes = 30
options = { files = "load*.csv", allow_negative = false, columns = { valid_at = "time" } }
[forecast]
source = "files"
interval_minutes = 60
schedule = { time = "18:00", days_before = 1 }
options = { files = "ahead*.csv" }
[weather]
source = "nws"
variables = ["EDDM.temperature_c", "EDDH.wind_speed_ms"]
options = { stations = ["EDDM", "EDDH"] }
"""

# What is wrong: what stands in the file, what is written in its place, the key that is told, and a part of the message.
VALUES = {
    "a key that is none": ("model = ", "mode1 = ", "mode1", "no such key"),
    "a table that is none": ("[power]", "[powers]", "powers", "no such key"),
    "a missing key": ('title = "Two zones"\n', "", "title", "missing"),
    "a missing time zone": ('timezone = "Europe/Berlin"\n', "", "timezone", "missing"),
    "a missing interval": ("interval_minutes = 15\n", "", "interval_minutes", "missing"),
    "a missing country": ('country = "DE", ', "", "holidays.country", "missing"),
    "no name": ('"twozones"', '""', "name", "empty"),
    "a name of a space": ('"twozones"', '" "', "name", "empty"),
    "a name that is a path": ('"twozones"', '"two/zones"', "name", "two/zones"),
    "a name that leads out": ('"twozones"', '"../zones"', "name", "../zones"),
    "a name with a space": ('"twozones"', '"two zones"', "name", "two zones"),
    "a name in bytes of control": ('"twozones"', '"two\\u0000zones"', "name", "control"),
    "a name without end": ('"twozones"', f'"{"z" * 101}"', "name", "at most 100"),
    "a name that is a number": ('"twozones"', "2", "name", "text in quotes"),
    "a name that is a list": ('"twozones"', '["twozones"]', "name", "text in quotes"),
    "a title of nothing": ('"Two zones"', '""', "title", "empty"),
    "a title of two lines": ('"Two zones"', '"Two\\nzones"', "title", "control"),
    "a title without end": ('"Two zones"', f'"{"z" * 1001}"', "title", "at most 1000"),
    "a title that is a date": ('"Two zones"', "2024-01-01", "title", "text in quotes"),
    "a time zone that is none": ("Europe/Berlin", "Europe/Bonn", "timezone", "Europe/Bonn"),
    "a time zone of the machine": ("Europe/Berlin", "localtime", "timezone", "IANA"),
    "an offset in place of a time zone": ("Europe/Berlin", "+01:00", "timezone", "IANA"),
    "a time zone that is a path": ("Europe/Berlin", "/etc/localtime", "timezone", "IANA"),
    "an interval that is none": ("interval_minutes = 15", "interval_minutes = 7", "interval_minutes", "60"),
    "an interval that does not divide the hour": ("= 15", "= 45", "interval_minutes", "45"),
    "an interval of two hours": ("= 15", "= 120", "interval_minutes", "120"),
    "an interval of nothing": ("= 15", "= 0", "interval_minutes", "0"),
    "an interval that goes back": ("= 15", "= -15", "interval_minutes", "-15"),
    "an interval in words": ("= 15", '= "15"', "interval_minutes", "whole number"),
    "an interval with a fraction": ("= 15", "= 15.0", "interval_minutes", "whole number"),
    "an interval that is true": ("= 15", "= true", "interval_minutes", "whole number"),
    "a model of nothing": ("power-nowcast-twozones", "", "model", "empty"),
    "a model name that MLflow refuses": ("power-nowcast-twozones", "models:power", "model", "models:power"),
    "a model name that is an address": ("power-nowcast-twozones", "models:/power", "model", "must not hold"),
    "a total of nothing": ('"ALL"', '""', "total", "empty"),
    "a total with a comma": ('"ALL"', '"A,B"', "total", "must not hold"),
    "a total that is a number": ('"ALL"', "1", "total", "text in quotes"),
    "a total named like a zone": ('"ALL"', '"SOUTH"', "zones.1.name", "taken"),
    "a country that is none": ('"DE"', '"XX"', "holidays", "XX"),
    "a country that is a number": ('"DE"', "49", "holidays.country", "text in quotes"),
    "a part that the country lacks": ('"BY"', '"NY"', "holidays", "NY"),
    "holidays that are a word": ('{ country = "DE", subdivision = "BY" }', '"DE"', "holidays", "table"),
    "features that are none": ('"quality"', '"luck"', "features.0", "luck"),
    "a feature twice": ('["quality", "holidays"]', '["quality", "quality"]', "features.1", "taken"),
    "features that are a word": ('["quality", "holidays"]', '"quality"', "features", "list"),
    "no zone": ("zones = [", "zones = []\nother = [", "other", "no such key"),
    "an empty list of stations, weights without": ('{ EDDM = 0.6 }', "{ EDDF = 0.6 }", "zones.0.weather", "EDDF"),
    "a zone without a name": ('"SOUTH"', '""', "zones.1.name", "empty"),
    "a zone that is a number": ('"SOUTH"', "2", "zones.1.name", "text in quotes"),
    "a zone with a slash": ('"SOUTH"', '"SO/UTH"', "zones.1.name", "must not hold"),
    "a zone with a backslash": ('"SOUTH"', "'SO\\UTH'", "zones.1.name", "must not hold"),
    "a zone with a bar": ('"SOUTH"', '"SO|UTH"', "zones.1.name", "must not hold"),
    "a zone with a comma": ('"SOUTH"', '"SO,UTH"', "zones.1.name", "must not hold"),
    "a zone with a semicolon": ('"SOUTH"', '"SO;UTH"', "zones.1.name", "must not hold"),
    "a zone of two lines": ('"SOUTH"', '"SO\\nUTH"', "zones.1.name", "control"),
    "a zone with a tab": ('"SOUTH"', '"SO\\tUTH"', "zones.1.name", "control"),
    "a zone with an invisible sign": ('"SOUTH"', '"SO\\u200bUTH"', "zones.1.name", "invisible"),
    "a zone that turns the text round": ('"SOUTH"', '"SO\\u202eUTH"', "zones.1.name", "invisible"),
    "a zone that ends with a space": ('"SOUTH"', '"SOUTH "', "zones.1.name", "space"),
    "a zone key that is none": ("max_mw = 12000", "max_mw = 12000, max_gw = 12", "zones.1.max_gw", "no such key"),
    "a kind that is none": ("max_mw = 12000", 'max_mw = 12000, kind = "tide"', "zones.1.kind", "tide"),
    "two zones of one name": ('"SOUTH"', '"NORTH"', "zones.1.name", "taken"),
    "two zones of one name in Unicode": (
        '"NORTH", latitude = 53.5, longitude = 10.0, max_mw = 9000, weather = { EDDM = 0.6 } },\n    { name = "SOUTH"',
        '"Z\\u00fcrich", latitude = 53.5, longitude = 10.0, max_mw = 9000 },\n    { name = "Zu\\u0308rich"',
        "zones.1.name",
        "taken",
    ),
    "a zone named like the total": ('"SOUTH"', '"ALL"', "zones.1.name", "taken"),
    "zones that are a table": ("zones = [", "zones = { a = [", "the file", ""),
    "a latitude beyond the pole": ("53.5", "95.0", "zones.0.latitude", "90"),
    "a latitude that is none": ("53.5", "nan", "zones.0.latitude", "NaN"),
    "a latitude in words": ("53.5", '"53.5"', "zones.0.latitude", "number"),
    "a latitude with a comma": ("53.5", '"53,5"', "zones.0.latitude", "number"),
    "a latitude that is true": ("53.5", "true", "zones.0.latitude", "number"),
    "a longitude beyond the line": ("11.6", "190.0", "zones.1.longitude", "180"),
    "a missing longitude": (", longitude = 11.6", "", "zones.1.longitude", "missing"),
    "a limit of nothing": ("12000", "0", "zones.1.max_mw", "greater than 0"),
    "a limit below nothing": ("12000", "-1", "zones.1.max_mw", "greater than 0"),
    "a limit without end": ("12000", "inf", "zones.1.max_mw", "finite"),
    "a limit in another unit": ("12000", "1.2e10", "zones.1.max_mw", "10000000"),
    "a limit in words": ("12000", '"much"', "zones.1.max_mw", "number"),
    "a limit that is true": ("12000", "true", "zones.1.max_mw", "number"),
    "a weight of nothing": ("EDDM = 0.6", "EDDM = 0", "zones.0.weather.EDDM", "greater than 0"),
    "a weight in words": ("EDDM = 0.6", 'EDDM = "all"', "zones.0.weather.EDDM", "number"),
    "weights that are a list": ("{ EDDM = 0.6 }", '["EDDM"]', "zones.0.weather", "table"),
    "a station without variables": ('name = "EDDM"', 'name = "EDDF"', "stations.0.name", "EDDF"),
    "a station twice": ('name = "EDDH"', 'name = "EDDM"', "stations.1.name", "taken"),
    "a station without a place": ('    { name = "EDDH", latitude = 53.6, longitude = 9.9 },\n', "", "stations", "EDDH"),
    "a power table that is a word": ("[power]\n", 'power = "files"\n[power1]\n', "power1", "no such key"),
    "a source of nothing": ('source = "nws"', 'source = ""', "weather.source", "empty"),
    "a source that is a number": ('source = "nws"', "source = 1", "weather.source", "text in quotes"),
    "a label that is none": ('label = "start"', 'label = "middle"', "power.label", "middle"),
    "a spacing of nothing": ("interval_minutes = 60", "interval_minutes = 0", "forecast.interval_minutes", "0"),
    "a spacing of no day": ("interval_minutes = 60", "interval_minutes = 7", "forecast.interval_minutes", "day"),
    "a spacing of a week": ("interval_minutes = 60", "interval_minutes = 10080", "forecast.interval_minutes", "1440"),
    "a spacing in words": ("interval_minutes = 60", 'interval_minutes = "60"', "forecast.interval_minutes", "whole"),
    "power coarser than the region": (
        'label = "start"',
        "interval_minutes = 60",
        "power.interval_minutes",
        "15 minutes or a part",
    ),
    "power that does not fill a slot": ('label = "start"', "interval_minutes = 10", "power.interval_minutes", "part"),
    "a delay into the future": ("delay_minutes = 30", "delay_minutes = -5", "power.delay_minutes", "-5"),
    "a delay that no clock holds": ("delay_minutes = 30", f"delay_minutes = {2**62}", "power.delay_minutes", "527040"),
    "a delay with a fraction": ("delay_minutes = 30", "delay_minutes = 0.5", "power.delay_minutes", "whole number"),
    "a delay in words": ("delay_minutes = 30", 'delay_minutes = "30"', "power.delay_minutes", "whole number"),
    "a schedule of no time": ('"18:00"', '"25:00"', "forecast.schedule.time", "25:00"),
    "a schedule at 24:00": ('"18:00"', '"24:00"', "forecast.schedule.time", "24:00"),
    "a schedule in seconds since midnight": ('"18:00"', '"18"', "forecast.schedule.time", "18:00"),
    "a schedule that is a number": ('"18:00"', "18", "forecast.schedule.time", "18:00"),
    "a schedule with an offset": ('"18:00"', '"18:00+02:00"', "forecast.schedule.time", "local time"),
    "a schedule to the second": ('"18:00"', "18:00:30", "forecast.schedule.time", "local time"),
    "a schedule that is a word": ('{ time = "18:00", days_before = 1 }', '"18:00"', "forecast.schedule", "table"),
    "a schedule after the day": ("days_before = 1", "days_before = -1", "forecast.schedule.days_before", "-1"),
    "a schedule weeks before": ("days_before = 1", "days_before = 15", "forecast.schedule.days_before", "14"),
    "a schedule without a time": ('time = "18:00", ', "", "forecast.schedule.time", "missing"),
    "a variable without a station": ('"EDDM.temp', '"temp', "weather.variables.0", "STATION.variable"),
    "a variable that is a station": ('"EDDM.temperature_c"', '"EDDM."', "weather.variables.0", "STATION.variable"),
    "a variable that is a number": ('"EDDM.temperature_c"', "20", "weather.variables.0", "text in quotes"),
    "a variable with a comma": ('"EDDM.temperature_c"', '"EDDM.a,b"', "weather.variables.0", "must not hold"),
    "a variable twice": ('"EDDH.wind_speed_ms"', '"EDDM.temperature_c"', "variables", "taken"),
    "variables that are no list": (
        '["EDDM.temperature_c", "EDDH.wind_speed_ms"]',
        '"EDDM.temperature_c"',
        "weather.variables",
        "list",
    ),
    "variables of power": ('label = "start"', 'variables = ["EDDM.mw"]', "power.variables", "Only tables of weather"),
    "options that are a word": ('options = { files = "ahead*.csv" }', 'options = "x"', "forecast.options", "table"),
    "options that are a list": ('options = { files = "ahead*.csv" }', "options = []", "forecast.options", "table"),
    "an option that is a date": ('"ahead*.csv"', "2024-01-01", "forecast.options", "text, true, false"),
    "an option without end": ('"ahead*.csv"', "inf", "forecast.options", "text, true, false"),
    "an option with a control character": ('"ahead*.csv"', '"\\u0000"', "forecast.options", "control"),
    "an option nested without end": ('"ahead*.csv"', "[" * 20 + "]" * 20, "forecast.options", "nested"),
    "a word for yes": ("allow_negative = false", 'allow_negative = "false"', "power.options", "true or false"),
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "two zones.toml"
    file.write_text(WHOLE)
    return file


def test_the_whole_file_is_a_region(file: Path) -> None:
    region = regions.load(file)
    check_sources(region)
    assert region.series == ("ALL", "NORTH", "SOUTH")
    assert len(VALUES) >= 110


@pytest.mark.parametrize(("old", "new", "key", "part"), VALUES.values(), ids=VALUES.keys())
def test_a_wrong_value_is_refused_with_its_key(file: Path, old: str, new: str, key: str, part: str) -> None:
    assert WHOLE.count(old) == 1
    text = WHOLE.replace(old, new)
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        regions.load(file)
    error = caught.value
    assert error.fields["file"] == str(file)
    assert part in error.message
    if key == "the file":
        return
    assert error.fields["key"] == key
    assert f"{file}: {key}: " in error.message
    assert f"Correct {key}" in error.remedy
    is_missing = error.fields["value"] is None
    assert is_missing == ("missing" in error.message)
    assert is_missing or "but it is " in error.message
    assert error.message.isprintable()


OPTIONS = {
    "a source that is none": ('source = "nws"', 'source = "fax"', "fax"),
    "an option that is none": ("allow_negative", "allow_negatives", "allow_negatives"),
    "a pattern that is a number": ('files = "load*.csv"', "files = 5", "files"),
    "patterns that are none": ('files = "load*.csv"', "files = []", "files"),
    "columns that are a word": ('{ valid_at = "time" }', '"time"', "columns"),
    "a column that is a number": ('valid_at = "time"', "valid_at = 1", "columns"),
    "stations that are a number": ('["EDDM", "EDDH"] }', "5 }", "stations"),
    "stations that are true": ('["EDDM", "EDDH"] }', "true }", "stations"),
    "stations that are tables": ('["EDDM", "EDDH"] }', "[{}] }", "stations"),
    "a unit that is a list": ("allow_negative = false", "unit = []", "unit"),
}


@pytest.mark.parametrize(("old", "new", "told"), OPTIONS.values(), ids=OPTIONS.keys())
def test_a_wrong_option_is_refused_when_the_source_is_asked(file: Path, old: str, new: str, told: str) -> None:
    assert WHOLE.count(old) == 1
    file.write_text(WHOLE.replace(old, new))
    with pytest.raises(ConfigurationError, match=told):
        check_sources(regions.load(file))


@pytest.mark.parametrize(
    ("source", "option"),
    [
        ("elia", "dataset = []"),
        ("elia", "series = 5"),
        ("entsoe", 'area = "FI", dataset = "generation", series = true'),
        ("gridstatus", 'grid = ["ERCOT"]'),
        ("gridstatus", 'grid = "ERCOT", series = { NORTH = 5 }'),
        ("caiso", "market = {}"),
        ("nyiso_live", "dataset = 5"),
        ("sample", "sample = 5"),
    ],
)
def test_options_of_every_source_have_a_form(file: Path, source: str, option: str) -> None:
    begin, end = WHOLE.index("[forecast]"), WHOLE.index("[weather]")
    file.write_text(f'{WHOLE[:begin]}[forecast]\nsource = "{source}"\noptions = {{ {option} }}\n{WHOLE[end:]}')
    with pytest.raises(ConfigurationError, match=option.rpartition(" = ")[0].rpartition(", ")[-1].split(" ")[0]):
        check_sources(regions.load(file))


BYTES = {
    "nothing": (b"", "is empty"),
    "a remark alone": (b"# a region\n", "is empty"),
    "no TOML": (b"name = two zones\n", "line 1"),
    "a key twice": (b'name = "a"\nname = "b"\n', "line 2"),
    "a table twice": (b"[power]\n[power]\n", "line 2"),
    "a date that is none": (b"name = 2024-02-30\n", "is not TOML"),
    "a number of thousands of digits": (b"name = " + b"9" * 5000, "is not TOML"),
    "lists in lists without end": (b"name = " + b"[" * 100_000, "nested too deeply"),
    "JSON": (b'{"name": "twozones"}', "is not TOML"),
    "YAML": (b"name: twozones\n", "is not TOML"),
    "a byte order mark": (b"\xef\xbb\xbf" + WHOLE.encode(), "byte order mark"),
    "UTF-16": (WHOLE.encode("utf-16"), "not UTF-8"),
    "Latin-1": (WHOLE.replace("Two zones", "Zwölf").encode("latin-1"), "not UTF-8"),
    "zeros": (bytes(1000), "is not TOML"),
    "an archive": (b"PK\x03\x04\x14\x00\x00\x00\x08\x00", "is not TOML"),
}


@pytest.mark.parametrize(("data", "part"), BYTES.values(), ids=BYTES.keys())
def test_bytes_that_are_no_region_are_refused(file: Path, data: bytes, part: str) -> None:
    file.write_bytes(data)
    with pytest.raises(ConfigurationError) as caught:
        regions.load(file)
    assert str(file) in caught.value.message
    assert part in caught.value.message
    assert caught.value.remedy
    assert caught.value.message.isprintable()


def test_a_folder_and_a_path_that_no_system_holds_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    for path, part in (
        (folder, "directory"),
        (f"{tmp_path}/a\0b.toml", "cannot be read"),
        ("x" * 5000 + ".toml", "long"),
    ):
        with pytest.raises(ConfigurationError, match=part):
            regions.load(path)


@pytest.mark.parametrize("name", ["a word for yes", "a limit without end", "a zone that turns the text round"])
def test_the_command_line_tells_it_without_a_trace(file: Path, name: str) -> None:
    old, new, key, _ = VALUES[name]
    file.write_text(WHOLE.replace(old, new))
    for arguments in (("regions", "check", file), ("ingest", "--region", file)):
        done = CliRunner().invoke(cli.app, [str(one) for one in arguments])
        assert done.exit_code == 2
        assert isinstance(done.exception, SystemExit)
        assert key in done.stderr.replace("\n", "")
        assert "Traceback" not in done.stderr


def test_signs_of_markup_in_a_title_are_shown_as_they_are(file: Path) -> None:
    file.write_text(WHOLE.replace("Two zones", "Two [/red] zones [bold]"))
    done = CliRunner().invoke(cli.app, ["regions", "check", str(file)])
    assert done.exit_code == 0, done.output
    assert "Two [/red] zones [bold]" in done.stdout.replace("\n", " ")


def test_names_are_kept_in_one_unicode_form(file: Path) -> None:
    file.write_text(WHOLE.replace('"SOUTH"', '"Zu\u0308rich"').replace('"ALL"', '"Schweizu\u0308"'))
    assert regions.load(file).series == ("Schweiz\u00fc", "NORTH", "Z\u00fcrich")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a table, and in all that it holds, a value stands."""
    yield path
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(one, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value at this place."""
    if not path:
        return new
    made = copy.copy(value)
    made[path[0]] = replaced(value[path[0]], path[1:], new)
    return made


KEYS = tomllib.loads(WHOLE)
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.times()
    | st.datetimes()
    | st.sampled_from([2**70, 5, 60, "18:00", "NORTH", "Europe/Berlin", "Asia/Kolkata", "a.b", "nws", "[/x]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=200)
@given(st.sampled_from(list(places(KEYS))), ODD)
def test_any_value_at_any_place_is_a_region_or_refused(path: tuple[Any, ...], value: Any) -> None:
    refused = None
    try:
        region = regions.of(replaced(KEYS, path, value), "any.toml")
        check_sources(region)
    except ConfigurationError as error:
        refused = error
    if refused is not None:
        assert refused.message.isprintable()
        assert refused.remedy
        return
    assert Region.model_validate_json(region.model_dump_json()) == region
    assert hash(region) is not None
    assert len(set(region.series)) == len(region.series)
    assert region.steps_minutes[-1] == 60
    assert all(0 < zone.max_mw <= 1e7 and abs(zone.latitude) <= 90 for zone in region.zones)
