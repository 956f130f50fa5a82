"""opening: the same files whatever they are packed in; what is damaged, foreign or too large is named."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable

import pytest

from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest.parsing import opening
from power_nowcast.ingest.parsing.opening import members

CSV = b"valid_at,VIC\n2014-01-01T00:00Z,4000\n2014-01-01T00:30Z,\n"
MB = 2**20


def zipped(*files: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
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


def opened(data: bytes, **options: int) -> list[tuple[str, bytes]]:
    return [(member.name, member.data) for member in members(data, "load", **options)]


@pytest.mark.parametrize(
    "pack",
    [
        bytes,
        gzip.compress,
        lzma.compress,
        lambda data: lzma.compress(data[:20]) + lzma.compress(data[20:]),
        lambda data: gzip.compress(data[:20]) + gzip.compress(data[20:]),
        lambda data: zipped(("a.csv", data)),
        lambda data: tarred(("a.csv", data)),
        lambda data: zipped(("b.zip", zipped(("a.csv", data)))),
        lambda data: gzip.compress(tarred(("a.csv.gz", gzip.compress(data)))),
    ],
    ids=["plain", "gz", "xz", "two xz", "two gz", "zip", "tar", "zip in zip", "gz in tar in gz"],
)
def test_packing_does_not_matter(pack: Callable[[bytes], bytes]) -> None:
    ((_, data),) = opened(pack(CSV))
    assert data == CSV


def test_members_come_in_order_of_their_names() -> None:
    archive = lzma.compress(tarred(("2.csv", b"two"), ("1.csv", b"one")))
    assert opened(archive) == [("1.csv", b"one"), ("2.csv", b"two")]
    assert opened(zipped(("2.csv", b"two"), ("1.csv", b"one"))) == [("1.csv", b"one"), ("2.csv", b"two")]


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_what_a_mac_adds_is_no_file(pack: Callable[..., bytes]) -> None:
    extra = (("__MACOSX/load/._a.csv", b"\x00\x05\x16\x07"), ("load/.DS_Store", b"\0"), ("load/._a.csv", b"\0"))
    assert opened(pack(("load/a.csv", CSV), *extra)) == [("load/a.csv", CSV)]
    with pytest.raises(SourceFormatError, match="holds no file"):
        opened(pack(*extra))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(CSV)[:-9], "load is damaged, no whole gz archive"),
        (lzma.compress(CSV)[:-9], "load is damaged, no whole xz archive: it ends too early"),
        (zipped(("a.csv", CSV))[:40], "load is damaged, no whole zip archive"),
        (tarred(("a.csv", CSV))[:600], "load is damaged, no whole tar archive"),
        (zipped(), "load holds no file"),
        (bz2.compress(CSV), "load is packed with bzip2. Unpack it"),
        (
            zipped(("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"<x/>")),
            r"load is a workbook \(.xlsx\). Save it as CSV",
        ),
        (zipped(("mimetype", b"x"), ("content.xml", b"<x/>")), r"load is a workbook \(.ods\). Save it as CSV"),
        (zipped(("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")), r"a.xls is a workbook .*\(.xls\). Save it as CSV"),
        (b"SQLite format 3\x00", "load is an SQLite database. Save it as CSV"),
        (b"ARROW1\0\0", "load is an Arrow"),
    ],
    ids=["gz", "xz", "zip", "tar", "empty", "bzip2", "xlsx", "ods", "xls", "sqlite", "arrow"],
)
def test_what_is_damaged_or_of_another_form_is_named(data: bytes, message: str) -> None:
    with pytest.raises(SourceFormatError, match=message) as caught:
        opened(data)
    assert caught.value.fields["file"] in ("load", "a.xls")


def test_an_encrypted_archive_is_an_error() -> None:
    data = bytearray(zipped(("a.csv", CSV)))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(SourceFormatError, match="encrypted"):
        opened(bytes(data))


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        lzma.compress,
        lambda data: zipped(("a.csv", data)),
        lambda data: gzip.compress(tarred(("a.csv", data))),
        lambda data: zipped(*((f"{number}.csv", data[: len(data) // 4]) for number in range(5))),
        lambda data: zipped(("a.zip", zipped(("a.csv", data)))),
    ],
    ids=["gz", "xz", "zip", "tar", "five", "zip in zip"],
)
def test_what_unpacks_to_more_than_the_limit_is_refused(pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(bytes(8 * MB))
    assert len(bomb) < MB / 10
    with pytest.raises(SourceFormatError, match="load unpacks to more than 4 MB") as caught:
        opened(bomb, limit=4 * MB)
    assert caught.value.fields["limit"] == 4 * MB
    assert sum(len(data) for _, data in opened(bomb, limit=40 * MB)) >= 8 * MB


def test_a_size_that_is_a_lie_does_not_help() -> None:
    data = bytearray(zipped(("a.csv", bytes(8 * MB))))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
    data[22:26] = (1000).to_bytes(4, "little")
    with pytest.raises(SourceFormatError, match=r"unpacks to more|damaged"):
        opened(bytes(data), limit=4 * MB)


def test_too_many_members_are_refused() -> None:
    many = zipped(*((f"{number}.csv", b"") for number in range(opening.MEMBERS + 1)))
    with pytest.raises(SourceFormatError, match="more than 10,000 files"):
        opened(many)


def test_archives_in_archives_end_somewhere() -> None:
    data = CSV
    for _ in range(opening.DEPTH):
        data = zipped(("a.zip", data))
    assert opened(data)[0][1] == CSV
    with pytest.raises(SourceFormatError, match="archives in more than 3 archives"):
        opened(zipped(("a.zip", data)))


def test_links_in_an_archive_are_no_files() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("passwd.csv")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(SourceFormatError, match="holds no file"):
        opened(buffer.getvalue())
