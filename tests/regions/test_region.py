from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from power_nowcast import regions
from power_nowcast.contracts import Table
from power_nowcast.errors import ConfigurationError, UnknownHorizonError, UnknownRegionError, UnknownSeriesError
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.settings import settings
from tests.toy import toy_region

VALID = """
name = "twozones"
title = "Two zones"
timezone = "Europe/Berlin"
interval_minutes = 15
model = "power-nowcast-twozones"
total = "ALL"
holidays = { country = "DE", subdivision = "BY" }
zones = [
    { name = "NORTH", latitude = 53.5, longitude = 10.0, max_mw = 9000 },
    { name = "SOUTH", latitude = 48.1, longitude = 11.6, max_mw = 12000 },
]
[power]
source = "files"
label = "start"
[weather]
source = "files"
variables = ["EDDM.temperature_c"]
"""

TOY = toy_region()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "two zones.toml"
    file.write_text(VALID)
    return file


@pytest.fixture
def own_regions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that NOWCAST_REGIONS names."""
    folder = tmp_path / "own regions"
    folder.mkdir()
    monkeypatch.setenv("NOWCAST_REGIONS", str(folder))
    settings.cache_clear()
    yield folder
    settings.cache_clear()


EMBEDDED = (
    "caiso",
    "elia-solar",
    "entsoe-fi-wind",
    "ercot",
    "ercot-wind",
    "nyiso",
    "nyiso-live",
    "nyiso-wind",
    "victoria",
)


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_region_that_comes_along_is_valid(name: str) -> None:
    region = regions.load(name)
    assert region.name == name
    assert region.series
    assert region.steps_minutes[-1] == 60


def test_no_two_regions_share_a_registered_model() -> None:
    models = [regions.load(name).model for name in regions.available()]
    assert len(set(models)) == len(models) >= 2
    assert regions.load("nyiso").model == "power-nowcast"


def test_new_york_has_its_eleven_zones_below_the_total() -> None:
    region = regions.load("nyiso")
    assert region.series[0] == region.total == "NYCA"
    assert len(region.zones) == 11
    assert region.steps_minutes == tuple(range(5, 61, 5))


def test_a_file_says_all_that_the_code_asks(file: Path) -> None:
    region = regions.load(file)
    assert region.series == ("ALL", "NORTH", "SOUTH")
    assert region.tz == ZoneInfo("Europe/Berlin")
    assert region.steps_minutes == (15, 30, 45, 60)
    assert region.centre == pytest.approx((50.8, 10.8))
    assert (region.power.label, region.power.interval_minutes, region.power.delay_minutes) == ("start", None, 0)
    assert region.forecast is None
    assert regions.load(str(file)) == region
    assert hash(regions.load(file)) == hash(region)


def test_a_region_without_a_total_is_its_zones(file: Path) -> None:
    file.write_text(VALID.replace('total = "ALL"\n', ""))
    assert regions.load(file).series == ("NORTH", "SOUTH")


STATIONS = VALID.replace(
    "[power]",
    """
stations = [{ name = "EDDM", latitude = 48.4, longitude = 11.8 }]
features = ["quality", "holidays"]
[weather_forecast]
source = "files"
interval_minutes = 60
variables = ["EDDM.temperature_c"]
[power]""",
)


def test_a_total_is_what_its_zones_are() -> None:
    told = toy_region().model_dump()
    load, wind = told["zones"]
    mixed = Region.model_validate(told | {"zones": [load, wind | {"kind": "wind"}]})
    assert [toy_region().kind_of(name) for name in mixed.series] == ["load", "load", "load"]
    assert [mixed.kind_of(name) for name in mixed.series] == [None, "load", "wind"]


def test_stations_are_weighted_by_name_or_by_place(file: Path) -> None:
    assert not regions.load(file).weighs_stations
    file.write_text(STATIONS)
    region = regions.load(file)
    assert region.weighs_stations
    assert region.weather_stations == {"EDDM"}
    assert region.features == ("quality", "holidays")
    named = VALID.replace("max_mw = 9000", "max_mw = 9000, weather = { EDDM = 0.6 }").replace(
        "max_mw = 12000", "max_mw = 12000, weather = { EDDM = 1 }"
    )
    file.write_text(named)
    assert regions.load(file).weighs_stations
    assert Region.model_validate_json(regions.load(file).model_dump_json()) == regions.load(file)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'name = "EDDM"',
            'name = "EDDF"',
            'stations.0.name: No variable of weather is of this station, but it is "EDDF"',
        ),
        ("max_mw = 9000", "max_mw = 9000, weather = { EDDF = 1 }", "zones.0.weather: No variable of weather"),
        ("max_mw = 9000", "max_mw = 9000, weather = { EDDM = 0 }", "zones.0.weather.EDDM"),
        (
            '["EDDM.temperature_c"]\n[power]',
            '["X.temperature_c"]\n[power]',
            "the place of every station must be known; stations lacks X",
        ),
        ('"quality"', '"luck"', "features.0"),
    ],
)
def test_wrong_stations_are_refused(file: Path, old: str, new: str, told: str) -> None:
    assert STATIONS.count(old) == 1
    file.write_text(STATIONS.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        regions.load(file)
    assert told in str(caught.value)


@pytest.mark.parametrize("name", ["atlantis", "", "NYISO", "../regions/nyiso"])
def test_an_unknown_region_is_told_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownRegionError) as caught:
        regions.load(name)
    assert caught.value.fields == {"region": name}
    assert "nyiso, nyiso-live" in caught.value.remedy


def test_a_file_that_is_not_there_is_an_unknown_region(tmp_path: Path) -> None:
    with pytest.raises(UnknownRegionError, match="No such file"):
        regions.load(tmp_path / "none.toml")


def test_further_regions_come_from_a_folder(own_regions: Path, file: Path) -> None:
    file.rename(own_regions / "twozones.toml")
    (own_regions / "notes.txt").write_text("no region")
    assert regions.available() == tuple(sorted({*EMBEDDED, "twozones"}))
    assert regions.load("twozones").title == "Two zones"


def test_a_region_of_the_own_folder_comes_before_one_that_comes_along(own_regions: Path) -> None:
    (own_regions / "nyiso.toml").write_text(VALID.replace('"twozones"', '"nyiso"'))
    assert regions.load("nyiso").title == "Two zones"
    assert regions.available() == EMBEDDED


def test_a_folder_that_is_not_there_is_told_by_its_variable(own_regions: Path) -> None:
    own_regions.rmdir()
    for ask in (regions.available, lambda: regions.load("nyiso")):
        with pytest.raises(ConfigurationError, match="NOWCAST_REGIONS"):
            ask()


def test_unknown_series_are_told_the_known_ones() -> None:
    region = toy_region()
    assert region.check_series("SOUTH 1") == "SOUTH 1"
    with pytest.raises(UnknownSeriesError, match=r"ALL, N\.E\., SOUTH 1") as caught:
        region.check_series("south 1")
    assert caught.value.fields == {"region": "toy", "series": "south 1"}


@given(st.integers(-120, 240))
def test_horizons_are_the_steps_and_nothing_else(minutes: int) -> None:
    region = TOY
    if minutes in (30, 60):
        assert region.check_horizon(minutes) == minutes
        return
    with pytest.raises(UnknownHorizonError, match="30, 60") as caught:
        region.check_horizon(minutes)
    assert caught.value.fields == {"region": "toy", "horizon": minutes}


@pytest.mark.parametrize("interval", [5, 10, 15, 30, 60])
def test_steps_fill_the_hour(interval: int) -> None:
    known: dict[str, Any] = toy_region().model_dump() | {"interval_minutes": interval}
    steps = Region.model_validate(known).steps_minutes
    assert [*steps] == [interval * (n + 1) for n in range(60 // interval)]


def test_a_region_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        toy_region().name = "other"


def test_specs_are_those_of_the_tables_that_the_region_has() -> None:
    region = regions.load("nyiso")
    weather = SourceSpec(source="nws", variables=("JFK.temp_c",))
    assert region.specs == {Table.POWER: region.power, Table.FORECAST: region.forecast, Table.WEATHER: region.weather}
    more = region.model_copy(update={"weather_forecast": weather, "forecast": None})
    assert list(more.specs) == [Table.POWER, Table.WEATHER, Table.WEATHER_FORECAST]
    assert more.specs[Table.WEATHER_FORECAST] is weather


def test_a_region_may_have_another_unit_and_one_in_megawatts_is_written_as_before(file: Path) -> None:
    plain = regions.load(file)
    file.write_text(VALID.replace('title = "Two zones"', 'title = "Two zones"\nunit = "kW"'))
    other = regions.load(file)

    assert (plain.unit, other.unit) == ("MW", "kW")
    assert "unit" not in plain.model_dump()
    assert Region.model_validate_json(other.model_dump_json()) == other


@pytest.mark.parametrize(
    ("interval", "time", "expected"),
    [
        (5, "2019-06-30T23:59:59.999999+00:00", "2019-06-30T23:55+00:00"),
        (15, "2019-06-30T12:15+00:00", "2019-06-30T12:15+00:00"),
        (60, "2019-10-27T02:30+01:00", "2019-10-27T01:00+00:00"),
        (30, "1969-12-31T23:59+00:00", "1969-12-31T23:30+00:00"),
    ],
)
def test_a_slot_is_the_one_that_has_begun_in_utc(interval: int, time: str, expected: str) -> None:
    region = toy_region().model_copy(update={"interval_minutes": interval})
    slot = region.slot(datetime.fromisoformat(time))
    assert slot.isoformat(timespec="minutes") == expected
    assert region.interval == timedelta(minutes=interval)
