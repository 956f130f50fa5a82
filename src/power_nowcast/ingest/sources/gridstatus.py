"""Texas, New England, the Mid-Atlantic, the Midwest and the Plains by the library `gridstatus`.

The library sends the requests and reads the answers: what is archived is its table, which is not raw. Its errors are
corrected here and nowhere else. It sums over the areas that it got, so areas are requested one by one and summed by
`_sum`, only where every one has a value. It writes 0 MW for a fuel that New England's file leaves out, so such zeros
are unknown. Publication times that it assumes, and does not read, are not used.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import polars as pl

from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.ingest.libraries import (
    Asking,
    check_library,
    check_library_options,
    library,
    not_raw,
    read_table,
    table_bytes,
    time_of,
)
from power_nowcast.ingest.published import Delivery, Request, published
from power_nowcast.ingest.web import Http, api_key, client

START, END, TIME, AREA = "Interval Start", "Interval End", "Time", "BAA"
VARIABLE = "PJM_API_KEY"


@dataclass(frozen=True)
class Grid:
    """A grid's class in the library, the time zone of its days, and the server that the library asks."""

    name: str
    zone: str
    server: str


@dataclass(frozen=True)
class Dataset:
    """A request to the library: for at most `back` days before today, or for the newest values if `back` is None.

    `written` is the column of the publisher's own time of a forecast, if the library reads it and does not assume it.
    `zero_is_unknown` if the library writes 0 for a value that it did not get.
    """

    method: str
    back: int | None = None
    written: str | None = None
    zero_is_unknown: bool = False


GRIDS = {
    "ERCOT": Grid("Ercot", "America/Chicago", "https://www.ercot.com/"),
    "ISONE": Grid("ISONE", "America/New_York", "https://www.iso-ne.com/"),
    "MISO": Grid("MISO", "Etc/GMT+5", "https://public-api.misoenergy.org/"),
    "PJM": Grid("PJM", "America/New_York", "https://api.pjm.com/"),
    "SPP": Grid("SPP", "America/Chicago", "https://portal.spp.org/"),
}
YEARS = 10_000
DATASETS: dict[Table, dict[tuple[str, str], Dataset]] = {
    Table.POWER: {
        # Older days of Texas are hourly.
        ("ERCOT", "load"): Dataset("get_load", 0),
        ("ERCOT", "fuel_mix"): Dataset("get_fuel_mix"),
        ("ISONE", "load"): Dataset("get_load", YEARS),
        ("ISONE", "fuel_mix"): Dataset("get_fuel_mix", YEARS, zero_is_unknown=True),
        ("MISO", "load"): Dataset("get_load", 0),
        ("MISO", "fuel_mix"): Dataset("get_fuel_mix", 1),
        ("PJM", "load"): Dataset("get_load", 29),
        ("PJM", "solar"): Dataset("get_solar_generation_5_min", 29),
        ("PJM", "wind"): Dataset("get_wind_generation_instantaneous", 29),
        ("SPP", "load"): Dataset("get_load_by_baa"),
        # Each older day would fetch the file of a whole year.
        ("SPP", "fuel_mix"): Dataset("get_fuel_mix_by_baa"),
    },
    Table.FORECAST: {
        ("ERCOT", "load"): Dataset("get_load_forecast", written="Publish Time"),
        ("ERCOT", "wind"): Dataset("get_wind_actual_and_forecast_hourly", written="Publish Time"),
        ("ERCOT", "solar"): Dataset("get_solar_actual_and_forecast_hourly", written="Publish Time"),
        ("ISONE", "load"): Dataset("get_load_forecast", YEARS, written="Forecast Time"),
        ("ISONE", "wind"): Dataset("get_wind_forecast", YEARS),
        ("ISONE", "solar"): Dataset("get_solar_forecast", YEARS),
        ("MISO", "load"): Dataset("get_load_forecast", YEARS),
        ("PJM", "load"): Dataset("get_load_forecast", 0, written="Publish Time"),
        ("PJM", "wind"): Dataset("get_wind_forecast_5_min", 29, written="Publish Time"),
        ("PJM", "solar"): Dataset("get_solar_forecast_5_min", 29, written="Publish Time"),
        ("SPP", "load"): Dataset("get_load_forecast_by_baa", written="Publish Time"),
    },
}


class Gridstatus:
    """Options `grid` (ERCOT, ISONE, MISO, PJM, SPP), `dataset` (load, fuel_mix, wind, solar) and `series`.

    `series` maps each zone to a column of the library's table, or to several whose sum it is; a zone without an entry
    has its own name. Columns of areas begin with the area: "SWPW Load". PJM's key is PJM_API_KEY. Label end, or instant
    where the table holds instants.
    """

    reads_files: ClassVar[bool] = False

    def check(self, request: Request) -> None:
        """Check the region's options."""
        check_library_options(request, "grid", "dataset", "series")
        _dataset(request)

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """A table a day as far back as the publisher goes, or the newest; the last two days without a start.

        Raises:
            ConfigurationError: an option is wrong, the key is not set, or the library is not installed.
        """
        self.check(request)
        check_library("gridstatus", source="gridstatus")
        _key(request)
        http, grid, asked = request.http or client(), GRIDS[_grid(request)], _dataset(request)
        name = f"{_grid(request)}_{request.spec.options.get('dataset', 'load')}_{request.table}"
        today = http.clock().astimezone(ZoneInfo(grid.zone)).date()
        if asked.back is None:
            if request.end is None or request.end.astimezone(ZoneInfo(grid.zone)).date() >= today - timedelta(days=1):
                read = partial(_get, request, http, None)
                yield Delivery(f"{name}_newest_not_raw.csv", read, server=grid.server)
            return
        last = min(today, request.end.astimezone(ZoneInfo(grid.zone)).date()) if request.end else today
        first = request.start.astimezone(ZoneInfo(grid.zone)).date() if request.start else last - timedelta(days=1)
        first = max(first, today - timedelta(days=min(asked.back, (today - date.min).days)))
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            read = partial(_get, request, http, day)
            file = f"{name}_{day:%Y%m%d}_not_raw.csv"
            yield Delivery(file, read, expected=day < today, server=grid.server)

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        """Rows of one table."""
        return parse(received.data, request=request, origin=origin)


def parse(data: bytes, *, request: Request, origin: str) -> pl.DataFrame:
    """Rows of a table as `libraries.table_bytes` wrote it; `at` is what the region file's label says.

    An empty cell is no row. A zone of several columns is their sum where every one has a value.

    Raises:
        SourceFormatError: columns are missing, or intervals are of another length than agreed.
    """
    asked, rows = _dataset(request), read_table(data, origin)
    stamp = {"start": START, "end": END}.get(request.spec.label, TIME if TIME in rows.columns else START)
    series = {zone.name: (zone.name,) for zone in request.region.zones} | _series(request)
    if AREA in rows.columns:
        rows = _by_area(rows, [name for names in series.values() for name in names])
    needed = [
        stamp,
        *([asked.written] if asked.written else []),
        *(name for names in series.values() for name in names),
    ]
    if missing := [name for name in needed if name not in rows.columns]:
        raise SourceFormatError(
            f"{origin} lacks {', '.join(missing)}; it has {', '.join(rows.columns)[:500]}.",
            remedy="Name columns that it has in the option series; label instant where it has no intervals.",
            file=origin,
            expected=needed,
            missing=missing,
        )
    _check_intervals(rows, request, origin)
    known = time_of(asked.written) if asked.written else pl.lit(None, pl.Datetime("us", "UTC"))
    parts = [
        rows.select(
            pl.lit(zone).alias("series"),
            time_of(stamp).alias("at"),
            pl.when(time_of(stamp).is_null()).then(pl.col(stamp).fill_null("")).alias("stamp"),
            _sum(names).alias("value"),
            pl.when(len(names) == 1, pl.col(names[0]).cast(pl.Float64, strict=False).is_null())
            .then(pl.col(names[0]))
            .alias("text"),
            known.alias("written"),
        )
        for zone, names in series.items()
    ]
    found = pl.concat(parts).filter(pl.col("value").is_not_null() | pl.col("text").is_not_null())
    if asked.zero_is_unknown:
        found = found.filter((pl.col("value") != 0).fill_null(True))
    return published(found)


def _sum(names: tuple[str, ...]) -> pl.Expr:
    """The sum of columns where every one has a value; the library's own sums ignore missing ones."""
    return pl.sum_horizontal([pl.col(name).cast(pl.Float64, strict=False) for name in names], ignore_nulls=False)


def _by_area(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """A row a time, with columns named after area and value: "SPP Wind". An area without any row has empty ones."""
    times = [name for name in rows.columns if name in (TIME, START, END, "Publish Time")]
    areas = set(rows[AREA])
    wide = (
        rows.unpivot(index=[*times, AREA])
        .with_columns(variable=pl.concat_str(AREA, "variable", separator=" "))
        .pivot("variable", index=times, values="value", aggregate_function="last")
    )
    absent = [name for name in names if name.partition(" ")[0] not in areas]
    return wide.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)


def _check_intervals(rows: pl.DataFrame, request: Request, origin: str) -> None:
    """Check that the values are means of as many minutes as the region file says."""
    if START not in rows.columns or END not in rows.columns:
        return
    agreed = timedelta(minutes=request.spec.interval_minutes or request.region.interval_minutes)
    lengths = rows.select(length=time_of(END) - time_of(START))["length"].drop_nulls().unique().to_list()
    if wrong := [length for length in lengths if length != agreed]:
        raise SourceFormatError(
            f"{origin} holds means of {wrong[0] // timedelta(minutes=1)} minutes, "
            f"the region file says {agreed // timedelta(minutes=1)}.",
            remedy="Correct interval_minutes in the region file.",
            file=origin,
        )


def _get(request: Request, http: Http, day: date | None) -> Received:
    """The library's table of a day, or the newest one."""
    grid, asked = GRIDS[_grid(request)], _dataset(request)
    when = "the newest" if day is None else str(day)
    what = f"{grid.name}.{asked.method} of {when}"
    key = _key(request)
    module, pandas = _library(), library("pandas", source="gridstatus")
    absent = (module.NoDataFoundException, module.NotSupported)
    asking = Asking("gridstatus", what, http.clock().astimezone(UTC), key, VARIABLE if key else "", absent)

    def ask() -> Any:
        asker = getattr(module, grid.name)(**({"api_key": key} if key else {}))
        moment = "latest" if day is None else pandas.Timestamp(day, tz=asker.default_timezone)
        return table_bytes(getattr(asker, asked.method)(moment), about)

    about = not_raw("gridstatus", what)
    return Received(asking.call(ask), received_at=_now(http), url=about)


def _library() -> Any:
    """The library without the handler that prints its log."""
    module = library("gridstatus", source="gridstatus")
    logger = library("gridstatus.gs_logging", source="gridstatus").logger
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.setLevel("NOTSET")
    return module


def _key(request: Request) -> str:
    """The key of a grid that demands one."""
    if _grid(request) != "PJM":
        return ""
    return api_key(VARIABLE, source="gridstatus")


def _now(http: Http) -> datetime:
    return http.clock().astimezone(UTC)


def _grid(request: Request) -> str:
    return str(request.spec.options.get("grid", ""))


def _dataset(request: Request) -> Dataset:
    grid, dataset = _grid(request), str(request.spec.options.get("dataset", "load"))
    agreed = DATASETS.get(request.table, {})
    if (grid, dataset) in agreed:
        return agreed[grid, dataset]
    own = [name for of, name in agreed if of == grid]
    what = f"grid {grid!r}" if grid not in GRIDS else f"{request.table} {dataset!r} of {grid}"
    known = ", ".join(own if grid in GRIDS else GRIDS)
    raise ConfigurationError(
        f"{request.region.name}: the source gridstatus has no {what}.",
        remedy=f"Use one of: {known}." if known else "Weather comes from nws, meteostat or files.",
        region=request.region.name,
        source="gridstatus",
        option="grid" if grid not in GRIDS else "dataset",
    )


def _series(request: Request) -> dict[str, tuple[str, ...]]:
    given: Mapping[str, Any] = request.spec.options.get("series", {})
    return {zone: (names,) if isinstance(names, str) else tuple(names) for zone, names in given.items()}
