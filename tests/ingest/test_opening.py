"""opening: the same table whatever it is packed in; what is damaged is named."""

import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable

import polars as pl
import pytest

from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest.opening import table

CSV = b"valid_at,VIC\n2014-01-01T00:00Z,4000\n2014-01-01T00:30Z,\n"


def zipped(*files: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files:
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(*files: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "pack",
    [bytes, gzip.compress, lzma.compress, lambda data: zipped(("a.csv", data)), lambda data: tarred(("a.csv", data))],
    ids=["plain", "gz", "xz", "zip", "tar"],
)
def test_packing_does_not_matter(pack: Callable[[bytes], bytes]) -> None:
    rows = table(pack(CSV), "load")
    assert rows.rows() == [("2014-01-01T00:00Z", "4000"), ("2014-01-01T00:30Z", None)]


def test_members_come_in_order_of_their_names() -> None:
    archive = lzma.compress(tarred(("2.csv", b"a\n2\n"), ("1.csv", b"a\n1\n")))
    assert table(archive, "x.tar.xz")["a"].to_list() == ["1", "2"]


def test_times_of_parquet_are_utc() -> None:
    frame = pl.DataFrame({"valid_at": ["2014-07-01T10:00:00+10:00"], "VIC": [4000.5]}).with_columns(
        pl.col("valid_at").str.to_datetime(time_zone="Australia/Melbourne", time_unit="us")
    )
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    assert table(buffer.getvalue(), "x.parquet").row(0) == ("2014-07-01T00:00:00.000000Z", "4000.5")


def test_days_come_from_the_names_of_files() -> None:
    first, second = b"Time,mw\n00:05,1\n23:55,2\n00:00,3\n", b"Time,mw\n0:05,4\n"
    rows = table(
        zipped(("20181231.csv", first), ("20190101.csv", second)), "x.zip", date_in_name="%Y%m%d", stamp="Time"
    )
    assert rows["Time"].to_list() == [
        "2018-12-31 00:05",
        "2018-12-31 23:55",
        "2019-01-01 00:00",
        "2019-01-01 00:05",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(CSV)[:-9], "damaged"),
        (zipped(("a.csv", CSV))[:40], "damaged"),
        (zipped(), "holds no file"),
        (b"", "no CSV"),
        (zipped(("a.csv", b"a\n1\n"), ("b.csv", b"b\n1\n")), "b.csv has the columns b, a.csv has a"),
    ],
    ids=["cut gz", "cut zip", "empty zip", "empty", "other columns"],
)
def test_what_is_damaged_is_named(data: bytes, message: str) -> None:
    with pytest.raises(SourceFormatError, match=message) as caught:
        table(data, "load.zip")
    assert "load.zip" in str(caught.value) or caught.value.file  # type: ignore[attr-defined]


def test_a_name_without_a_date_is_refused() -> None:
    with pytest.raises(SourceFormatError, match="does not begin with a date"):
        table(zipped(("demand.csv", b"Time,mw\n00:05,1\n")), "x.zip", date_in_name="%Y%m%d", stamp="Time")
