import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.ingest.reading import batch_of
from power_nowcast.ingest.sources import nws
from power_nowcast.ingest.sources.nws import Nws
from power_nowcast.ingest.validate import check
from power_nowcast.regions import Region
from power_nowcast.store import Store
from tests.ingest.conftest import FIXTURES, Recorder, region_of, request_of

AHEAD = Table.WEATHER_FORECAST
NOW = datetime(2025, 3, 30, 12, tzinfo=UTC)
HOURLY = "gridpoints/TAE/58,65/forecast/hourly.json"


def region(**options: object) -> Region:
    return region_of("A", timezone="America/New_York", interval=5, source="nws", **options)


def parse(name: str, origin: str = "x.json") -> pl.DataFrame:
    return nws.parse((FIXTURES / f"nws_{name}.json").read_bytes(), origin=origin)


def values(rows: pl.DataFrame) -> dict[str, list[float]]:
    return {
        str(name): part["value"].to_list() for (name,), part in rows.sort("at").group_by("series", maintain_order=True)
    }


def test_reports_become_metric() -> None:
    rows = parse("observations_latest")
    assert values(rows) == {
        "KFLL.temperature_c": [22.8],
        "KFLL.dew_point_c": [18.3],
        "KFLL.wind_speed_ms": [2.1],
        "KFLL.cloud_cover": [0.75],
    }
    assert set(rows["at"]) == {datetime(2022, 3, 2, 23, 53, tzinfo=UTC)}
    assert rows["written"].is_null().all(), "a report counts as known by when it came, or its usual delay"


def test_faulty_reports_are_sorted_and_sorted_out() -> None:
    assert parse("observations_empty").is_empty()
    assert parse("observations_missing_value").is_empty()
    rows = parse("observations_unsorted")
    assert rows["at"].is_sorted()
    of = region()
    assert of.weather is not None
    checked = check(rows, of, Table.WEATHER, of.weather, origin="x")
    assert checked.rows.filter(pl.col("series") == "KFLL.temperature_c")["value"].to_list() == [10.0]
    assert checked.bad["reason"].to_list() == ["implausible"] * 3


def test_what_the_service_rejects_or_does_not_date_is_kept_as_received() -> None:
    quantity = {"unitCode": "wmoUnit:degC", "value": 99, "qualityControl": "X"}
    rejected = {"station": "https://x/KFLL", "timestamp": "2025-03-30T11:53:00+00:00", "temperature": quantity}
    undated = {"station": "https://x/KFLL", "timestamp": None, "dewpoint": quantity | {"qualityControl": "V"}}
    layers = {"station": "https://x/KFLL", "timestamp": "2025-03-30T11:53:00Z", "cloudLayers": [{"amount": "???"}]}
    features = [{"properties": properties} for properties in (rejected, undated, layers)]
    rows = nws.parse(json.dumps({"features": features}).encode(), origin="x")
    found = {row["series"]: (row["at"], row["value"], row["text"], row["stamp"]) for row in rows.iter_rows(named=True)}
    at = datetime(2025, 3, 30, 11, 53, tzinfo=UTC)
    assert found == {
        "KFLL.temperature_c": (at, None, "99 marked X", "2025-03-30T11:53:00+00:00"),
        "KFLL.dew_point_c": (None, 99.0, None, ""),
        "KFLL.cloud_cover": (at, None, "???", "2025-03-30T11:53:00Z"),
    }


def test_spans_of_the_grid_become_hours_known_from_the_update() -> None:
    rows = parse("gridpoint")
    assert set(rows["written"]) == {datetime(2022, 2, 3, 19, 22, 3, tzinfo=UTC)}
    dew_point = rows.filter(pl.col("series") == "TBW/93,38.dew_point_c")
    assert dew_point["at"].dt.hour().to_list() == [13, 14, 15, 16], "the last span lasts two hours"
    assert dew_point["value"].to_list() == [16.6667, 17.2222, 17.7778, 17.7778]
    assert values(rows)["TBW/93,38.cloud_cover"] == [0.04, 0.06, 0.07]
    assert values(rows)["TBW/93,38.wind_speed_ms"][0] == round(11.112 / 3.6, 4)


@pytest.mark.parametrize(
    ("duration", "hours"), [("PT1H", 1), ("P1DT6H", 30), ("P2D", 48), ("PT30M", 1), ("PT1H30M", 2)]
)
def test_durations(duration: str, hours: int) -> None:
    layer = {"uom": "wmoUnit:degC", "values": [{"validTime": f"2022-02-03T13:00:00+00:00/{duration}", "value": 1}]}
    empty = {"uom": "wmoUnit:degC", "values": []}
    grid = {"updateTime": "2022-02-03T12:00:00+00:00", "gridId": "A", "gridX": 1, "gridY": 2, "temperature": layer}
    properties = grid | dict.fromkeys(("dewpoint", "windSpeed", "skyCover"), empty)
    rows = nws.parse(json.dumps({"properties": properties}).encode(), origin="x")
    assert len(rows) == hours
    assert (rows["at"].diff().drop_nulls() == timedelta(hours=1)).all()


def test_hourly_forecasts_in_either_unit() -> None:
    customary, metric = parse("hourly_us", HOURLY), parse("hourly_si", HOURLY)
    assert values(customary)["TAE/58,65.temperature_c"] == [25.5556, 25.0]
    assert values(metric)["TAE/58,65.temperature_c"] == [25.5, 25.0]
    assert values(customary)["TAE/58,65.wind_speed_ms"] == [0.0, 0.0]
    assert customary["at"].min() == datetime(2019, 10, 15, tzinfo=UTC)
    assert set(customary["written"]) == {datetime(2019, 10, 14, 23, 16, 24, tzinfo=UTC)}
    assert parse("hourly_empty_us", HOURLY).is_empty()


def test_a_span_of_wind_is_its_middle() -> None:
    period = {"startTime": "2019-10-14T20:00:00-04:00", "temperature": None, "windSpeed": "5 to 10 mph"}
    properties = {"updateTime": "2019-10-14T19:00:00+00:00", "periods": [period]}
    rows = nws.parse(json.dumps({"properties": properties}).encode(), origin=HOURLY)
    assert values(rows) == {"TAE/58,65.wind_speed_ms": [round(7.5 * 0.44704, 4)]}


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"properties": {}}',
        b'{"properties": {"updateTime": "x", "periods": []}}',
        b'{"features": [{}]}',
    ],
)
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(SourceFormatError, match="no answer of reports or of a forecast"):
        nws.parse(data, origin=HOURLY)


def asked(of: Region, http: Recorder, table: Table = Table.WEATHER, **span: datetime) -> list[str]:
    for delivery in Nws().deliveries(request_of(of, table, http=http, **span)):
        delivery.read()
    return [url.removeprefix("https://api.weather.gov/") for url in http.asked]


def test_stations_are_asked_by_day_and_points_for_what_is_new() -> None:
    of = region(stations=["KLGA", "KBUF"])
    urls = asked(of, Recorder(NOW))
    assert [url.split("?")[0] for url in urls] == [*("stations/KLGA/observations", "stations/KBUF/observations") * 2]
    assert urls[0].endswith("?start=2025-03-29T00%3A00%3A00Z&end=2025-03-30T00%3A00%3A00Z&limit=500")
    past = NOW - timedelta(days=1)
    assert len(asked(of, Recorder(NOW), start=past, end=past)) == 2
    assert len(asked(region(stations="KLGA"), Recorder(NOW), start=NOW - timedelta(days=60))) == 7
    assert asked(region(gridpoints="OKX/33,37"), Recorder(NOW), AHEAD) == ["gridpoints/OKX/33,37"]
    hourly = region(gridpoints={"KLGA": "OKX/33,37", "KBUF": "BUF/40,50"}, hourly=True)
    assert asked(hourly, Recorder(NOW), AHEAD) == [
        "gridpoints/OKX/33,37/forecast/hourly",
        "gridpoints/BUF/40,50/forecast/hourly",
    ]
    assert asked(hourly, Recorder(NOW), AHEAD, start=past, end=past) == [], "what is past has no new forecast"


def test_a_point_is_called_by_its_station() -> None:
    data = Received((FIXTURES / "nws_gridpoint.json").read_bytes())
    for points, name in (("TBW/93,38", "TBW/93,38"), ({"KTPA": "TBW/93,38"}, "KTPA")):
        rows = Nws().parse(data, request_of(region(gridpoints=points), AHEAD), "gridpoints/TBW/93,38.json")
        assert set(rows["series"].str.extract(r"^(.*)\.[^.]*$")) == {name}


def test_each_pull_of_a_forecast_is_a_vintage(tmp_path: Path) -> None:
    of = region(gridpoints={"KTPA": "TBW/93,38"}).model_copy(update={"weather": None})
    store, data = Store(tmp_path), (FIXTURES / "nws_gridpoint.json").read_bytes()
    later = data.replace(b"2022-02-03T19:22:03+00:00", b"2022-02-04T01:22:03+00:00")
    assert later != data
    for pulled, answer in ((5, data), (6, data), (9, later)):
        now = datetime(2022, 2, 4, pulled, tzinfo=UTC)
        client = Recorder(now, answer)
        assert of.weather_forecast is not None
        request = request_of(of, AHEAD, http=client)
        (delivery,) = Nws().deliveries(request)
        batch, _ = batch_of(request, delivery.read(), delivery.origin)
        store.append(AHEAD, batch.rows, now=now)
    rows = store.versions(AHEAD, "toy").filter(pl.col("series") == "KTPA.dew_point_c")
    told = rows.group_by("available_at", maintain_order=True).agg(pl.len(), pl.col("basis").unique())
    assert told.rows() == [
        (datetime(2022, 2, 3, 19, 22, 3, tzinfo=UTC), 4, ["written"]),
        (datetime(2022, 2, 4, 1, 22, 3, tzinfo=UTC), 4, ["written"]),
    ]
    before = store.as_of(AHEAD, "toy", at=datetime(2022, 2, 4, tzinfo=UTC))
    assert set(before["available_at"]) == {datetime(2022, 2, 3, 19, 22, 3, tzinfo=UTC)}


def test_the_service_wants_to_know_whom_to_contact() -> None:
    with pytest.raises(ConfigurationError, match="NOWCAST_CONTACT"):
        asked(region(stations="KLGA"), Recorder(NOW, contact=""))
    with pytest.raises(ConfigurationError, match="no stations"):
        asked(region(), Recorder(NOW))
    with pytest.raises(ConfigurationError, match="no gridpoints"):
        asked(region(), Recorder(NOW), AHEAD)
    with pytest.raises(ConfigurationError, match="no option 'gridpoints'"):
        asked(region(stations="KLGA", gridpoints="OKX/33,37"), Recorder(NOW))
    with pytest.raises(ConfigurationError, match="two stations"):
        asked(region(gridpoints={"KLGA": "OKX/33,37", "KJFK": "OKX/33,37"}), Recorder(NOW), AHEAD)
    with pytest.raises(ConfigurationError, match="no power"):
        asked(region(stations="KLGA"), Recorder(NOW), Table.POWER)


def test_whole_answers(bench_data: Path) -> None:
    folder = bench_data / "wire/nws"
    counts = {}
    for name in ("gridpoints", "forecast_all", "stations_observations", "gridpoints_forecast_hourly"):
        rows = nws.parse((folder / f"{name}.json").read_bytes(), origin=HOURLY)
        assert rows["at"].null_count() == rows["value"].null_count() == 0
        counts[name] = len(rows)
    assert counts == {
        "gridpoints": 720,
        "forecast_all": 725,
        "stations_observations": 4,
        "gridpoints_forecast_hourly": 6,
    }
