import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.ingest.align import align
from power_nowcast.ingest.sources.entsoe import Entsoe
from power_nowcast.regions import Region
from tests.ingest.conftest import FIXTURES, Recorder, needs, region_of, request_of

pytestmark = pytest.mark.usefixtures("keys")
ENTSOE = Entsoe()
NOON = datetime(2025, 10, 21, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def finland(*zones: str, interval: int = 15, label: str = "start", **options: object) -> Region:
    options = {"area": "FI", "dataset": "generation", "series": {"Wind": "B19", "Solar": "B16"}} | options
    return region_of(
        *(zones or ("Wind", "Solar")),
        timezone="Europe/Helsinki",
        interval=interval,
        source="entsoe",
        label=label,
        **options,
    )


def fixture(name: str) -> Received:
    return Received((FIXTURES / f"entsoe_{name}.xml").read_bytes())


def changed(old: str, new: str, name: str = "fi_generation_a03") -> Received:
    text = fixture(name).data.decode()
    assert old in text
    return Received(text.replace(old, new).encode())


def laughs(copies: int) -> bytes:
    """A document whose entities stand for each other, to any size."""
    return (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "{"ha" * copies}"><!ENTITY b "{"&a;" * 100}">]><x>&b;</x>'
    ).encode()


def values(received: Received, region: Region, series: str = "Solar") -> dict[datetime, float]:
    rows = ENTSOE.parse(received, request_of(region), "x.xml")
    return {at: value for name, at, value in rows.select("series", "at", "value").iter_rows() if name == series}


def test_a_curve_that_leaves_out_repeats_is_filled_to_the_end_of_its_period() -> None:
    region = finland()
    sun = values(fixture("fi_generation_a03"), region)
    assert [*sun] == [NOON + number * QUARTER for number in range(24)]
    assert [*sun.values()][:2] == [236.28, 213.22]
    assert [*sun.values()][12:] == [1.8] * 12, "points 14 to 24 are not in the document"
    wind = values(fixture("fi_generation_a03"), region, "Wind")
    assert len(wind) == 24
    assert wind[NOON + 20 * QUARTER] == wind[NOON + 19 * QUARTER], "point 21 is not in the document"


def test_what_a_curve_of_all_points_leaves_out_is_unknown() -> None:
    received = changed("<curveType>A03</curveType>", "<curveType>A01</curveType>")
    assert len(values(received, finland())) == 13
    assert len(values(received, finland(), "Wind")) == 23


def test_a_stamp_is_the_start_of_its_quarter() -> None:
    region = finland()
    rows = ENTSOE.parse(fixture("fi_generation_a03"), request_of(region), "x.xml")
    aligned, _ = align(rows, region, Table.POWER, region.power)
    assert aligned["valid_at"].min() == NOON + QUARTER
    assert min(values(fixture("fi_generation_a03"), finland(label="end"))) == NOON + QUARTER


def test_a_zone_of_several_types_exists_where_every_one_has_a_value() -> None:
    region = finland("All", series={"All": ["B16", "B19"]})
    both = values(fixture("fi_generation_a03"), region, "All")
    assert both[NOON] == pytest.approx(236.28 + 4110.7)
    received = changed("<curveType>A03</curveType>", "<curveType>A01</curveType>")
    assert len(values(received, region, "All")) == 13
    absent = finland("All", series={"All": ["B16", "B18"]})
    assert values(fixture("fi_generation_a03"), absent, "All") == {}


def test_what_plants_draw_is_not_what_they_give() -> None:
    received = changed("inBiddingZone", "outBiddingZone")
    assert values(received, finland()) == {}


def test_load_of_an_area_and_its_forecast() -> None:
    region = finland("DK1", interval=30, area="DK_1", dataset="load")
    with pytest.raises(SourceFormatError, match="PT60M, the region file says 30"):
        ENTSOE.parse(fixture("dk1_load"), request_of(region), "x.xml")
    spec = region.power.model_copy(update={"interval_minutes": 60})
    region = region.model_copy(update={"power": spec})
    assert [*values(fixture("dk1_load"), region, "DK1").values()] == [3031.0, 3152.0, 3069.0, 2918.0]
    forecast = request_of(finland(), Table.FORECAST)
    rows = ENTSOE.parse(fixture("fi_wind_solar_forecast"), forecast, "x.xml")
    assert rows.filter(series="Wind")["value"].to_list() == [2224.0, 2223.0, 2221.0, 2218.0]
    assert rows["written"].null_count() == 8, "the document tells when it was asked for, not when it was written"


def test_a_document_whose_resolution_changes_is_read_in_parts(caplog: pytest.LogCaptureFixture) -> None:
    """DK1's hours become quarter hours at one o'clock: those of the region file are read, the others told."""
    region = finland("DK1", interval=15, area="DK_1", dataset="load")
    hours = fixture("dk1_load").data.decode()
    start = hours.index("<Period>")
    period = hours[start : hours.index("</Period>") + len("</Period>")]
    quarters = period.replace("PT60M", "PT15M")
    begin, end = (period[period.index(f"<{side}>") + len(side) + 2 :][:17] for side in ("start", "end"))
    length = datetime.fromisoformat(end) - datetime.fromisoformat(begin)
    later = (datetime.fromisoformat(end) + length / 4).strftime("%Y-%m-%dT%H:%MZ")
    quarters = quarters.replace(end, later).replace(f"<start>{begin}", f"<start>{end}")
    both = Received((hours[:start] + period + quarters + hours[start + len(period) :]).encode())
    read = values(both, region, "DK1")
    first = datetime.fromisoformat(end)
    assert [*read] == [first + number * QUARTER for number in range(4)]
    assert [*read.values()] == [3031.0, 3152.0, 3069.0, 2918.0]
    assert "values of PT60M from" in caplog.text
    assert "are left out: the region file says 15 minutes" in caplog.text
    spec = region.power.model_copy(update={"interval_minutes": 60})
    hourly = values(both, region.model_copy(update={"power": spec}), "DK1")
    assert max(hourly) < first
    assert [*hourly.values()] == [3031.0, 3152.0, 3069.0, 2918.0]


def test_an_answer_of_nothing_has_no_rows() -> None:
    assert values(fixture("nothing"), finland()) == {}


@pytest.mark.parametrize(
    ("received", "message"),
    [
        (Received(b""), "is empty"),
        (Received(b"<html><title>Sign in</title></html>"), "web page"),
        (Received(b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'), "declares entities"),
        (Received(b"<!--" + b" " * 2000 + b'--><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'), "declares entities"),
        (Received('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x><x/>'.encode("utf-16")), "declares entities"),
        (Received(laughs(100_000)), "declares entities"),
        (Received(b"<GL_MarketDocument>"), "no whole XML"),
        (Received(b"<rss/>"), "but rss"),
        (changed("No matching data found", "Too many documents", "nothing"), "Acknowledgement.*Too many documents"),
        (changed("MAW", "MWH"), "its unit is 'MWH'"),
        (changed("A03</curve", "A05</curve"), "of type 'A05'"),
        (changed("<position>13<", "<position>12<"), "position 12 stands there twice"),
        (changed("<position>13<", "<position>99<"), "outside of its period"),
        (changed("<position>13<", "<position>x<"), "no document of load"),
        (changed("<start>2025-10-21T12:00Z</start>", ""), "no document of load"),
    ],
)
def test_what_is_no_document_as_agreed_is_refused(received: Received, message: str) -> None:
    with pytest.raises(SourceFormatError, match=message):
        ENTSOE.parse(received, request_of(finland()), "x.xml")


def test_a_value_that_is_no_number_is_told() -> None:
    rows = ENTSOE.parse(changed(">236.28<", ">n/a<"), request_of(finland()), "x.xml")
    assert rows.filter(rows["text"].is_not_null()).select("series", "value", "text").rows() == [("Solar", None, "n/a")]


def names(region: Region, table: Table = Table.POWER, **span: datetime) -> list[str]:
    needs("entsoe")
    deliveries = ENTSOE.deliveries(request_of(region, table, http=Recorder(NOON), **span))
    return [delivery.origin for delivery in deliveries]


def test_spans_are_of_a_month_at_most_and_without_a_start_of_two_days() -> None:
    assert names(finland()) == ["FI_generation_power_20251020_20251022.xml"]
    assert names(finland(), Table.FORECAST) == ["FI_generation_forecast_20251020_20251023.xml"]
    start, end = datetime(2025, 8, 1, tzinfo=UTC), datetime(2025, 9, 2, 6, tzinfo=UTC)
    assert names(finland(), start=start, end=end) == [
        "FI_generation_power_20250731_20250830.xml",
        "FI_generation_power_20250830_20250903.xml",
    ]


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (finland(area="Finland!"), "area"),
        (finland(process="yesterday"), "process"),
        (finland(dataset="load"), "one load"),
        (finland(series={"Wind": "B19"}), "type of plant of every zone"),
        (finland(series={"Wind": "onshore", "Solar": "B16"}), "type of plant of every zone"),
        (finland(series={"Wind": 19, "Solar": "B16"}), "type of plant of every zone"),
        (finland(dataset="prices"), "no dataset 'prices'"),
        (finland(url="http://127.0.0.1"), "HTTPS_PROXY"),
        (finland(key="secret"), "no option 'key'"),
    ],
)
def test_wrong_options_are_told(region: Region, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        names(region)


def test_weather_is_elsewhere() -> None:
    with pytest.raises(ConfigurationError, match="no weather"):
        names(finland(), Table.WEATHER)


@pytest.mark.parametrize(
    ("file", "interval", "rows"),
    [("FI_production", 15, 288), ("LU_production", 15, 288), ("SE-SE4_production", 60, 71)],
)
def test_whole_answers_read_as_the_library_reads_them(bench_data: Path, file: str, interval: int, rows: int) -> None:
    parsers = pytest.importorskip("entsoe.parsers", reason="the extra grids is not installed")
    data = (bench_data / f"wire/entsoe/{file}.xml").read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library reads XML as HTML
        theirs = parsers.parse_generation(data.decode())
    region = finland(interval=15)
    spec = region.power.model_copy(update={"interval_minutes": interval})
    region = region.model_copy(update={"power": spec})
    for zone, column in (("Wind", "Wind Onshore"), ("Solar", "Solar")):
        series = theirs[column].dropna()
        expected = {at.to_pydatetime().astimezone(UTC): value for at, value in series.items()}
        found = values(Received(data), region, zone)
        assert len(found) == rows
        assert found == expected
