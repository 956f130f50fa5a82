from datetime import UTC, datetime, timedelta

import pytest

from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.ingest.sources.gridstatus import DATASETS, GRIDS, Gridstatus
from power_nowcast.regions import Region
from tests.ingest.conftest import FIXTURES, Recorder, needs, region_of, request_of

pytestmark = pytest.mark.usefixtures("keys")
GRIDSTATUS = Gridstatus()
NOW = datetime(2026, 5, 1, 0, 10, tzinfo=UTC)
MIDNIGHT = datetime(2026, 5, 1, tzinfo=UTC)


def grid(name: str, *zones: str, label: str = "end", interval: int = 5, **options: object) -> Region:
    return region_of(
        *zones, timezone="America/Chicago", interval=interval, source="gridstatus", label=label, grid=name, **options
    )


def table(name: str) -> Received:
    return Received((FIXTURES / f"gridstatus_{name}.csv").read_bytes())


def lines(*text: str) -> Received:
    return Received("\n".join(("# not raw", *text)).encode())


def test_a_fuel_mix_holds_instants() -> None:
    region = grid("ERCOT", "Wind", "Sun", label="instant", dataset="fuel_mix", series={"Sun": "Solar"})
    rows = GRIDSTATUS.parse(table("ercot_fuel_mix"), request_of(region), "x.csv")
    first, second = (datetime(2025, 10, 8, 5, minute, 56, tzinfo=UTC) for minute in (4, 9))
    assert rows.select("series", "at", "value").rows() == [
        ("Wind", first, 9569.0673828125),
        ("Wind", second, 9495.580078125),
        ("Sun", first, 0.299883961677551),
        ("Sun", second, 0.3),
    ]


def test_a_total_exists_only_where_every_area_does() -> None:
    both = grid(
        "SPP",
        "SPP",
        "SWPW",
        "ALL",
        series={"SPP": "SPP Load", "SWPW": "SWPW Load", "ALL": ["SPP Load", "SWPW Load"]},
    )
    rows = GRIDSTATUS.parse(table("spp_by_area"), request_of(both), "x.csv")
    ends = [MIDNIGHT + timedelta(minutes=minutes) for minutes in (5, 10)]
    assert rows.select("series", "at", "value").rows() == [
        ("SPP", ends[0], 30000.0),
        ("SPP", ends[1], 30100.0),
        ("SWPW", ends[0], 2000.0),
        ("ALL", ends[0], 32000.0),
    ], "the library sums what it got: 30100 MW at the second time"


def test_an_area_without_any_row_leaves_the_others() -> None:
    region = grid("SPP", "SPP", "ALL", series={"SPP": "SPP Load", "ALL": ["SPP Load", "SWPW Load"]})
    text = table("spp_by_area").data.decode().splitlines()
    rows = GRIDSTATUS.parse(lines(*(line for line in text if "SWPW" not in line)), request_of(region), "x.csv")
    assert rows["series"].to_list() == ["SPP", "SPP"]


def test_forecasts_are_known_when_the_publisher_wrote_them() -> None:
    region = grid("PJM", "Solar", dataset="solar", series={"Solar": "Solar Forecast"})
    rows = GRIDSTATUS.parse(table("pjm_solar_forecast"), request_of(region, Table.FORECAST), "x.csv")
    assert rows.select("at", "written").row(1) == (
        datetime(2024, 10, 2, 9, 50, tzinfo=UTC),
        datetime(2024, 10, 2, 3, 50, tzinfo=UTC),
    )


def test_a_time_of_publication_that_the_library_assumes_is_not_used() -> None:
    region = grid("MISO", "LRZ1", series={"LRZ1": "LRZ1 MTLF"})
    columns = "Interval Start,Interval End,Publish Time,LRZ1 MTLF"
    hour = "2025-03-10T05:00:00Z,2025-03-10T05:05:00Z,2025-03-10T05:00:00Z,9391"
    rows = GRIDSTATUS.parse(lines(columns, hour), request_of(region, Table.FORECAST), "x.csv")
    assert rows.select("value", "written").row(0) == (9391.0, None)


def test_a_zero_that_the_library_made_up_is_unknown() -> None:
    region = grid("ISONE", "Wind", label="instant", dataset="fuel_mix")
    rows = GRIDSTATUS.parse(
        lines("Time,Wind", "2026-05-01T00:00:00Z,0.0", "2026-05-01T00:05:00Z,7.5"), request_of(region), "x.csv"
    )
    assert rows["value"].to_list() == [7.5]
    other = grid("MISO", "Wind", label="instant", dataset="fuel_mix")
    rows = GRIDSTATUS.parse(lines("Time,Wind", "2026-05-01T00:00:00Z,0.0"), request_of(other), "x.csv")
    assert rows["value"].to_list() == [0.0]


def test_cells_that_are_empty_or_no_numbers() -> None:
    region = grid("MISO", "Wind", label="instant", dataset="fuel_mix")
    rows = GRIDSTATUS.parse(
        lines("Time,Wind", "2026-05-01T00:00:00Z,", "soon,1", "2026-05-01T00:05:00Z,n/a"), request_of(region), "x.csv"
    )
    assert rows.select("at", "stamp", "value", "text").rows() == [
        (None, "soon", 1.0, None),
        (MIDNIGHT + timedelta(minutes=5), None, None, "n/a"),
    ]


@pytest.mark.parametrize(
    ("received", "message"),
    [
        (Received(b""), "no table"),
        (lines("Time,Load", "2026-05-01T00:00:00Z,1"), "lacks Interval End; it has Time, Load"),
        (lines("Interval Start,Interval End,Load", "2026-05-01T00:00:00Z,2026-05-01T01:00:00Z,1"), "60 minutes"),
    ],
)
def test_what_is_no_table_as_agreed_is_refused(received: Received, message: str) -> None:
    with pytest.raises(SourceFormatError, match=message):
        GRIDSTATUS.parse(received, request_of(grid("ERCOT", "Load")), "x.csv")


def names(region: Region, table: Table = Table.POWER, **span: datetime) -> list[str]:
    needs("gridstatus")
    deliveries = GRIDSTATUS.deliveries(request_of(region, table, http=Recorder(NOW), **span))
    return [delivery.origin for delivery in deliveries]


def test_days_are_asked_for_as_far_back_as_the_publisher_goes() -> None:
    # In Texas it is still the day before.
    assert names(grid("ERCOT", "Load")) == ["ERCOT_load_power_20260430_not_raw.csv"]
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    assert len(names(grid("PJM", "Load"), start=long_ago)) == 30
    assert len(names(grid("MISO", "Wind", dataset="fuel_mix"), start=long_ago)) == 2
    assert names(grid("ISONE", "Load"), start=long_ago, end=long_ago) == ["ISONE_load_power_20191231_not_raw.csv"]
    assert names(grid("ERCOT", "Load"), end=long_ago) == []


def test_where_only_the_newest_is_there_it_is_asked_for_if_it_may_serve() -> None:
    region = grid("ERCOT", "Wind", dataset="fuel_mix")
    assert names(region) == ["ERCOT_fuel_mix_power_newest_not_raw.csv"]
    assert names(region, end=NOW - timedelta(days=5)) == []


@pytest.mark.parametrize(
    ("region", "table", "message"),
    [
        (grid("NYISO", "Load"), Table.POWER, "no grid 'NYISO'.*ERCOT, ISONE, MISO, PJM, SPP"),
        (grid("PJM", "Wind", dataset="fuel_mix"), Table.POWER, "'fuel_mix' of PJM.*load, solar, wind"),
        (grid("SPP", "Wind", dataset="wind"), Table.FORECAST, "'wind' of SPP"),
        (grid("SPP", "Wind"), Table.WEATHER, "meteostat"),
        (grid("SPP", "Wind", url="http://127.0.0.1"), Table.POWER, "HTTPS_PROXY"),
        (grid("SPP", "Wind", zone="SPP"), Table.POWER, "no option 'zone'"),
    ],
)
def test_wrong_options_are_told(region: Region, table: Table, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        names(region, table)


def test_every_dataset_is_a_method_of_the_library() -> None:
    module = pytest.importorskip("gridstatus", reason="the extra grids is not installed")
    for table, datasets in DATASETS.items():
        for (name, _), dataset in datasets.items():
            assert callable(getattr(getattr(module, GRIDS[name].name), dataset.method)), (table, name)
