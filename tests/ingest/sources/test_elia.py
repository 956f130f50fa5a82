import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.ingest.align import align
from power_nowcast.ingest.sources.elia import Elia
from power_nowcast.regions import Region
from tests.ingest.conftest import FIXTURES, Recorder, region_of, request_of

ELIA = Elia()
NOON = datetime(2025, 3, 30, 12, tzinfo=UTC)


def belgium(*zones: str, **options: object) -> Region:
    return region_of(
        *(zones or ("Belgium",)), timezone="Europe/Brussels", interval=15, source="elia", label="start", **options
    )


def parse(kind: str, region: Region, table: Table = Table.POWER) -> pl.DataFrame:
    data = (FIXTURES / f"elia_{kind}_20250330.json").read_bytes()
    return ELIA.parse(Received(data), request_of(region, table), "x.json")


def asked(region: Region, table: Table = Table.POWER, **span: datetime) -> list[str]:
    http = Recorder(NOON)
    for delivery in ELIA.deliveries(request_of(region, table, http=http, **span)):
        delivery.read()
    # Data set, first and following day of each address.
    return [" ".join(re.findall(r"(?<=datasets/)\w+|(?<=date%27)[\d-]+", url)) for url in http.asked]


def test_a_stamp_is_the_start_of_its_quarter() -> None:
    region = belgium()
    rows = parse("solar", region)
    assert rows.select("series", "at", "value").rows() == [
        ("Belgium", datetime(2025, 3, 30, 12, tzinfo=UTC), 4218.492),
        ("Belgium", datetime(2025, 3, 30, 23, 45, tzinfo=UTC), 0.0),
    ]
    aligned, _ = align(rows, region, Table.POWER, region.power)
    assert aligned["valid_at"].to_list() == [NOON + timedelta(minutes=15), datetime(2025, 3, 31, tzinfo=UTC)]


def test_forecasts_of_the_day_before_are_two_vintages_by_schedule() -> None:
    region = belgium()
    rows = parse("solar", region, Table.FORECAST)
    assert set(rows["basis"]) == {"schedule"}
    assert rows.select("at", "written", "value").rows() == [
        # Winter time at eleven and at six the day before; summer time from the thirtieth on.
        (NOON, datetime(2025, 3, 29, 10, tzinfo=UTC), 4771.748),
        (datetime(2025, 3, 30, 23, 45, tzinfo=UTC), datetime(2025, 3, 30, 9, tzinfo=UTC), 0.0),
        (NOON, datetime(2025, 3, 29, 17, tzinfo=UTC), 4610.916),
        (datetime(2025, 3, 30, 23, 45, tzinfo=UTC), datetime(2025, 3, 30, 16, tzinfo=UTC), 0.0),
    ]
    spec = region.forecast
    assert spec is not None
    aligned, _ = align(rows, region, Table.FORECAST, spec, Received(b"", received_at=NOON))
    assert aligned["available_at"].to_list() == rows["written"].to_list()
    assert set(aligned["basis"]) == {"schedule"}


def test_wind_has_a_series_for_each_place_and_grid() -> None:
    region = belgium("Offshore Federal Elia", "FLA", dataset="wind", series={"FLA": "Onshore Flanders Dso"})
    rows = parse("wind", region).filter(pl.col("at") == NOON)
    assert dict(rows.select("series", "value").iter_rows()) == {"Offshore Federal Elia": 203.96, "FLA": 592.61}


def test_near_real_time_has_another_name_for_the_same_value() -> None:
    record = {"datetime": "2025-03-30T12:00:00+00:00", "region": "Belgium", "realtime": None, "dayaheadforecast": 5}
    later = record | {"datetime": "2025-03-30T11:45:00+00:00", "realtime": 7.5}
    rows = ELIA.parse(Received(json.dumps([record, later]).encode()), request_of(belgium()), "x.json")
    assert rows["value"].to_list() == [7.5], "what is not measured yet is no row"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'[{"datetime": "2025-03-30T12', "no whole JSON"),
        (b'{"error_code": "x"}', "no list of records"),
        (b"[1]", "no list of records"),
        (b'[{"datetime": "2025-03-30T12:00:00+00:00", "region": "Belgium", "power": 1}]', "lack measured"),
        (b'[{"datetime": "2025-03-30T12:00:00+00:00", "measured": 1}]', "lack region"),
    ],
)
def test_what_is_no_export_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(SourceFormatError, match=message):
        ELIA.parse(Received(data), request_of(belgium()), "x.json")


def test_an_empty_export_and_a_wrong_value() -> None:
    assert ELIA.parse(Received(b"[]"), request_of(belgium()), "x.json").is_empty()
    record = {"datetime": "tomorrow", "region": "Belgium", "measured": "n/a"}
    rows = ELIA.parse(Received(json.dumps([record]).encode()), request_of(belgium()), "x.json")
    assert rows.select("at", "stamp", "value", "text").row(0) == (None, "tomorrow", None, "n/a")


def test_recent_days_come_from_near_real_time_and_months_from_the_history() -> None:
    assert asked(belgium()) == ["ods087 2025-03-29 2025-03-30", "ods087 2025-03-30 2025-03-31"]
    wind = belgium("Offshore Federal Elia", dataset="wind")
    assert asked(wind, Table.FORECAST)[-1] == "ods086 2025-03-31 2025-04-01"
    start = datetime(2025, 2, 10, 12, tzinfo=UTC)
    assert asked(wind, start=start, end=datetime(2025, 3, 27, 6, tzinfo=UTC)) == [
        "ods031 2025-02-10 2025-03-01",
        "ods031 2025-03-01 2025-03-27",
        "ods086 2025-03-27 2025-03-28",
    ]


def test_other_tables_and_data_sets_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="weather"):
        asked(belgium(), Table.WEATHER)
    with pytest.raises(ConfigurationError, match=r"'load'.*solar, wind"):
        asked(belgium(dataset="load"))


def test_whole_days(bench_data: Path) -> None:
    solar = (bench_data / "wire/elia/SolarForecast_Elia_20250330.json").read_bytes()
    assert len(ELIA.parse(Received(solar), request_of(belgium()), "x.json")) == 96
    assert len(ELIA.parse(Received(solar), request_of(belgium(), Table.FORECAST), "x.json")) == 192
    places = ("Offshore Federal", "Onshore Flanders", "Onshore Wallonia")
    zones = [f"{place} {grid}" for place in places for grid in ("Elia", "Dso")][:1] + [
        f"{place} {grid}" for place in places[1:] for grid in ("Elia", "Dso")
    ]
    wind = (bench_data / "wire/elia/WindForecast_Elia_20250330.json").read_bytes()
    rows = ELIA.parse(Received(wind), request_of(belgium(*zones, dataset="wind")), "x.json")
    assert rows.group_by("series").len()["len"].to_list() == [96] * 5
