import os
import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import pytest

from power_nowcast import regions
from power_nowcast.regions import Region

LOAD_HEADER = '"Time Stamp","Time Zone","Name","PTID","Load"'
FORECAST_HEADER = (
    '"Time Stamp","Capitl","Centrl","Dunwod","Genese","Hud Vl","Longil","Mhk Vl","Millwd",'
    '"N.Y.C.","North","West","NYISO"'
)
type Zipped = Callable[..., bytes]


@pytest.fixture
def nyiso() -> Region:
    return regions.load("nyiso")


@pytest.fixture
def victoria() -> Region:
    return regions.load("victoria")


@pytest.fixture
def bench_data() -> Path:
    folder = os.environ.get("NOWCAST_BENCH_DATA")
    if not folder or not Path(folder, "nyiso/pal").is_dir():
        pytest.skip("NOWCAST_BENCH_DATA names no folder with nyiso/pal: the publishers' files are not here")
    return Path(folder)


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
