"""Files of the New York ISO: `pal` (actual load), `isolf` (its own load forecast), `rtfuelmix`, and airport reports.

`pal`, `isolf` and `rtfuelmix` are CSV files of a day, alone or as the zip archive of a month.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import ClassVar
from zoneinfo import ZoneInfo

import polars as pl

from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, MissingDataError, SourceFormatError
from power_nowcast.ingest.parsing.opening import members
from power_nowcast.ingest.parsing.wallclock import to_utc
from power_nowcast.ingest.published import PUBLISHED, Delivery, Request, published
from power_nowcast.regions import Region

LOCAL = "America/New_York"
LOAD_COLUMNS = ("Time Stamp", "Time Zone", "Name", "PTID", "Load")
FUEL_COLUMNS = ("Time Stamp", "Time Zone", "Fuel Category", "Gen MW")
FUEL_COLUMNS_UNTIL_2016 = (*FUEL_COLUMNS[:3], "Gen MWh")  # the values were in MW before, too
FUELS = ("Dual Fuel", "Natural Gas", "Nuclear", "Other Fossil Fuels", "Other Renewables", "Wind", "Hydro")
OFFSET_HOURS = {"EST": 5, "EDT": 4}
FORECAST_TOTAL = "NYISO"
CLOUD_COVER = {"CLR": 0.0, "SKC": 0.0, "FEW": 0.1875, "SCT": 0.4375, "BKN": 0.75, "OVC": 1.0, "VV": 1.0}
"""Fraction of the sky by the middle of each code's eighths."""
REPORT_COLUMNS = {"temp_c": "temperature_c", "dew_point_c": "dew_point_c", "wind_speed_ms": "wind_speed_ms"}
_PATTERNS = {
    Table.POWER: "pal/*pal_csv.zip",
    Table.FORECAST: "isolf/*isolf_csv.zip",
    Table.WEATHER: "weather/*_observations_*.csv.gz",
}


class NyisoArchives:
    """A folder as the publisher's site is laid out; option `folder` names it."""

    reads_files: ClassVar[bool] = True

    def check(self, request: Request) -> None:
        """Check that the source has such a table, and a folder."""
        if request.table not in _PATTERNS:
            raise ConfigurationError(
                f"{request.region.name}: the source nyiso has no {request.table}.",
                remedy="Use nws or files for it.",
                region=request.region.name,
                source="nyiso",
            )
        if request.place is None and "folder" not in request.spec.options:
            raise ConfigurationError(
                f"{request.region.name}: the source nyiso has no folder.",
                remedy='Set options = { folder = "..." } in the region file, or --data.',
                region=request.region.name,
            )

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """Every archive of a table, oldest first.

        Raises:
            ConfigurationError: the option `folder` is missing.
            MissingDataError: the folder holds no archive of load.
        """
        self.check(request)
        folder = request.place or Path(str(request.spec.options["folder"]))
        files = sorted(folder.glob(_PATTERNS[request.table]))
        if not files and request.table is Table.POWER:
            raise MissingDataError(
                f"{folder} holds no {_PATTERNS[request.table]}.",
                remedy="Download the monthly archives from mis.nyiso.com/public into it.",
                folder=str(folder),
            )
        for file in files:
            yield Delivery(file.name, partial(_read, file))

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        """Rows of one archive."""
        if request.table is Table.POWER:
            return parse_load(received.data, origin=origin)
        if request.table is Table.FORECAST:
            return parse_forecast(received.data, region=request.region, origin=origin)
        return parse_reports(received.data, station=origin.split("_", maxsplit=1)[0].upper(), origin=origin)


def _read(file: Path) -> Received:
    return Received(file.read_bytes())


def parse_load(data: bytes, *, origin: str) -> pl.DataFrame:
    """Rows of `pal`; stamps are local with a column that tells EST from EDT.

    Raises:
        SourceFormatError: not CSV files with the agreed columns.
    """
    return _long(data, origin, LOAD_COLUMNS, series="Name", value="Load")


def parse_fuel_mix(data: bytes, *, region: Region, origin: str) -> pl.DataFrame:
    """Rows of `rtfuelmix`, the region's zones among the fuels; stamps are as those of load, also off the five minutes.

    Raises:
        SourceFormatError: not CSV files with the agreed columns.
    """
    rows = _long(data, origin, FUEL_COLUMNS, FUEL_COLUMNS_UNTIL_2016, series="Fuel Category", value="Gen MW")
    others = set(FUELS) - {zone.name for zone in region.zones}
    return rows.filter(~pl.col("series").is_in(others).fill_null(False))


def parse_forecast(data: bytes, *, region: Region, origin: str) -> pl.DataFrame:
    """Rows of `isolf`: `at` is the beginning of the hour, `written` the time of the file in its archive.

    Stamps are local without a zone. The hour that is repeated in autumn stands there twice, in order.

    Raises:
        SourceFormatError: not CSV files with a column for every zone and the total.
    """
    names = {FORECAST_TOTAL.lower(): region.total or FORECAST_TOTAL}
    names |= {zone.name.lower(): zone.name for zone in region.zones}
    files = []
    for member in _members(data, origin):
        rows = _read_csv(member.text, member.name)
        if rows.columns[0] != "Time Stamp" or {name.lower() for name in rows.columns[1:]} != set(names):
            raise _columns(member.name, ("Time Stamp", *names), ",".join(rows.columns).encode())
        files.append(
            rows.rename({name: names[name.lower()] for name in rows.columns[1:]}).with_columns(
                written=pl.lit(member.written, PUBLISHED["written"])
            )
        )
    order = ["Time Stamp", "written", *names.values()]
    rows = pl.concat([file.select(order) for file in files])
    file = rows.with_row_index("row").select(pl.col("row").first().over("written")).to_series()
    local = rows["Time Stamp"].str.to_datetime("%m/%d/%Y %H:%M", time_unit="us", strict=False)
    told = to_utc(local, LOCAL, sequence=file, ambiguous="earliest")
    return published(
        rows.select(pl.col("Time Stamp").alias("stamp"), "written", *names.values(), at=told["at"], fault=told["fault"])
        .unpivot(index=["stamp", "written", "at", "fault"], variable_name="series", value_name="text")
        .with_columns(value=pl.col("text").cast(pl.Float64, strict=False))
        .with_columns(text=pl.when(pl.col("value").is_null()).then(pl.col("text").fill_null("")))
    )


def parse_reports(file: bytes, *, station: str, origin: str) -> pl.DataFrame:
    """Rows of a station's reports; `at` is the time of the report. A value that a report leaves out gives no row.

    Raises:
        SourceFormatError: not a CSV with the agreed columns.
    """
    text = next(members(file, origin)).data
    rows = _read_csv(text, origin)
    needed = ("utc", *REPORT_COLUMNS, "cloud_code")
    if missing := [name for name in needed if name not in rows.columns]:
        raise _columns(origin, needed, ",".join(rows.columns).encode(), missing)
    return reports(rows.select(needed).rename(REPORT_COLUMNS), station)


def reports(rows: pl.DataFrame, station: str) -> pl.DataFrame:
    """Published rows of text columns `utc`, the variables, and `cloud_code`."""
    variables = [*REPORT_COLUMNS.values(), "cloud_cover"]
    long = (
        rows.rename({"cloud_code": "cloud_cover"})
        .unpivot(variables, index="utc", variable_name="variable", value_name="text")
        .filter(pl.col("text").is_not_null() & (pl.col("text") != ""))
    )
    code = pl.col("text").replace_strict(CLOUD_COVER, default=None, return_dtype=pl.Float64)
    number = pl.col("text").cast(pl.Float64, strict=False)
    return published(
        long.with_columns(value=pl.when(pl.col("variable") == "cloud_cover").then(code).otherwise(number)).select(
            series=pl.concat_str(pl.lit(station + "."), "variable"),
            at=pl.col("utc")
            .str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us", strict=False)
            .dt.replace_time_zone("UTC"),
            value="value",
            stamp="utc",
            text=pl.when(pl.col("value").is_null()).then("text"),
        )
    )


def _long(data: bytes, origin: str, columns: tuple[str, ...], *older: tuple[str, ...], **of: str) -> pl.DataFrame:
    """Rows of files of one value a line, whose stamps have the zone's short name beside them.

    Args:
        data: a CSV file or an archive of CSV files.
        origin: its name.
        columns: the agreed header.
        older: older headers with the same meaning.
        of: the columns of `series` and `value`.
    """
    headers = [",".join(names).encode() for names in (columns, *older)]
    bodies = []
    for member in _members(data, origin):
        first, _, body = member.text.partition(b"\n")
        if first.strip().replace(b'"', b"") not in headers:
            raise _columns(member.name, columns, first)
        bodies.append(body if body.endswith(b"\n") or not body else body + b"\n")
    rows = _read_csv(headers[0] + b"\n" + b"".join(bodies), origin)
    hours = pl.col("Time Zone").replace_strict(OFFSET_HOURS, default=None, return_dtype=pl.Int64)
    local = pl.coalesce(
        pl.col("Time Stamp").str.to_datetime(layout, time_unit="us", strict=False)
        for layout in ("%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M")
    )
    return published(
        rows.with_columns(value=pl.col(of["value"]).cast(pl.Float64, strict=False), text=of["value"]).select(
            series=of["series"],
            at=(local + pl.duration(hours=hours)).dt.replace_time_zone("UTC"),
            value="value",
            stamp=pl.concat_str("Time Stamp", "Time Zone", separator=" ", ignore_nulls=True),
            text=pl.when(pl.col("value").is_null()).then(pl.col("text").fill_null("")),
        )
    )


@dataclass(frozen=True)
class _Member:
    """A CSV file of a day. `written` is its time in the archive, None for a single file."""

    name: str
    text: bytes
    written: datetime | None = None


def _members(data: bytes, origin: str) -> Iterator[_Member]:
    if not (origin.endswith(".zip") or data.startswith(b"PK")):
        yield _Member(origin, data)
        return
    if not data.startswith(b"PK"):
        raise SourceFormatError(f"{origin} is no whole zip archive.", remedy="Download it again.", file=origin)
    for member in members(data, origin):
        written = None if member.written is None else datetime(*member.written, tzinfo=ZoneInfo(LOCAL)).astimezone(UTC)
        yield _Member(f"{origin}: {member.name}", member.data, written)


def _read_csv(text: bytes, origin: str) -> pl.DataFrame:
    try:
        return pl.read_csv(text, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise SourceFormatError(
            f"{origin} is no CSV file: {reason}.", remedy="Download it again.", file=origin
        ) from error


def _columns(
    where: str, expected: tuple[str, ...], found: bytes, missing: list[str] | None = None
) -> SourceFormatError:
    columns = found.decode(errors="replace").strip()
    return SourceFormatError(
        f"{where} has other columns than agreed: expected {', '.join(expected)}; found {columns[:300]}.",
        remedy="Check that this is the publisher's file; if its format has changed, the parser must follow.",
        file=where,
        expected=expected,
        found=columns,
        missing=missing or [],
    )
