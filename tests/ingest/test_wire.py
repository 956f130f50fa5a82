"""The publishers' recorded answers through the unpatched libraries, by a proxy that stands in for their servers."""

import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.faults import Reply
from tests.proxy import Proxy

from .asking import KEYS, ask, finland, grid, moment, question

pytestmark = pytest.mark.integration
for _name in ("gridstatus", "entsoe", "meteostat"):
    pytest.importorskip(_name, reason="the extra grids is not installed")

REPORTS = {"12311": "load_forecast", "13028": "wind", "13483": "solar"}


def listing(report: str) -> Reply:
    """ERCOT's list of one document; lists are not among what was recorded."""
    document = {
        "DocID": report,
        "FriendlyName": "report_csv",
        "ConstructedName": f"cdr.000{report}.20250313.123000.csv.zip",
        "PublishDate": "2025-03-13T12:30:00-05:00",
    }
    documents = {"ListDocsByRptTypeRes": {"DocumentList": [{"Document": document}]}}
    return Reply(json.dumps(documents).encode(), 200, "application/json")


def serve_wire(proxy: Proxy, wire: Path) -> None:
    def serve(address: str, file: str, content_type: str = "application/json") -> None:
        data = (wire / file).read_bytes()
        proxy.serve(address, Reply(gzip.decompress(data) if file.endswith(".gz") else data, 200, content_type))

    serve("www.ercot.com/api/1/services/read/dashboards/fuel-mix.json", "ercot/ERCOT_generation.json")
    for report, name in REPORTS.items():
        proxy.serve(f"www.ercot.com/misapp/servlets/IceDocListJsonWS?reportTypeId={report}", listing(report))
        address = f"www.ercot.com/misdownload/servlets/mirDownload?doclookupId={report}"
        serve(address, f"ercot/{name}_specific_reportid.zip", "application/zip")
    for name, file in (("wphf", "wind"), ("sphf", "solar")):
        address = f"www.iso-ne.com/transform/csv/{name}?start=20250225"
        serve(address, f"isone/seven_day_{file}_power_forecast_20250225.csv", "text/csv")
    serve("www.iso-ne.com/ws/wsclient", "isone/day_ahead_load_forecast_20250317.xml")
    serve("docs.misoenergy.org/marketreports/20250310_df_al.xls", "miso/20250310_df_al.xls", "application/vnd.ms-excel")
    serve("public-api.misoenergy.org/api/FuelMix", "miso/MISO.html")
    pjm = "api.pjm.com/api/v1"
    serve(f"{pjm}/five_min_solar_power_forecast", "pjm/pjm_5min_solar_forecast_response.json")
    serve(f"{pjm}/five_min_wind_power_forecast", "pjm/pjm_5min_wind_forecast_response.json.gz")
    # Recorded without the envelope that the library asks for.
    items = json.loads(gzip.decompress((wire / "pjm/compressed_pjm_load_forecast_2025-03-19.gz").read_bytes()))
    envelope = json.dumps({"links": [], "items": items, "totalRows": len(items)}).encode()
    proxy.serve(f"{pjm}/load_frcstd_7_day", Reply(envelope, 200, "application/json"))
    entsoe = "web-api.tp.entsoe.eu/api?documentType"
    areas = {"10YFI-1--------U": "FI", "10YLU-CEGEDEL-NQ": "LU", "10Y1001A1001A47J": "SE-SE4"}
    for code, area in areas.items():
        serve(f"{entsoe}=A75&processType=A16&in_Domain={code}", f"entsoe/{area}_production.xml", "text/xml")
    serve(f"{entsoe}=A69&processType=A01", "entsoe/wind_solar_forecast_FI_DAY_AHEAD.xml", "text/xml")
    serve(f"{entsoe}=A69&processType=A40", "entsoe/wind_solar_forecast_FI_INTRADAY.xml", "text/xml")
    serve(f"{entsoe}=A69&processType=A18", "entsoe/wind_solar_forecast_FI_CURRENT.xml", "text/xml")
    serve(f"{entsoe}=A65&processType=A16", "entsoe/DK-DK1_consumption.xml", "text/xml")
    serve(f"{entsoe}=A65&processType=A01", "entsoe/DK-DK2_consumption_forecast.xml", "text/xml")


def hourly(asked: dict[str, Any]) -> dict[str, Any]:
    """The question for a region of hours, of which some areas' answers are."""
    return {**asked, "region": {**asked["region"], "interval_minutes": 60}}


# What is asked, and of the answer: how many rows, and the first one (series, at, value, written).
RECORDED: dict[str, tuple[dict[str, Any], int, list[Any]]] = {
    "ERCOT fuel mix": (
        question(
            "gridstatus", moment("2025-10-09T12:00"), "Wind", "Solar", grid="ERCOT", dataset="fuel_mix", label="instant"
        ),
        738,
        ["Wind", "2025-10-08 05:04:56+00:00", 9569.0673828125, None],
    ),
    "ERCOT load forecast": (
        grid("ERCOT", "2025-03-13T18:00", "ERCOT", "System Total"),
        192,
        ["ERCOT", "2025-03-13 06:00:00+00:00", 43797.76989746094, "2025-03-13 17:30:00+00:00"],
    ),
    "ERCOT wind forecast": (
        grid("ERCOT", "2025-03-13T18:00", "Wind", "STWPF SYSTEM WIDE", dataset="wind"),
        216,
        ["Wind", "2025-03-11 19:00:00+00:00", 17404.1, "2025-03-13 17:30:00+00:00"],
    ),
    "ERCOT solar forecast": (
        grid("ERCOT", "2025-03-13T18:00", "Solar", "STPPF SYSTEM WIDE", dataset="solar"),
        216,
        ["Solar", "2025-03-11 19:00:00+00:00", 24108.1, "2025-03-13 17:30:00+00:00"],
    ),
    "ISO-NE wind forecast": (
        grid("ISONE", "2025-02-25T18:00", "Wind", "Wind Forecast", dataset="wind", start=moment("2025-02-25T12:00")),
        168,
        ["Wind", "2025-02-25 16:00:00+00:00", 234.0, None],
    ),
    "ISO-NE solar forecast": (
        grid("ISONE", "2025-02-25T18:00", "Solar", "Solar Forecast", dataset="solar", start=moment("2025-02-25T12:00")),
        168,
        ["Solar", "2025-02-25 16:00:00+00:00", 661.0, None],
    ),
    "ISO-NE load forecast": (
        grid("ISONE", "2025-03-17T18:00", "NE", "Load Forecast", start=moment("2025-03-17T12:00")),
        48,
        ["NE", "2025-03-17 05:00:00+00:00", 9950.0, "2025-03-17 13:05:32+00:00"],
    ),
    "MISO load forecast": (
        grid("MISO", "2025-03-10T18:00", "LRZ1", "LRZ1 MTLF", start=moment("2025-03-10T12:00")),
        144,
        ["LRZ1", "2025-03-10 06:00:00+00:00", 9391.0, None],
    ),
    "PJM solar forecast": (
        grid(
            "PJM",
            "2024-10-01T18:00",
            "S",
            "Solar Forecast",
            dataset="solar",
            minutes=5,
            start=moment("2024-10-01T12:00"),
        ),
        2,
        ["S", "2024-10-01 04:05:00+00:00", 0.0, "2024-10-01 04:00:00+00:00"],
    ),
    "PJM wind forecast": (
        grid(
            "PJM", "2024-10-01T18:00", "W", "Wind Forecast", dataset="wind", minutes=5, start=moment("2024-10-01T12:00")
        ),
        10222,
        ["W", "2024-10-01 04:05:00+00:00", 905.171, "2024-10-01 04:00:00+00:00"],
    ),
    "ENTSO-E generation of Finland": (
        finland("2025-10-24T13:00", "power", start=moment("2025-10-21T12:00")),
        288,
        ["Wind", "2025-10-21 12:00:00+00:00", 4110.7, None],
    ),
    "ENTSO-E generation of Luxembourg": (
        finland("2024-05-24T11:00", "power", area="LU", start=moment("2024-05-21T12:00")),
        288,
        ["Wind", "2024-05-21 10:00:00+00:00", 2.0, None],
    ),
    "ENTSO-E generation of southern Sweden": (
        hourly(finland("2025-10-23T12:00", "power", area="SE_4", start=moment("2025-10-20T12:00"))),
        71,
        ["Wind", "2025-10-20 11:00:00+00:00", 1434.47, None],
    ),
    "ENTSO-E wind forecast of the day before": (
        finland("2024-02-09T13:00"),
        288,
        ["Wind", "2024-02-07 23:00:00+00:00", 2224.0, None],
    ),
    "ENTSO-E wind forecast of the same day": (
        finland("2024-02-09T13:00", process="intraday"),
        196,
        ["Wind", "2024-02-07 22:00:00+00:00", 2036.0, None],
    ),
    "ENTSO-E newest wind forecast": (
        finland("2024-02-09T13:00", process="current"),
        320,
        ["Wind", "2024-02-07 22:00:00+00:00", 1860.0, None],
    ),
    "ENTSO-E load of western Denmark": (
        hourly(question("entsoe", moment("2023-12-30T12:00"), "DK1", label="start", interval=15, area="DK_1")),
        47,
        ["DK1", "2023-12-28 15:00:00+00:00", 3031.0, None],
    ),
    "ENTSO-E load forecast of eastern Denmark": (
        question(
            "entsoe", moment("2023-12-28T12:00"), "DK2", table="forecast", label="start", interval=15, area="DK_2"
        ),
        96,
        ["DK2", "2023-12-27 23:00:00+00:00", 1554.0, None],
    ),
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The answers to all of RECORDED, of one process."""
    import os

    folder = os.environ.get("NOWCAST_BENCH_DATA")
    if not folder or not Path(folder, "wire").is_dir():
        pytest.skip("NOWCAST_BENCH_DATA names no folder with wire: the recorded answers are not here")
    with Proxy(tmp_path_factory.mktemp("wire")) as proxy:
        serve_wire(proxy, Path(folder, "wire"))
        answers = ask(proxy, *(one for one, _, _ in RECORDED.values()))
        headers = [headers for address, headers in proxy.asked if address.startswith("api.pjm.com")]
        assert {one["Ocp-Apim-Subscription-Key"] for one in headers} == {KEYS["PJM_API_KEY"]}
        tokens = [address for address, _ in proxy.asked if address.startswith("web-api.tp.entsoe.eu")]
        assert all(f"securityToken={KEYS['ENTSOE_API_KEY']}" in address for address in tokens)
    return dict(zip(RECORDED, answers, strict=True))


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_answer_reads_through_the_unpatched_library(recorded: dict[str, Any], name: str) -> None:
    answer, (_, rows, first) = recorded[name], RECORDED[name]
    assert "error" not in answer, answer
    (delivery,) = answer["deliveries"]
    assert len(delivery["rows"]) == rows
    assert delivery["rows"][0] == first


@pytest.mark.parametrize("name", RECORDED)
def test_what_is_archived_says_what_it_is(recorded: dict[str, Any], name: str, bench_data: Path) -> None:
    (delivery,) = recorded[name]["deliveries"]
    if name.startswith("ENTSO-E"):
        answers = [file.read_text("utf-8") for file in (bench_data / "wire/entsoe").glob("*.xml")]
        assert delivery["data"].replace("\r\n", "\n") in answers, "as received"
        assert delivery["url"].startswith("https://web-api.tp.entsoe.eu/api?documentType=")
        assert "securityToken=***" in delivery["url"]
    else:
        assert delivery["data"].startswith("# not raw: the table that gridstatus ")
        assert delivery["url"].startswith("not raw: the table that gridstatus ")
        assert delivery["origin"].endswith("_not_raw.csv")


def test_answers_that_the_library_takes_for_today_s(bench_data: Path, proxy: Proxy) -> None:
    """MISO's fuel mix of 2018 lacks columns that the library asks for; PJM's load forecast is given out today only."""
    serve_wire(proxy, bench_data / "wire")
    now = datetime.now(UTC)
    miso = question("gridstatus", now, "Wind", grid="MISO", dataset="fuel_mix")
    pjm = grid("PJM", now.isoformat()[:19], "RTO", "RTO_COMBINED")
    answers = ask(proxy, miso, pjm)
    assert answers[0]["kind"] == "SourceFormatError"
    assert "KeyError: 'Battery Storage'" in answers[0]["error"]
    assert len(answers[1]["deliveries"][0]["rows"]) == 168


def test_tables_of_a_library_are_rebuilt_from_what_was_archived(bench_data: Path, proxy: Proxy, tmp_path: Path) -> None:
    serve_wire(proxy, bench_data / "wire")
    folder = tmp_path / "work"
    folder.mkdir()

    def nowcast(*arguments: str) -> str:
        command = [sys.executable, "-m", "power_nowcast.cli", *arguments]
        environment = {**proxy.environment, **KEYS, "NOWCAST_DATA": "data"}
        told = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
        assert told.returncode == 0, told.stdout + told.stderr
        return told.stdout + told.stderr

    nowcast("ingest", "--region", "ercot-wind")
    said = nowcast("data", "rebuild", "--region", "ercot-wind", "--into", "again")
    asked = len(proxy.asked)
    assert "same" in said
    assert len(proxy.asked) == asked
    names = [file.name for file in (folder / "data/raw").rglob("*not_raw.csv.gz")]
    assert len(names) == 2
    assert gzip.decompress(next((folder / "data/raw").rglob("*fuel_mix*")).read_bytes()).startswith(b"# not raw: ")
