"""Any publisher's files: CSV or Parquet, packed or not, long (a row a value) or wide (a column a series)."""

from collections.abc import Iterator, Mapping
from functools import partial
from glob import glob
from pathlib import Path
from typing import ClassVar

import polars as pl

from power_nowcast.contracts import Table
from power_nowcast.errors import ConfigurationError, MissingDataError, SourceFormatError
from power_nowcast.ingest.opening import table as table_of
from power_nowcast.ingest.published import Delivery, Received, Request, published
from power_nowcast.ingest.stamps import times
from power_nowcast.regions import Region, SourceSpec

TO_MW = {"MW": 1.0, "kW": 1e-3, "GW": 1e3}
OPTIONS = (
    "files",
    "folder",
    "unit",
    "time_zone",
    "stamp_format",
    "ambiguous",
    "date_in_name",
    "columns",
    "series",
    "ignore",
    "extra_fields",
    "allow_negative",
)
OTHERS = "others"
DROP = "drop"


class Files:
    """Files of the option `files` (a path or pattern, or several) below `folder`, each a delivery.

    Further options: `columns` names the file's columns for `valid_at`, `series` (several are joined by a space),
    `value` and `written`, where they differ; `series` maps column titles or names in the file to the region's;
    `unit` is MW, kW or GW; `time_zone` says what stamps without an offset mean, `ambiguous` (earliest or latest)
    which one is meant in the repeated hour; `stamp_format` is for stamps that are not ISO 8601, `date_in_name` (its
    format) for files of one day that hold the time only; `ignore` names columns that are none of the table's, or is
    "others" for all that the table does not need; `extra_fields` = "drop" reads lines of CSV that have more fields than
    the header up to its last title (for publishers that write thousands as 1,000 there).
    """

    reads_files: ClassVar[bool] = True

    def check(self, request: Request) -> None:
        """Check the options."""
        _check(request)

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """The files in order of their names.

        Raises:
            ConfigurationError: an option is missing, unknown or wrong.
            MissingDataError: no file has such a name.
        """
        _check(request)
        options, place = request.spec.options, request.place
        patterns = options.get("files", "*")
        several = patterns if isinstance(patterns, list | tuple) else [patterns]
        folder = place or Path(str(options.get("folder", "")))
        several = [place] if place is not None and place.is_file() else [folder / str(pattern) for pattern in several]
        found = sorted({name for pattern in several for name in glob(str(pattern))})
        if not found:
            raise MissingDataError(
                f"There is no file {', '.join(map(str, several))}.",
                remedy="Check the path, or name the folder by --data.",
                region=request.region.name,
                files=patterns,
            )
        for name in found:
            file = Path(name)
            yield Delivery(file.name, partial(_read, file))

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        """The rows of a file."""
        return parse(received.data, region=request.region, table=request.table, spec=request.spec, origin=origin)


def parse(data: bytes, *, region: Region, table: Table, spec: SourceSpec, origin: str) -> pl.DataFrame:
    """Published rows of a file.

    Raises:
        SourceFormatError: columns are missing or unknown, or stamps have neither an offset nor a `time_zone`.
    """
    options = spec.options
    columns = options.get("columns", {})
    title = {name: columns.get(name, name) for name in ("valid_at", "series", "value", "written")}
    rows = table_of(
        data,
        origin,
        date_in_name=options.get("date_in_name"),
        stamp=title["valid_at"],
        drop_extra_fields=options.get("extra_fields") == DROP,
    )
    if isinstance(parts := title["series"], list):
        title["series"] = " ".join(parts)
        if set(parts) <= set(rows.columns):
            rows = rows.with_columns(pl.concat_str(parts, separator=" ").alias(title["series"])).drop(parts)
    ignore = options.get("ignore", ())
    rows = rows if ignore == OTHERS else rows.drop(ignore, strict=False)
    renames: Mapping[str, str] = options.get("series", {})
    names = _names(region, table, spec)
    if title["series"] in rows.columns and title["value"] in rows.columns:
        needed, allowed = {title["valid_at"]}, set(title.values())
    else:
        titles = {name: renames.get(name, name) for name in rows.columns}
        rows = rows.rename(titles)
        # The total is the sum of the zones wherever a panel is built; a column of it is not read.
        total = {region.total} if region.total and table is Table.POWER else set()
        needed = {title["valid_at"], *(names if table is Table.POWER else ())}
        allowed = {title["valid_at"], title["written"], *names, *total}
    missing = sorted(needed - set(rows.columns))
    unknown = [name for name in rows.columns if name not in allowed and ignore != OTHERS]
    if missing or unknown:
        stamp = title["valid_at"]
        faults = [
            f"{what}: {', '.join(which)}" for what, which in (("missing", missing), ("unknown", unknown)) if which
        ]
        raise SourceFormatError(
            f"{origin} has the columns {', '.join(rows.columns)}; expected {stamp} with {', '.join(names)}, "
            f"or {stamp}, {title['series']}, {title['value']}; {'; '.join(faults)}.",
            remedy="Rename the columns, or say what they are by the source's options columns and series.",
            file=origin,
            expected=(stamp, *names),
            found=tuple(rows.columns),
        )
    rows = rows.rename({title["valid_at"]: "valid_at"})
    if title["written"] in rows.columns:
        rows = rows.rename({title["written"]: "written"})
    else:
        rows = rows.with_columns(written=pl.lit(None, pl.String))
    if title["series"] in rows.columns:
        series = pl.col(title["series"])
        long = rows.select("valid_at", "written", series=series.replace(dict(renames)), text=title["value"])
    else:
        present = [name for name in names if name in rows.columns]
        long = rows.unpivot(present, index=["valid_at", "written"], variable_name="series", value_name="text")
        if table is not Table.POWER:
            long = long.filter(pl.col("text").is_not_null())
    at, fault = times(long["valid_at"], options, origin)
    written, _ = times(long["written"], options, origin)
    factor = 1.0 if table.is_weather else TO_MW[options.get("unit", "MW")]
    value = pl.col("text").str.strip_chars().cast(pl.Float64, strict=False) * factor
    return published(
        long.with_columns(value=value, at=at, fault=fault, written=written).with_columns(
            stamp=pl.col("valid_at").fill_null(""),
            text=pl.when(~pl.col("value").is_finite().fill_null(False)).then(pl.col("text").fill_null("")),
        )
    )


def _names(region: Region, table: Table, spec: SourceSpec) -> tuple[str, ...]:
    if table.is_weather:
        return spec.variables
    zones = tuple(zone.name for zone in region.zones)
    return region.series if table is Table.FORECAST else zones


def _check(request: Request) -> None:
    region, spec = request.region, request.spec

    def wrong(what: str, remedy: str) -> ConfigurationError:
        return ConfigurationError(f"{region.name}: {what}", remedy=remedy, region=region.name, source="files")

    if "files" not in spec.options and request.place is None:
        raise wrong("the source files has no files.", 'Set options = { files = "..." } in the region file.')
    if unknown := [name for name in spec.options if name not in OPTIONS]:
        raise wrong(f"the source files has no option {unknown[0]!r}.", f"Use {', '.join(OPTIONS)}.")
    if (side := spec.options.get("ambiguous")) not in (None, "earliest", "latest"):
        raise wrong(f"ambiguous is {side!r}.", "Use earliest or latest, or leave it out.")
    if (extra := spec.options.get("extra_fields")) not in (None, DROP):
        raise wrong(f"extra_fields is {extra!r}.", f"Use {DROP}, or leave it out.")
    if (unit := spec.options.get("unit", "MW")) not in TO_MW:
        raise wrong(f"unknown unit {unit!r}.", f"Use one of: {', '.join(TO_MW)}.")


def _read(file: Path) -> Received:
    try:
        return Received(file.read_bytes())
    except OSError as error:
        raise MissingDataError(
            f"{file} cannot be read: {error.strerror}.", remedy="Check the path.", file=str(file)
        ) from error
