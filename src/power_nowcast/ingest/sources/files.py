"""Any publisher's files: CSV or Parquet, packed or not, long (a row a value) or wide (a column a series)."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from glob import glob
from io import BytesIO
from pathlib import Path, PurePath
from typing import ClassVar

import polars as pl

from power_nowcast.contracts import Received, Table
from power_nowcast.errors import MissingDataError, SourceFormatError
from power_nowcast.ingest.names import listed, named
from power_nowcast.ingest.parsing.file_options import DROP, OTHERS, SLICE, check_file_options
from power_nowcast.ingest.parsing.numbers import numbers
from power_nowcast.ingest.parsing.opening import members
from power_nowcast.ingest.parsing.stamps import publish_times, times, with_dates
from power_nowcast.ingest.parsing.tabular import table, titled_again
from power_nowcast.ingest.published import Delivery, Request, published
from power_nowcast.regions import Region, SourceSpec
from power_nowcast.regions.units import TO_MW

_MEMBER = "\0member"
"""Column of the file of an archive that a row is from; no title of a file has such a character."""


class Files:
    """Files of the option `files` (a path or pattern, or several) below `folder`, each a delivery.

    Further options: `columns` names the file's columns for `valid_at`, `series` (several of either are joined by a
    space), `value` and `written`, where they differ; `series` maps column titles or names in the file to the region's;
    `unit` is MW, kW or GW, by default the region's; `time_zone` says what stamps without an offset mean, `ambiguous`
    (earliest or latest) which one is meant where the repeated hour stands there once; `stamp_format` is for stamps
    whose form can mean several things ("excel": serial numbers), `date_in_name` (its format) for files of one day that
    hold the time only; `separator`, `decimal` and `thousands` are signs that cannot be found from the file; `ignore`
    names columns that are none of the table's, or is "others" for all that the table does not need; `extra_fields` =
    "drop" reads lines of CSV that have more fields than the header up to its last title (for publishers that write
    thousands as 1,000 there).

    The only column beside the stamps is the series of a region of one zone, whatever its title.
    """

    reads_files: ClassVar[bool] = True

    def check(self, request: Request) -> None:
        """Check the options."""
        check_file_options(request)

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """The files in order of their names.

        Raises:
            ConfigurationError: an option is missing, unknown or wrong.
            MissingDataError: no file has such a name.
        """
        check_file_options(request)
        options, place = request.spec.options, request.place
        patterns = options.get("files", "*")
        several = patterns if isinstance(patterns, list | tuple) else [patterns]
        folder = place or Path(str(options.get("folder", "")))
        several = [place] if place is not None and place.is_file() else [folder / str(pattern) for pattern in several]
        found = sorted({name for pattern in several for name in glob(str(pattern))})
        if not found:
            raise MissingDataError(
                f"There is no file {listed(several)}.",
                remedy="Check the path, or name the folder by --data.",
                region=request.region.name,
                files=patterns,
            )
        for name in found:
            file = Path(name)
            is_slice = options.get(SLICE) is True and file.suffix == ".parquet"
            read = partial(_read_slice, file, _Titles.of(request.region, request.table, request.spec))
            yield Delivery(file.name, read if is_slice else partial(_read, file))

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        """The rows of a file."""
        return parse(received.data, region=request.region, table=request.table, spec=request.spec, origin=origin)


def parse(data: bytes, *, region: Region, table: Table, spec: SourceSpec, origin: str) -> pl.DataFrame:
    """Published rows of a file.

    Raises:
        SourceFormatError: columns are missing or unknown, stamps have neither an offset nor a `time_zone`, or the signs
            of decimals and thousands cannot be told apart.
    """
    options = spec.options
    titles = _Titles.of(region, table, spec)
    rows, days = _rows(data, origin, titles, options)
    rows = (
        rows if options.get("ignore", ()) == OTHERS else rows.drop(map(named, options.get("ignore", ())), strict=False)
    )
    columns = [name for name in rows.columns if name != _MEMBER]
    titles = titles.of_columns(columns)
    is_long = titles.are_long(columns)
    _check_columns(columns, titles, is_long, origin, is_open=options.get("ignore") == OTHERS)
    stamp = rows.select(_joined(titles.stamp).alias(" ".join(titles.stamp))).to_series()
    has_written = titles.written in columns
    written = rows[titles.written] if has_written else pl.Series(titles.written, [None] * len(rows), pl.String)
    # Within one series, file and vintage the order of rows separates the passes of a repeated hour.
    keys = [_MEMBER, *(titles.series if is_long else ()), *([titles.written] if has_written else ())]
    sequence = rows.with_row_index("\0row").select(pl.col("\0row").first().over(keys).alias("sequence")).to_series()
    if days:
        stamp = with_dates(stamp, rows[_MEMBER].replace_strict(days, return_dtype=pl.Date), sequence)
    at, fault = times(stamp, options, origin, timezone=region.timezone, label=spec.label, sequence=sequence)
    told, untold = publish_times(written, options, origin, timezone=region.timezone)
    stamps = pl.DataFrame({"stamp": stamp.fill_null(""), "at": at, "fault": fault, "written": told}).with_columns(
        fault=pl.col("fault").fill_null(untold),
        stamp=pl.when(untold.is_not_null() & at.is_not_null())
        .then(pl.format("{} published {}", "stamp", written))
        .otherwise("stamp"),
    )
    long = _long(rows, stamps, titles) if is_long else _unpivoted(rows, stamps, titles, table)
    factor = 1.0 if table.is_weather else TO_MW[options.get("unit", region.unit)]
    loads = {} if table.is_weather else {z.name: z.max_mw / factor for z in region.zones if z.kind == "load"}
    value = numbers(long["text"], long["series"], options, origin, loads=loads) * factor
    return published(
        long.with_columns(value=value).with_columns(
            text=pl.when(~pl.col("value").is_finite().fill_null(False)).then(pl.col("text").fill_null(""))
        )
    )


@dataclass(frozen=True)
class _Titles:
    """The titles of a table's columns in a file, and the region's names by the file's."""

    stamp: tuple[str, ...]
    series: tuple[str, ...]
    value: str
    written: str
    names: tuple[str, ...]
    renames: Mapping[str, str]
    needed: tuple[str, ...]
    total: str | None

    @staticmethod
    def of(region: Region, table: Table, spec: SourceSpec) -> "_Titles":
        columns = spec.options.get("columns", {})

        def title(name: str) -> tuple[str, ...]:
            given = columns.get(name, name)
            return tuple(map(named, given)) if isinstance(given, list | tuple) else (named(given),)

        zones = tuple(zone.name for zone in region.zones)
        names = spec.variables if table.is_weather else region.series if table is Table.FORECAST else zones
        # A panel builds the total as the sum of the zones; a column of the total is not read.
        total = region.total if table is Table.POWER else None
        known = {named(name): name for name in (*names, *([total] if total else ()))}
        given = {named(old): str(new) for old, new in spec.options.get("series", {}).items()}
        return _Titles(
            stamp=title("valid_at"),
            series=title("series"),
            value=title("value")[0],
            written=title("written")[0],
            names=names,
            renames={**known, **{old: known.get(named(new), new) for old, new in given.items()}},
            needed=names if table is Table.POWER else (),
            total=total,
        )

    def are_long(self, columns: Collection[str]) -> bool:
        """Whether a file with these columns has a row for each value."""
        return {*self.series, self.value} <= set(columns)

    def are_in(self, columns: Collection[str]) -> bool:
        """Whether these are the titles of a file of this table."""
        of_series = any(name in self.renames for name in columns) or self.of_columns(columns) is not self
        return set(self.stamp) <= set(columns) and (self.are_long(columns) or of_series)

    def of_columns(self, columns: Collection[str]) -> "_Titles":
        """These titles, with the only column beside the stamps as the only series of power, whatever its title."""
        others = [name for name in columns if name not in (*self.stamp, self.written)]
        if len(self.needed) != 1 or len(others) != 1 or others[0] in self.renames or self.are_long(columns):
            return self
        return replace(self, renames={**self.renames, others[0]: self.needed[0]})

    def is_read(self, column: str) -> bool:
        """Whether a value, its series or its time comes from this column."""
        return column in self.renames or column in (*self.stamp, *self.series, self.value, self.written)


def _rows(
    data: bytes, origin: str, titles: _Titles, options: Mapping[str, object]
) -> tuple[pl.DataFrame, dict[int, date]]:
    """The rows of all files inside, their number beside them, and the day that each file's name says."""
    separator, day_format = options.get("separator"), options.get("date_in_name")
    frames: list[tuple[str, pl.DataFrame]] = []
    days = {}
    for number, member in enumerate(members(data, origin)):
        frame = table(
            member.data,
            member.name,
            is_header=titles.are_in,
            separator=None if separator is None else str(separator),
            drop_extra_fields=options.get("extra_fields") == DROP,
            last_is_read=titles.is_read,
        )
        if day_format is not None:
            days[number] = _day(member.name, str(day_format))
        frames.append((member.name, frame.with_columns(pl.lit(number).alias(_MEMBER))))
    first, columns = frames[0][0], frames[0][1].columns
    for name, frame in frames[1:]:
        if set(frame.columns) != set(columns):
            raise SourceFormatError(
                f"{origin}: {name} has the columns {listed(frame.columns[:-1])}, {first} has {listed(columns[:-1])}.",
                remedy="If the publisher changed the format, keep the two kinds in different folders or archives.",
                file=origin,
                member=name,
                expected=tuple(columns[:-1]),
                found=tuple(frame.columns[:-1]),
            )
    return pl.concat(frame.select(columns) for _, frame in frames), days


def _check_columns(columns: list[str], titles: _Titles, is_long: bool, origin: str, *, is_open: bool) -> None:
    """Check that a file has the columns that its table needs, each once, and no others unless it `is_open`.

    Raises:
        SourceFormatError: a column is missing, unknown, or stands there twice.
    """
    stamp = " and ".join(titles.stamp)
    meant = {column: titles.renames.get(column, column) for column in columns}
    if is_long:
        missing = sorted(set(titles.stamp) - set(columns))
        allowed = {*titles.stamp, *titles.series, titles.value, titles.written}
        unknown = [column for column in columns if column not in allowed]
    else:
        missing = sorted((set(titles.stamp) - set(columns)) | (set(titles.needed) - set(meant.values())))
        allowed = {*titles.names, *([titles.total] if titles.total else ())}
        unknown = [
            column
            for column, name in meant.items()
            if name not in allowed and column not in (*titles.stamp, titles.written)
        ]
    if missing or (unknown and not is_open):
        lists = (("missing", missing), ("unknown", [] if is_open else unknown))
        faults = [f"{what}: {listed(which)}" for what, which in lists if which]
        raise SourceFormatError(
            f"{origin} has the columns {listed(columns)}; expected {stamp} with {listed(titles.names)}, "
            f"or {stamp}, {' and '.join(titles.series)}, {titles.value}; {'; '.join(faults)}.",
            remedy="Say what they are by the source's options columns and series "
            '(ignore = "others": those that are none of the table\'s), or rename them.',
            file=origin,
            expected=(*titles.stamp, *titles.names),
            found=tuple(columns),
        )
    read = [column for column in columns if titles.is_read(column)]
    several = [column for column in read if titled_again(column, columns)]
    if not is_long:
        of = [meant[column] for column in read if column in titles.renames]
        several += [name for name in titles.names if of.count(name) > 1]
    if several:
        raise SourceFormatError(
            f"{origin} has several columns for {listed(several)}.",
            remedy="Leave one of them, or name it by the source's options columns and series.",
            file=origin,
            columns=tuple(several),
        )


def _joined(parts: tuple[str, ...]) -> pl.Expr:
    return (
        pl.col(parts[0])
        if len(parts) == 1
        else pl.concat_str([pl.col(part).str.strip_chars() for part in parts], separator=" ")
    )


def _long(rows: pl.DataFrame, stamps: pl.DataFrame, titles: _Titles) -> pl.DataFrame:
    """Columns series and text beside the stamps, from rows of one value each."""
    given = rows.select(_joined(titles.series).alias("series")).to_series()
    names = {one: titles.renames.get(named(one), named(one)) for one in given.drop_nulls().unique()}
    return stamps.with_columns(series=given.replace(names), text=rows[titles.value])


def _unpivoted(rows: pl.DataFrame, stamps: pl.DataFrame, titles: _Titles, table: Table) -> pl.DataFrame:
    """Columns series and text beside the stamps, from rows with a column for each series."""
    by_name = {titles.renames[column]: column for column in rows.columns if column in titles.renames}
    present = [name for name in titles.names if name in by_name]
    wide = stamps.with_columns(rows[by_name[name]].alias(f"\0{name}") for name in present)
    long = wide.unpivot(
        [f"\0{name}" for name in present], index=stamps.columns, variable_name="series", value_name="text"
    ).with_columns(pl.col("series").str.strip_prefix("\0"))
    # Only power reports times without a value: weather and forecasts may leave out what they do not have.
    return long if table is Table.POWER else long.filter(pl.col("text").is_not_null())


def _day(name: str, form: str) -> date:
    """The day in a file's name.

    Raises:
        SourceFormatError: the name has none, or several.
    """
    stem = PurePath(name).name
    widths = {
        "Y": r"\d{4}",
        "y": r"\d\d",
        "m": r"\d\d",
        "d": r"\d\d",
        "j": r"\d{3}",
        "b": "[A-Za-z]{3}",
        "B": "[A-Za-z]+",
    }
    pattern = "".join(
        widths.get(part[1], ".+?") if part.startswith("%") else re.escape(part) for part in re.findall("%.|[^%]", form)
    )
    found = []
    for text in dict.fromkeys(re.findall(rf"(?=((?<!\d){pattern}(?!\d)))", stem)):
        try:
            found.append(datetime.strptime(text, form).date())  # noqa: DTZ007 - a date
        except ValueError:
            continue
        if stem.startswith(text):
            return found[-1]
    if len(found) != 1:
        what = f"has several dates like {form}: {listed(found)}" if found else f"has no date like {form}"
        raise SourceFormatError(
            f"The name {name} {what}.",
            remedy="Correct the source's option date_in_name.",
            file=name,
            format=form,
        )
    return found[0]


def _read(file: Path) -> Received:
    try:
        return Received(file.read_bytes())
    except OSError as error:
        raise MissingDataError(
            f"{file} cannot be read: {error.strerror}.", remedy="Check the path.", file=str(file)
        ) from error


def _read_slice(file: Path, titles: _Titles) -> Received:
    """The rows or columns of a Parquet file that are of the titles' series, as Parquet.

    A file with a column for each series is read by its columns; of one with a row for each value those parts are read
    that may hold one of the series: a file that is sorted by series is read once in all.
    """
    try:
        rows = pl.scan_parquet(file)
        columns = rows.collect_schema().names()
        if titles.are_long(columns):
            name = titles.series[0] if len(titles.series) == 1 else pl.concat_str(titles.series, separator=" ")
            rows = rows.filter((pl.col(name) if isinstance(name, str) else name).is_in(list(titles.renames)))
        else:
            rows = rows.select(name for name in columns if titles.is_read(named(name)))
        out = BytesIO()
        rows.collect().write_parquet(out)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise MissingDataError(f"{file} cannot be read: {error}.", remedy="Check the file.", file=str(file)) from error
    return Received(out.getvalue())
