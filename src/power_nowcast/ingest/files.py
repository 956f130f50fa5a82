"""A user's own CSV files, long (a row a value) or wide (a column a series)."""

from collections.abc import Iterator, Mapping
from functools import partial
from glob import glob
from pathlib import Path

import polars as pl

from power_nowcast.contracts import UTC, Reason, Table
from power_nowcast.errors import ConfigurationError, MissingDataError, SourceFormatError
from power_nowcast.ingest.published import Delivery, Received, Request, published
from power_nowcast.regions import Region, SourceSpec

TO_MW = {"MW": 1.0, "kW": 1e-3, "GW": 1e3}
OFFSET = r"(?:Z|[+-]\d\d:?\d\d)$"
OPTIONS = ("files", "unit", "time_zone", "stamp_format", "columns", "series", "ignore", "allow_negative")


class Files:
    """Files of the option `files` (a path or pattern, or several), each a delivery.

    Further options: `columns` names the file's columns for `valid_at`, `series`, `value` and `written`, where they
    differ; `series` maps column titles or names in the file to the region's; `unit` is MW, kW or GW; `time_zone` says
    what stamps without an offset mean; `stamp_format` is for stamps that are not ISO 8601; `ignore` names columns that
    are none of the table's.
    """

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """The files in order of their names.

        Raises:
            ConfigurationError: an option is missing, unknown or wrong.
            MissingDataError: no file has such a name.
        """
        options = _checked(request.region, request.spec)
        patterns = options["files"]
        several = patterns if isinstance(patterns, list | tuple) else [patterns]
        found = sorted({name for pattern in several for name in glob(str(pattern))})
        if not found:
            raise MissingDataError(
                f"There is no file {patterns}.", remedy="Check the path.", region=request.region.name, files=patterns
            )
        for name in found:
            file = Path(name)
            yield Delivery(file.name, partial(_read, file))

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        """The rows of a file."""
        return parse(received.data, region=request.region, table=request.table, spec=request.spec, origin=origin)


def parse(text: bytes, *, region: Region, table: Table, spec: SourceSpec, origin: str) -> pl.DataFrame:
    """Published rows of a CSV file.

    Raises:
        SourceFormatError: columns are missing or unknown, or stamps have neither an offset nor a `time_zone`.
    """
    options = spec.options
    try:
        rows = pl.read_csv(text, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise SourceFormatError(
            f"{origin} is no CSV file: {reason}.", remedy="Save it as CSV, UTF-8.", file=origin
        ) from error
    rows = rows.drop(options.get("ignore", ()), strict=False)
    title = {
        name: str(options.get("columns", {}).get(name, name)) for name in ("valid_at", "series", "value", "written")
    }
    renames: Mapping[str, str] = options.get("series", {})
    names = _names(region, table)
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
    unknown = [name for name in rows.columns if name not in allowed]
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
    at, fault = _times(long["valid_at"], options, origin)
    written, _ = _times(long["written"], options, origin)
    factor = TO_MW[options.get("unit", "MW")] if table is not Table.WEATHER else 1.0
    value = pl.col("text").str.strip_chars().cast(pl.Float64, strict=False) * factor
    return published(
        long.with_columns(value=value, at=at, fault=fault, written=written).with_columns(
            stamp=pl.col("valid_at").fill_null(""),
            text=pl.when(~pl.col("value").is_finite().fill_null(False)).then(pl.col("text").fill_null("")),
        )
    )


def _names(region: Region, table: Table) -> tuple[str, ...]:
    if table is Table.WEATHER:
        return region.weather.variables if region.weather else ()
    zones = tuple(zone.name for zone in region.zones)
    return region.series if table is Table.FORECAST else zones


def _times(stamps: pl.Series, options: Mapping[str, object], origin: str) -> tuple[pl.Series, pl.Series]:
    """UTC times (null where unreadable), and the faults of those that only the time zone explains."""
    frame = pl.DataFrame({"stamp": stamps.cast(pl.String).str.strip_chars()})
    form = options.get("stamp_format")
    zone = options.get("time_zone")
    offset = pl.col("stamp").str.contains(OFFSET)
    bare = pl.col("stamp").str.replace("T", " ", literal=True)
    if isinstance(form, str):
        local = pl.col("stamp").str.to_datetime(
            form, time_unit="us", strict=False, time_zone="UTC" if "%z" in form else None
        )
        if "%z" in form:
            frame = frame.select(at=local, fault=pl.lit(None, pl.String))
            return frame["at"].cast(UTC), frame["fault"]
        offset = pl.lit(False)
    else:
        layouts = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")
        local = pl.coalesce(bare.str.to_datetime(layout, time_unit="us", strict=False) for layout in layouts)
    layouts = ("%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M%z")
    aware = pl.coalesce(
        bare.str.replace("Z$", "+00:00").str.to_datetime(layout, time_unit="us", strict=False, time_zone="UTC")
        for layout in layouts
    )
    frame = frame.with_columns(local=pl.when(~offset).then(local), aware=pl.when(offset).then(aware))
    naive = frame.filter(pl.col("local").is_not_null())
    if len(naive) and zone is None:
        raise SourceFormatError(
            f"{origin}: the stamp {naive['stamp'][0]} has no offset from UTC.",
            remedy='Write 2019-06-30T23:55:00Z or +02:00, or set the source\'s option time_zone = "UTC" (or another).',
            file=origin,
            stamp=naive["stamp"][0],
        )
    if zone is None:
        return frame["aware"].cast(UTC), pl.Series("fault", [None] * len(frame), pl.String)
    both = [
        pl.col("local")
        .dt.replace_time_zone(str(zone), ambiguous=side, non_existent="null")
        .dt.convert_time_zone("UTC")
        .alias(side)
        for side in ("earliest", "latest")
    ]
    ambiguous = pl.col("earliest") != pl.col("latest")
    frame = frame.with_columns(both).select(
        at=pl.when(~ambiguous).then("earliest").otherwise(None).fill_null(pl.col("aware")),
        fault=pl.when(ambiguous).then(pl.lit(Reason.AMBIGUOUS_STAMP.value)),
    )
    return frame["at"].cast(UTC), frame["fault"]


def _checked(region: Region, spec: SourceSpec) -> Mapping[str, object]:
    def wrong(what: str, remedy: str) -> ConfigurationError:
        return ConfigurationError(f"{region.name}: {what}", remedy=remedy, region=region.name, source="files")

    if "files" not in spec.options:
        raise wrong("the source files has no files.", 'Set options = { files = "..." } in the region file.')
    if unknown := [name for name in spec.options if name not in OPTIONS]:
        raise wrong(f"the source files has no option {unknown[0]!r}.", f"Use {', '.join(OPTIONS)}.")
    if (unit := spec.options.get("unit", "MW")) not in TO_MW:
        raise wrong(f"unknown unit {unit!r}.", f"Use one of: {', '.join(TO_MW)}.")
    return spec.options


def _read(file: Path) -> Received:
    try:
        return Received(file.read_bytes())
    except OSError as error:
        raise MissingDataError(
            f"{file} cannot be read: {error.strerror}.", remedy="Check the path.", file=str(file)
        ) from error
