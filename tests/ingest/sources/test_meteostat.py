from datetime import UTC, datetime, timedelta

import pytest

from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.ingest.align import align
from power_nowcast.ingest.sources.meteostat import Meteostat
from power_nowcast.regions import Region, SourceSpec
from tests.ingest.conftest import Recorder, needs, region_of, request_of

METEOSTAT = Meteostat()
NOW = datetime(2026, 1, 3, 12, tzinfo=UTC)
TABLE = Received(
    b"""# not raw
station,time,temp,wspd,cldc
10637,2026-01-01T00:00:00Z,10.5,18.0,4
10637,2026-01-01T01:00:00Z,11.0,,
"""
)


def stations(*names: str, delay: int = 180, **options: object) -> Region:
    region = region_of("X", timezone="UTC", interval=15, source="meteostat", stations=list(names), **options)
    weather = SourceSpec.model_validate({**region.power.model_dump(), "delay_minutes": delay, "label": "instant"})
    return region.model_copy(update={"weather": weather})


def test_values_are_metric_and_empty_cells_no_rows() -> None:
    rows = METEOSTAT.parse(TABLE, request_of(stations("10637"), Table.WEATHER), "x.csv")
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    assert rows.select("series", "at", "value").rows() == [
        ("10637.temperature_c", midnight, 10.5),
        ("10637.temperature_c", midnight + timedelta(hours=1), 11.0),
        ("10637.wind_speed_ms", midnight, 5.0),
        ("10637.cloud_cover", midnight, 0.5),
    ]


def test_a_report_counts_as_known_after_the_delay() -> None:
    region = stations("10637")
    rows = METEOSTAT.parse(TABLE, request_of(region, Table.WEATHER), "x.csv")
    assert region.weather is not None
    aligned, _ = align(rows, region, Table.WEATHER, region.weather, Received(b"", received_at=NOW))
    assert (aligned["available_at"] - aligned["valid_at"]).unique().to_list() == [timedelta(hours=3)]
    assert set(aligned["basis"]) == {"delay"}


def names(region: Region, table: Table = Table.WEATHER, **span: datetime) -> list[str]:
    needs("meteostat")
    deliveries = METEOSTAT.deliveries(request_of(region, table, http=Recorder(NOW), **span))
    return [delivery.origin for delivery in deliveries]


def test_a_table_for_each_station_and_year() -> None:
    assert names(stations("10637", "02974")) == [
        "10637_20251227_20251231_not_raw.csv",
        "10637_20260101_20260103_not_raw.csv",
        "02974_20251227_20251231_not_raw.csv",
        "02974_20260101_20260103_not_raw.csv",
    ]
    start, end = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC)
    assert names(stations("10637"), start=start, end=end) == ["10637_20240501_20240502_not_raw.csv"]


def test_a_table_without_the_columns_and_none_at_all() -> None:
    request = request_of(stations("10637"), Table.WEATHER)
    assert METEOSTAT.parse(Received(b"station,time,pres\n1,2,3\n"), request, "x.csv").is_empty()
    with pytest.raises(SourceFormatError, match="no table"):
        METEOSTAT.parse(Received(b""), request, "x.csv")


@pytest.mark.parametrize(
    ("region", "table", "message"),
    [
        (stations(), Table.WEATHER, "has no stations"),
        (stations("10637", delay=0), Table.WEATHER, "delay_minutes"),
        (stations("10637"), Table.POWER, "weather only"),
        (stations("10637", url="http://127.0.0.1"), Table.WEATHER, "HTTPS_PROXY"),
    ],
)
def test_wrong_options_are_told(region: Region, table: Table, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        names(region, table)
