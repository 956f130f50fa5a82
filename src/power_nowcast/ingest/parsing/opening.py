"""Unpacks a file or an answer, in any packing, within limits that no packing can break."""

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import IO

from power_nowcast.errors import SourceFormatError

UNPACKED_BYTES = 512 * 2**20
"""The most bytes that one delivery may unpack to: ten years of five-minute values of twenty zones are half of it."""
MEMBERS = 10_000
"""The most files in one archive: a file an hour for a year."""
DEPTH = 3
"""The greatest depth of archives within archives."""
_CHUNK = 2**20
_DICTIONARY_BYTES = 256 * 2**20
"""The most memory for unpacking xz: four times the need of its strongest usual setting."""
_GZIP, _XZ, _ZIP, _TAR = b"\x1f\x8b", b"\xfd7zXZ\x00", (b"PK\x03\x04", b"PK\x05\x06"), b"ustar"
_DAMAGED = (
    *(OSError, EOFError, ValueError, OverflowError, KeyError, RuntimeError, NotImplementedError),
    *(lzma.LZMAError, zlib.error, zipfile.BadZipFile, tarfile.TarError),
)
"""Errors of the packing libraries for damaged, encrypted or unknown content."""
_FOREIGN = {
    b"\xd0\xcf\x11\xe0": "a workbook of an old spreadsheet (.xls)",
    b"BZh": "packed with bzip2",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"7z\xbc\xaf\x27\x1c": "packed with 7-Zip",
    b"Rar!": "packed with RAR",
    b"ARROW1": "an Arrow (Feather) file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"SQLite format 3\x00": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF",
}
_WORKBOOKS = {"[Content_Types].xml": "a workbook (.xlsx)", "content.xml": "a workbook (.ods)"}


@dataclass(frozen=True)
class Member:
    """A file as it was before it was packed; `name` includes the names of the archives around it."""

    name: str
    data: bytes
    written: tuple[int, int, int, int, int, int] | None = None
    """Its time in a zip archive, as wall clock."""


class _Budget:
    """The bytes that one delivery may still unpack to."""

    def __init__(self, origin: str, limit: int) -> None:
        self.origin, self.limit, self.left, self.members = origin, limit, limit, MEMBERS

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise SourceFormatError(
                f"{self.origin} unpacks to more than {self.limit / 2**20:.0f} MB.",
                remedy="If it is what it should be, unpack it yourself, or divide it into several.",
                file=self.origin,
                limit=self.limit,
            )

    def count(self, members: int) -> None:
        self.members -= members
        if self.members < 0:
            raise SourceFormatError(
                f"{self.origin} holds more than {MEMBERS:,} files.",
                remedy="If it is what it should be, divide it into several.",
                file=self.origin,
                limit=MEMBERS,
            )


def members(data: bytes, origin: str, *, limit: int = UNPACKED_BYTES) -> Iterator[Member]:
    """Every file of a delivery, unpacked (gz, xz, zip, tar, one in another), in order of their names.

    What a Mac leaves in archives (`__MACOSX/`, names with a dot before them) is no file of the publisher's.

    Args:
        data: as received.
        origin: name of the delivery.
        limit: bytes that it may unpack to.

    Raises:
        SourceFormatError: damaged, encrypted, of a form that is none of these, or larger than the limits.
    """
    is_empty = True
    for member in _opened(Member(origin, data), _Budget(origin, limit), DEPTH):
        is_empty = False
        yield member
    if is_empty:
        raise SourceFormatError(f"{origin} holds no file.", remedy="Download it again.", file=origin)


def _opened(member: Member, budget: _Budget, depth: int) -> Iterator[Member]:
    data, name = member.data, member.name
    if foreign := next((what for magic, what in _FOREIGN.items() if data.startswith(magic)), None):
        raise _other_form(name, foreign)
    packed = data[:2] == _GZIP or data[:6] == _XZ or data[:4] in _ZIP or data[257:262] == _TAR
    if not packed:
        yield member
        return
    if depth == 0:
        raise SourceFormatError(
            f"{budget.origin} has archives in more than {DEPTH} archives.",
            remedy="Unpack it yourself.",
            file=budget.origin,
        )
    kind = "gz" if data[:2] == _GZIP else "xz" if data[:6] == _XZ else "zip" if data[:4] in _ZIP else "tar"
    try:
        if kind == "gz":
            inside = [Member(name, _gunzipped(data, budget), member.written)]
        elif kind == "xz":
            inside = [Member(name, _unxzed(data, budget), member.written)]
        elif kind == "zip":
            inside = _unzipped(member, budget)
        else:
            inside = _untarred(member, budget)
    except _DAMAGED as error:
        raise SourceFormatError(
            f"{name} is damaged, no whole {kind} archive: {error}.", remedy="Download it again.", file=name
        ) from error
    for one in inside:
        yield from _opened(one, budget, depth - 1)


def _gunzipped(data: bytes, budget: _Budget) -> bytes:
    with gzip.GzipFile(fileobj=BytesIO(data)) as file:
        return _read(file, budget)


def _read(file: gzip.GzipFile | IO[bytes], budget: _Budget) -> bytes:
    chunks = []
    while chunk := file.read(_CHUNK):
        budget.take(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


def _unxzed(data: bytes, budget: _Budget) -> bytes:
    chunks = []
    while data.strip(b"\0"):
        unpacking = lzma.LZMADecompressor(memlimit=_DICTIONARY_BYTES)
        rest = data
        while not unpacking.eof:
            chunk = unpacking.decompress(rest, max_length=_CHUNK)
            budget.take(len(chunk))
            chunks.append(chunk)
            rest = b""
            if not chunk and unpacking.needs_input:
                raise EOFError("it ends too early")
        data = unpacking.unused_data
    return b"".join(chunks)


def _unzipped(packed: Member, budget: _Budget) -> list[Member]:
    with zipfile.ZipFile(BytesIO(packed.data)) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        names = {info.filename for info in infos}
        for marker, what in _WORKBOOKS.items():
            if marker in names and (marker.startswith("[") or "mimetype" in names):
                raise _other_form(packed.name, what)
        budget.count(len(infos))
        infos = sorted((info for info in infos if _is_of_publisher(info.filename)), key=lambda info: info.filename)
        if sum(info.file_size for info in infos) > budget.left:
            budget.take(budget.left + 1)
        unpacked = []
        for info in infos:
            with archive.open(info) as file:
                unpacked.append(Member(info.filename, _read(file, budget), info.date_time))
        return unpacked


def _untarred(packed: Member, budget: _Budget) -> list[Member]:
    unpacked = []
    with tarfile.open(fileobj=BytesIO(packed.data)) as archive:
        for info in archive:
            budget.count(1)
            if not info.isreg() or not _is_of_publisher(info.name):
                continue
            # A sparse file claims a size that its bytes do not have.
            if info.size > budget.left:
                budget.take(info.size)
            file = archive.extractfile(info)
            unpacked.append(Member(info.name, b"" if file is None else _read(file, budget)))
    return sorted(unpacked, key=lambda member: member.name)


def _is_of_publisher(name: str) -> bool:
    path = PurePosixPath(name)
    return "__MACOSX" not in path.parts and not path.name.startswith(".")


def _other_form(name: str, what: str) -> SourceFormatError:
    is_packed = what.startswith("packed")
    return SourceFormatError(
        f"{name} is {what}.",
        remedy="Unpack it, or pack it as zip or gz." if is_packed else "Save it as CSV (UTF-8) or as Parquet.",
        file=name,
    )
