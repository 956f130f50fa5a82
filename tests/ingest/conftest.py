import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from power_nowcast import regions
from power_nowcast.contracts import Batch, Received, Table
from power_nowcast.ingest import fetch
from power_nowcast.ingest.published import Request
from power_nowcast.ingest.web import Http
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.settings import settings

if TYPE_CHECKING:
    from tests.proxy import Proxy

LOAD_HEADER = '"Time Stamp","Time Zone","Name","PTID","Load"'
FORECAST_HEADER = (
    '"Time Stamp","Capitl","Centrl","Dunwod","Genese","Hud Vl","Longil","Mhk Vl","Millwd",'
    '"N.Y.C.","North","West","NYISO"'
)
FIXTURES = Path(__file__).parent / "fixtures"
type Zipped = Callable[..., bytes]


@pytest.fixture
def nyiso() -> Region:
    return regions.load("nyiso")


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keys of the publishers that demand one."""
    monkeypatch.setenv("ENTSOE_API_KEY", "entsoe-k3y")
    monkeypatch.setenv("PJM_API_KEY", "pjm-k3y")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator["Proxy"]:
    from tests.proxy import Proxy

    with Proxy(tmp_path) as running:
        yield running


@pytest.fixture
def victoria() -> Region:
    return regions.load("victoria")


def needs(library: str) -> None:
    """Leave out the test where a library of the extra grids is not there."""
    if find_spec(library) is None:
        pytest.skip(f"the extra grids is not installed: {library}")


def zipped(
    *members: tuple[str, Sequence[str]], time: tuple[int, int, int, int, int, int] = (2019, 3, 9, 7, 5, 4)
) -> bytes:
    """A zip archive of CSV files of these lines, as NYISO packs them."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, lines in members:
            archive.writestr(zipfile.ZipInfo(name, time), "".join(f"{line}\r\n" for line in lines))
    return buffer.getvalue()


def load_line(stamp: str, zone: str = "EST", name: str = "NORTH", load: object = 600.0) -> str:
    return f'"{stamp}","{zone}","{name}",61755,{load}'


def forecast_line(stamp: str, first: int = 1000) -> str:
    return f'"{stamp}",{",".join(str(first + number) for number in range(12))}'


def read_file(region: Region, file: Path, text: str, table: Table = Table.POWER, **options: object) -> Batch:
    """The batch of a file of these lines, by the options of the source files."""
    file.write_text(text)
    spec = SourceSpec(source="files", options={"files": str(file), **options})
    if table is Table.WEATHER:
        spec = spec.model_copy(update={"variables": ("X.temperature_c",)})
    changed = region.model_copy(update={table.value: spec})
    (batch,) = fetch(changed, tables=[table])
    assert batch.origin == "my load.csv"
    return batch


def reasons_of(batch: Batch) -> list[str]:
    return batch.quarantined["reason"].to_list()


def region_of(*zones: str, timezone: str, interval: int, source: str, label: str = "end", **options: object) -> Region:
    """A small region whose tables all come from a source with these options."""
    spec = {"source": source, "label": label, "options": options}
    return Region.model_validate(
        {
            "name": "toy",
            "title": "Toy",
            "timezone": timezone,
            "interval_minutes": interval,
            "model": "toy",
            "holidays": {"country": "US"},
            "zones": [{"name": name, "latitude": 50.0, "longitude": 4.0, "max_mw": 60000} for name in zones],
            "power": spec,
            "forecast": {**spec, "interval_minutes": 60 if source == "caiso" else None},
            "weather": {**spec, "label": "instant"},
            "weather_forecast": {**spec, "label": "instant", "interval_minutes": 60},
        }
    )


def request_of(region: Region, table: Table = Table.POWER, **more: Any) -> Request:
    spec = region.spec(table)
    assert spec is not None
    return Request(region, table, spec, **more)


class Recorder(Http):
    """A client that answers everything with the same bytes and remembers what it was asked."""

    def __init__(self, now: datetime, data: bytes = b"", contact: str = "me@example.org") -> None:
        super().__init__(clock=lambda: now, contact=contact)
        self.close()
        self.data = data
        self.asked: list[str] = []

    def get(self, url: str, *, params: Mapping[str, str] | None = None, **_: Any) -> Received:
        self.asked.append(f"{url}?{urlencode(params)}" if params else url)
        return Received(self.data, received_at=self.clock(), url=url)
