"""Libraries that are answered with nothing, with something else, or wrongly read; by a proxy as in test_wire.py."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults import Reply
from tests.proxy import Proxy

from .asking import KEYS, ask, finland, moment, question

pytestmark = pytest.mark.integration
for _name in ("gridstatus", "entsoe", "meteostat"):
    pytest.importorskip(_name, reason="the extra grids is not installed")


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_told_without_it(proxy: Proxy, status: int) -> None:
    said = "".join(f"<Reason><code>999</code><text>Unauthorized {key}</text></Reason>" for key in KEYS.values())
    page = f"<Acknowledgement_MarketDocument>{said}</Acknowledgement_MarketDocument>".encode()
    for server in ("web-api.tp.entsoe.eu", "api.pjm.com"):
        proxy.serve(server, Reply(page, status, "text/xml"))
    now = "2025-10-21T13:00"
    answers = ask(proxy, finland(now), question("gridstatus", moment(now), "PJM", grid="PJM", series={"PJM": "Load"}))
    for answer, variable in zip(answers, ("ENTSOE_API_KEY", "PJM_API_KEY"), strict=True):
        assert answer["kind"] == "SourceUnavailableError"
        assert f"refused with {status}" in answer["error"]
        assert f"Check the key in {variable}." in answer["error"]
        assert answer["fields"]["status"] == status


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(b"<html><title>Maintenance</title></html>", 200, "text/html"), "SourceFormatError", ""),
        (Reply(b"", 200, "text/xml"), "SourceFormatError", ""),
        (Reply(b"busy", 503, "text/plain"), "SourceUnavailableError", "503"),
    ],
    ids=["web page", "empty", "503"],
)
def test_what_is_no_answer_is_refused(proxy: Proxy, reply: Reply, kind: str, words: str) -> None:
    for server in ("web-api.tp.entsoe.eu", "www.ercot.com", "api.pjm.com"):
        proxy.serve(server, reply)
    now = moment("2025-10-21T13:00")
    answers = ask(
        proxy,
        finland("2025-10-21T13:00"),
        question("gridstatus", now, "Wind", grid="ERCOT", dataset="fuel_mix", label="instant"),
        question("gridstatus", now, "PJM", grid="PJM", series={"PJM": "Load"}),
    )
    for answer in answers:
        assert answer["kind"] == kind, answer
        assert words in answer["error"]
        assert answer["deliveries"] == [], "nothing of it is archived"


def test_an_answer_of_nothing_is_kept_and_has_no_rows(proxy: Proxy) -> None:
    nothing = (Path(__file__).parent / "fixtures/entsoe_nothing.xml").read_bytes()
    proxy.serve("web-api.tp.entsoe.eu", Reply(nothing, 200, "text/xml"))
    (answer,) = ask(proxy, finland("2025-10-21T13:00", "power"))
    assert [(one["data"].encode(), one["rows"]) for one in answer["deliveries"]] == [(nothing, [])]


def test_the_library_sums_the_areas_that_it_got_and_this_package_does_not(proxy: Proxy) -> None:
    """SPP's file is made up in the form that the library reads: none is among what was recorded."""
    lines = ["Interval,GMTInterval,STLF,Actual,BAA"]
    first = datetime(2026, 5, 1, 0, 5, tzinfo=UTC)
    for number, areas in enumerate(({"SPP": 30000, "SWPW": 2000}, {"SPP": 30100})):
        end = first + timedelta(minutes=5 * number)
        lines += [f"{end:%m/%d/%Y %H:%M},{end:%m/%d/%Y %H:%M},0,{load},{area}" for area, load in areas.items()]
    proxy.serve("portal.spp.org/file-browser-api/download", Reply("\n".join(lines).encode()))
    series = {"SPP": "SPP Load", "ALL": ["SPP Load", "SWPW Load"]}
    ours = question("gridstatus", datetime(2026, 5, 1, tzinfo=UTC), "SPP", "ALL", grid="SPP", series=series)
    theirs, own = ask(proxy, {"library": "SPP.get_load"}, ours)
    totals = [float(line.rsplit(",", 1)[1]) for line in theirs["table"].splitlines()[2:]]
    assert totals == [32000.0, 30100.0], "a total without one of its areas"
    found = [(name, value) for name, _, value, _ in own["deliveries"][0]["rows"]]
    assert found == [("SPP", 30000.0), ("SPP", 30100.0), ("ALL", 32000.0)]


def test_weather_of_a_station_without_what_models_filled_in(proxy: Proxy) -> None:
    """Meteostat's file is made up in the form that it documents: none is among what was recorded."""
    titles = [
        "year",
        "month",
        "day",
        "hour",
        *(f"{name}{end}" for name in ("temp", "wspd", "cldc") for end in ("", "_source")),
    ]
    rows = [f"2025,3,13,{hour},1{hour}.5,{by},18,{by},4,{by}" for hour, by in enumerate(("isd_lite", "dwd_mosmix"))]
    body = gzip.compress("\n".join([",".join(titles), *rows]).encode())
    proxy.serve("data.meteostat.net/hourly/2025/10637.csv.gz", Reply(body, 200, "application/gzip"))
    proxy.serve("data.meteostat.net/hourly/2025/10638.csv.gz", Reply(b"<html>", 200, "text/html"))
    proxy.serve("data.meteostat.net/hourly/2025/10639.csv.gz", Reply(b"busy", 503, "text/plain"))
    now = moment("2025-03-14T13:00")
    asked = [
        question("meteostat", now, "X", table="weather", stations=[station])
        for station in ("10637", "10638", "10639", "99999")
    ]
    found, page, busy, unknown = ask(proxy, *asked)
    at = "2025-03-13 00:00:00+00:00"
    assert found["deliveries"][0]["rows"] == [
        ["10637.temperature_c", at, 10.5, None],
        ["10637.wind_speed_ms", at, 5.0, None],
        ["10637.cloud_cover", at, 0.5, None],
    ]
    assert {one["kind"] for one in (page, busy, unknown)} == {"SourceUnavailableError"}
    assert "status: 503" in busy["error"]
    assert unknown["fields"]["status"] == 404
    assert not (proxy.folder / ".meteostat").exists(), "its cache is of pickled files"


def test_the_library_writes_nothing_for_a_fuel_that_it_did_not_get_and_this_package_does_not(proxy: Proxy) -> None:
    """ISO New England's file is made up in the form that the library reads: none is among what was recorded."""
    heads = ["C,Gen Fuel Mix"] * 4 + ["H,Date,Time,Fuel Category,Gen Mw", "H,Date,Time,String,MW"]
    rows = ["00:00:00,Wind,500", "00:00:00,Nuclear,3000", "00:10:00,Nuclear,3001"]
    lines = [*heads, *(f"D,05/01/2026,{row}" for row in rows), "T,3 lines"]
    proxy.serve("www.iso-ne.com/transform/csv/genfuelmix", Reply("\n".join(lines).encode(), 200, "text/csv"))
    asked = question(
        "gridstatus",
        datetime(2026, 5, 1, 12, tzinfo=UTC),
        "Wind",
        "Nuclear",
        grid="ISONE",
        dataset="fuel_mix",
        label="instant",
        start=datetime(2026, 5, 1, 6, tzinfo=UTC),
    )
    (answer,) = ask(proxy, asked)
    (delivery,) = answer["deliveries"]
    assert delivery["data"].splitlines()[-1] == "2026-05-01T04:10:00Z,3001.0,0.0", "the library's table"
    assert [(name, value) for name, _, value, _ in delivery["rows"]] == [
        ("Wind", 500.0),
        ("Nuclear", 3000.0),
        ("Nuclear", 3001.0),
    ]
