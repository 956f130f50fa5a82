"""Bytes of a file, whatever it is packed in, as one table of text."""

import gzip
import lzma
import re
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import PurePath

import polars as pl

from power_nowcast.errors import SourceFormatError

_CLOCK = re.compile(r"\d{1,2}:\d\d(:\d\d)?$")


def table(
    data: bytes,
    origin: str,
    *,
    date_in_name: str | None = None,
    stamp: str = "valid_at",
    drop_extra_fields: bool = False,
) -> pl.DataFrame:
    """All rows of CSV or Parquet, plain or packed (gz, xz, zip, tar), members of an archive in order of their names.

    Args:
        data: as received.
        origin: name of the file.
        date_in_name: `strptime` format of the day that a member's name begins with, for stamps that hold the time of
            day only; a time that goes back belongs to the next day.
        stamp: title of the column of stamps.
        drop_extra_fields: read lines of CSV with more fields than titles up to the last title; an error otherwise.

    Returns:
        Columns of text, null where empty; times of Parquet as ISO 8601 in UTC.

    Raises:
        SourceFormatError: damaged, of another form, or with members of different columns.
    """
    frames = []
    for name, member in _members(data, origin):
        frame = _frame(member, name, drop_extra_fields)
        if date_in_name is not None and stamp in frame.columns:
            frame = frame.with_columns(_dated(frame[stamp], name, date_in_name))
        frames.append((name, frame))
    if not frames:
        raise SourceFormatError(f"{origin} holds no file.", remedy="Download it again.", file=origin)
    first, columns = frames[0][0], frames[0][1].columns
    for name, frame in frames[1:]:
        if frame.columns != columns:
            raise SourceFormatError(
                f"{origin}: {name} has the columns {', '.join(frame.columns)}, {first} has {', '.join(columns)}.",
                remedy="If the publisher changed the format, keep the two kinds in different folders or archives.",
                file=origin,
                member=name,
                expected=tuple(columns),
                found=tuple(frame.columns),
            )
    return pl.concat(frame for _, frame in frames)


def _members(data: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file inside, unpacked."""
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        elif data[:6] == b"\xfd7zXZ\x00":
            data = lzma.decompress(data)
        if data[:4] in (b"PK\x03\x04", b"PK\x05\x06"):  # with members, without
            with zipfile.ZipFile(BytesIO(data)) as archive:
                for info in sorted(archive.infolist(), key=lambda member: member.filename):
                    if not info.is_dir():
                        yield info.filename, archive.read(info)
        elif data[257:262] == b"ustar":
            with tarfile.open(fileobj=BytesIO(data)) as archive:
                for member in sorted(archive.getmembers(), key=lambda member: member.name):
                    if (file := archive.extractfile(member)) is not None:
                        yield member.name, file.read()
        else:
            yield name, data
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise SourceFormatError(f"{name} is damaged: {error}.", remedy="Download it again.", file=name) from error


def _frame(data: bytes, name: str, drop_extra_fields: bool) -> pl.DataFrame:
    try:
        if data[:4] == b"PAR1":
            return _as_text(pl.read_parquet(BytesIO(data)))
        return pl.read_csv(data, infer_schema=False, truncate_ragged_lines=drop_extra_fields)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise SourceFormatError(
            f"{name} is no CSV file: {reason}.", remedy="Save it as CSV, UTF-8, or as Parquet.", file=name
        ) from error


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    times = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
    aware = [name for name in times if frame.schema[name].time_zone is not None]  # type: ignore[attr-defined]
    frame = frame.with_columns(pl.col(aware).dt.convert_time_zone("UTC")) if aware else frame
    return frame.with_columns(
        pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6f" + ("Z" if name in aware else "")) for name in times
    ).with_columns(pl.all().cast(pl.String))


def _dated(stamps: pl.Series, name: str, form: str) -> pl.Series:
    """Stamps of the time of day with the date before them, as ISO 8601; others stay as they are."""
    stem = PurePath(name).stem
    try:
        day = datetime.strptime(stem[: len(datetime(2000, 12, 31).strftime(form))], form)  # noqa: DTZ001, DTZ007 - a date
    except ValueError as error:
        raise SourceFormatError(
            f"{name} does not begin with a date like {form}.",
            remedy="Correct the source's option date_in_name.",
            file=name,
            format=form,
        ) from error
    dated, before = [], ""
    for stamp in stamps:
        clock = "" if stamp is None else stamp.strip().zfill(5)
        if not _CLOCK.match(clock):
            dated.append(stamp)
            continue
        # Text of one width sorts like the times that it stands for.
        day += timedelta(days=clock < before)
        before = clock
        dated.append(f"{day:%Y-%m-%d} {clock}")
    return pl.Series(stamps.name, dated, dtype=pl.String)
