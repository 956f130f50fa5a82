"""A CSV or Parquet file as a table of text: finds the header and the separator, and trims the names."""

import csv
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from io import BytesIO, StringIO

import polars as pl

from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest.names import named

HEADER_LINES = 200
"""The most lines above the header."""
HEADER_BYTES = 2**20
"""The most bytes of a header."""
COLUMNS = 10_000
"""The most columns of a file: more zones than any operator has."""
CELLS = 500_000_000
"""The most cells of a Parquet file: a few kB of it may stand for any number of equal values."""
SEPARATORS = (",", ";", "\t", "|")
"""Separators that can be found from the header."""
_PARQUET = b"PAR1"
_BOMS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_UTF8_BOM = b"\xef\xbb\xbf"

type IsHeader = Callable[[Collection[str]], bool]


def table(
    data: bytes,
    origin: str,
    *,
    is_header: IsHeader = lambda _: True,
    separator: str | None = None,
    drop_extra_fields: bool = False,
    last_is_read: Callable[[str], bool] = lambda _: False,
    cells: int = CELLS,
) -> pl.DataFrame:
    """The rows of a file.

    Args:
        data: CSV in UTF-8, or Parquet.
        origin: its name.
        is_header: whether titles are those of the header. The header is the first line for which it is true, or
            else the first line with any titles.
        separator: of CSV; found from the header if it is None.
        drop_extra_fields: read lines of CSV with more fields than titles up to the last title; an error otherwise.
        last_is_read: whether a title is one of those that are read; if the last title is, extra fields are an error.
        cells: the most cells of Parquet.

    Returns:
        Columns of text, null where empty; times of Parquet as ISO 8601, in UTC where they have a zone. Columns without
        title and values, and rows without values, are left out.

    Raises:
        SourceFormatError: neither CSV in UTF-8 nor Parquet, too many columns, or fields beyond the header.
    """
    if data[:4] == _PARQUET:
        rows = _parquet(data, origin, cells)
        return _tidy(rows.rename(dict(zip(rows.columns, _unique([named(one) for one in rows.columns]), strict=True))))
    text = _utf8(data, origin)
    start, titles, found = _header(text, origin, is_header, separator)
    if len(titles) > COLUMNS:
        raise _too_wide(origin, len(titles))
    names = _unique([named(title) for title in titles])
    body = text[start:]
    keep = drop_extra_fields and not last_is_read(names[-1])
    rows = _csv(body, origin, names, found, drop_extra_fields=keep)
    return _tidy(rows)


def layout(data: bytes, origin: str, separator: str | None = None) -> tuple[str | None, tuple[str, ...]]:
    """The separator of a file (None for Parquet) and its titles: the first line with as many fields as most lines.

    Raises:
        SourceFormatError: neither CSV in UTF-8 nor Parquet.
    """
    if data[:4] == _PARQUET:
        return None, tuple(table(data, origin).columns)
    lines = [line for line in _utf8(data, origin)[:HEADER_BYTES].decode(errors="ignore").split("\n") if line.strip()]
    # A comma comes last: within the fields of other separators it is a decimal sign.
    for one in (separator,) if separator else sorted(SEPARATORS, key=lambda sign: sign == ","):
        rows = [_fields(line, one) for line in lines[:HEADER_LINES]]
        width = max(Counter(map(len, rows)).items(), key=lambda item: item[1])[0] if rows else 0
        titles = next((row for row in rows if len(row) == width), [])
        if width > 1:
            return one, tuple(_unique([named(title) for title in titles]))
    raise SourceFormatError(
        f"{origin}: its lines have one field only, whichever of , ; tab and | separates fields.",
        remedy="Name the separator (--separator), or save it as CSV in UTF-8 with a header.",
        file=origin,
    )


def _utf8(data: bytes, origin: str) -> bytes:
    """Text in UTF-8 with line feeds only.

    Raises:
        SourceFormatError: it is in another encoding, or no text.
    """
    remedy = "Save it as CSV in UTF-8."
    if encoding := next((name for bom, name in _BOMS.items() if data.startswith(bom)), None):
        raise SourceFormatError(f"{origin} is in {encoding}, not UTF-8.", remedy=remedy, file=origin)
    if b"\0" in data[:4096]:
        # In UTF-16 every other byte of Latin letters is 0.
        letters = data[:200].replace(b"\0", b"")
        is_printable = letters.translate(None, b"\r\n\t").decode("ascii", "replace").isprintable()
        is_text = is_printable and abs(2 * len(letters) - len(data[:200])) <= 2
        what = "is in UTF-16, not UTF-8" if is_text else "is no text"
        raise SourceFormatError(f"{origin} {what}.", remedy="Save it as CSV in UTF-8, or as Parquet.", file=origin)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        word = data[max(0, error.start - 12) : error.start + 12].decode("cp1252", errors="replace").strip()
        raise SourceFormatError(
            f"{origin} is not in UTF-8: line {line} has the byte 0x{data[error.start]:02x} ({word!r} in Windows-1252 "
            "or Latin-1).",
            remedy=remedy,
            file=origin,
            line=line,
        ) from error
    data = data.removeprefix(_UTF8_BOM)
    start = data[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"{", b"[{")):
        what = "JSON" if start.startswith((b"{", b"[")) else "a web page or XML"
        raise SourceFormatError(f"{origin} is {what}, no CSV file.", remedy=remedy, file=origin)
    if b"\r" in data:
        # Some write two of them before a line feed, old Macs one and no line feed.
        data = data.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data


def _header(text: bytes, origin: str, is_header: IsHeader, separator: str | None) -> tuple[int, list[str], str]:
    """The start of the lines below the header, its titles, and the separator."""
    candidates = SEPARATORS if separator is None else (separator,)
    start, first = 0, None
    for _ in range(HEADER_LINES):
        if start >= len(text):
            break
        end = text.find(b"\n", start, start + HEADER_BYTES + 1)
        if end < 0:
            if len(text) - start > HEADER_BYTES:
                raise SourceFormatError(
                    f"{origin} has a line of more than {HEADER_BYTES:,} bytes where its header should be.",
                    remedy="Check that it is the publisher's file; a long file has a row for each value.",
                    file=origin,
                    limit=HEADER_BYTES,
                )
            end = len(text)
        line = text[start:end].decode()
        start = end + 1
        if not line.strip():
            continue
        for one in candidates:
            titles = _fields(line, one)
            if is_header({named(title) for title in titles}):
                return start, titles, one
        if first is None:
            best = max(candidates, key=lambda one, line=line: len(_fields(line, one)))
            first = start, _fields(line, best), best
    if first is None:
        raise SourceFormatError(
            f"{origin} is no CSV file: it is empty.", remedy="Save it as CSV, UTF-8, or as Parquet.", file=origin
        )
    return first


def _fields(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader(StringIO(line), delimiter=separator), [])
    except csv.Error:
        return line.split(separator)


def _csv(body: bytes, origin: str, names: Sequence[str], separator: str, *, drop_extra_fields: bool) -> pl.DataFrame:
    def read(width: int, ragged: bool) -> pl.DataFrame:
        header = separator.join(f"c{number}" for number in range(width)).encode()
        rows = pl.read_csv(
            b"\n".join((header, body)), infer_schema=False, separator=separator, truncate_ragged_lines=ragged
        )
        return rows.rename(dict(zip(rows.columns, names, strict=False)))

    try:
        if len(names) == 1 and not body.strip():
            return pl.DataFrame({names[0]: []}, {names[0]: pl.String})
        return read(len(names), drop_extra_fields)
    except pl.exceptions.PolarsError as error:
        line, width = _widest(body, separator, len(names))
        if len(names) < width <= COLUMNS:
            try:
                rows = read(width, ragged=False)
            except pl.exceptions.PolarsError:
                pass
            else:
                beyond = [column for column in rows.columns if column not in names]
                if _is_blank(rows, beyond).all():
                    return rows.drop(beyond)
            comma = separator == "," and width == 2 * len(names) - 1
            remedy = (
                'Put quotes around numbers with decimal commas, or use another separator such as ";".'
                if comma
                else "Put quotes around values that hold the separator, or say which separator it is by the source's "
                "option separator."
            )
            raise SourceFormatError(
                f"{origin}: {line[:80]!r} has more fields than the header, {width} and {len(names)}, separated by "
                f"{separator!r}.",
                remedy=remedy,
                file=origin,
            ) from error
        reason = str(error).splitlines()[0]
        raise SourceFormatError(
            f"{origin} is no CSV file: {reason}.", remedy="Save it as CSV, UTF-8, or as Parquet.", file=origin
        ) from error


def _widest(body: bytes, separator: str, expected: int) -> tuple[str, int]:
    """The first line with more fields than expected, and the most fields that a line has."""
    first, most = "", 0
    sign = separator.encode()
    for line in body.split(b"\n"):
        if line.count(sign) >= expected:
            fields = len(_fields(line.decode(), separator))
            if fields > expected:
                first = first or line.decode()
                most = max(most, fields)
    return first, most


def _parquet(data: bytes, origin: str, cells: int) -> pl.DataFrame:
    """The table as text.

    Raises:
        SourceFormatError: damaged, too large, or with columns that are no single values.
    """
    remedy = "Write it again, or save it as CSV in UTF-8."
    try:
        schema = pl.read_parquet_schema(BytesIO(data))
        if len(schema) > COLUMNS:
            raise _too_wide(origin, len(schema))
        rows = int(pl.scan_parquet(BytesIO(data)).select(pl.len()).collect().item())
        if rows * len(schema) > cells:
            raise SourceFormatError(
                f"{origin} has {rows:,} rows of {len(schema)} columns, more than {cells:,} values.",
                remedy="If it is what it should be, divide it into several.",
                file=origin,
                limit=cells,
            )
        frame = pl.read_parquet(BytesIO(data), columns=[name for name, kind in schema.items() if not kind.is_nested()])
        return _as_text(frame)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise SourceFormatError(f"{origin} is no whole Parquet file: {reason}.", remedy=remedy, file=origin) from error


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    aware = [name for name in times if frame.schema[name].time_zone is not None]  # type: ignore[attr-defined]
    frame = frame.with_columns(pl.col(aware).dt.convert_time_zone("UTC")) if aware else frame
    binary = [name for name, kind in frame.schema.items() if kind == pl.Binary]
    return (
        frame.with_columns(
            pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6f" + ("Z" if name in aware else "")) for name in times
        )
        .with_columns(pl.col(binary).cast(pl.String, strict=False))
        .with_columns(pl.all().cast(pl.String))
    )


def _unique(names: Sequence[str]) -> list[str]:
    """Distinct names: a repeated title gets its number, and a column without a title its place."""
    seen: dict[str, int] = {}
    unique = []
    for place, name in enumerate(names, start=1):
        title = name or untitled(place)
        seen[title] = seen.get(title, 0) + 1
        unique.append(title if seen[title] == 1 else f"{title}{AGAIN.format(seen[title])}")
    return unique


AGAIN = " (column {} of this title)"


def untitled(place: int) -> str:
    """The name of a column without a title in messages."""
    return f"(column {place}, without title)"


def titled_again(name: str, among: Iterable[str]) -> bool:
    """Whether another column bears the title, too."""
    return name + AGAIN.format(2) in among


def _tidy(rows: pl.DataFrame) -> pl.DataFrame:
    """The table without columns that have neither title nor values, and without rows that have no value."""
    blank = [
        name
        for place, name in enumerate(rows.columns, start=1)
        if name == untitled(place) and _is_blank(rows, [name]).all()
    ]
    rows = rows.drop(blank)
    return rows.filter(~_is_blank(rows, rows.columns)) if rows.columns else rows


def _is_blank(rows: pl.DataFrame, names: Sequence[str]) -> pl.Series:
    """Whether rows have no value in any of some columns."""
    empty = (pl.col(name).is_null() | (pl.col(name).str.strip_chars() == "") for name in names)
    return rows.select(pl.all_horizontal(*empty).alias("is_blank"))["is_blank"]


def _too_wide(origin: str, columns: int) -> SourceFormatError:
    return SourceFormatError(
        f"{origin} has {columns:,} columns or more, above the {COLUMNS:,} that are read.",
        remedy="Check that it is the publisher's file; a long file has a row for each value.",
        file=origin,
        limit=COLUMNS,
    )
