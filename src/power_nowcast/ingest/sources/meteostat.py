"""Weather of stations all over the world by the library `meteostat`, hour by hour.

The library sends the requests and reads the answers: what is archived is its table, which is not raw. Values that
models filled in are left out: they include times to come, and nobody knows when they were known.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import polars as pl

from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, SourceUnavailableError
from power_nowcast.ingest.libraries import (
    NOT_FOUND,
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
from power_nowcast.ingest.web import Http, client

SERVER = "https://data.meteostat.net/"
RECENT_DAYS = 7
"""The span that is requested without a start: reports arrive hours to days late."""
_VARIABLES = {"temperature_c": ("temp", 1.0), "wind_speed_ms": ("wspd", 3.6), "cloud_cover": ("cldc", 8.0)}
"""Column of the library, and the divisor of its unit (km/h, eighths)."""


class Meteostat:
    """Option `stations`: Meteostat's own names ("72503"); label instant.

    Series are "72503.temperature_c", "72503.wind_speed_ms", "72503.cloud_cover". The service does not say when a value
    appeared, so the region file must: `delay_minutes`.
    """

    reads_files: ClassVar[bool] = False

    def check(self, request: Request) -> None:
        """Check the region's options."""
        check_library_options(request, "stations")
        wrong = None
        if request.table is not Table.WEATHER:
            wrong = f"has no {request.table}", "Use it for weather only."
        elif not _stations(request):
            wrong = "has no stations", 'Set options = { stations = ["72503"] } in the region file.'
        elif not request.spec.delay_minutes:
            wrong = (
                "does not say when a report appeared",
                "Set delay_minutes to how late reports are: 180 is usual, some arrive after days.",
            )
        if wrong:
            raise ConfigurationError(
                f"{request.region.name}: the source meteostat {wrong[0]}.",
                remedy=wrong[1],
                region=request.region.name,
                source="meteostat",
            )

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """A table for each station and year, the last week without a start.

        Raises:
            ConfigurationError: an option is wrong, the table is not weather, or the library is not installed.
        """
        self.check(request)
        check_library("meteostat", source="meteostat")
        http = request.http or client()
        now = http.clock().astimezone(UTC)
        last = min(now, request.end.astimezone(UTC)) if request.end else now
        first = request.start.astimezone(UTC) if request.start else last - timedelta(days=RECENT_DAYS)
        for station in _stations(request):
            for year in range(first.year, last.year + 1):
                since, until = max(first.date(), date(year, 1, 1)), min(last.date(), date(year, 12, 31))
                read = partial(_get, http, station, since, until)
                yield Delivery(f"{station}_{since:%Y%m%d}_{until:%Y%m%d}_not_raw.csv", read, server=SERVER)

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:  # noqa: ARG002
        """Rows of one table."""
        return parse(received.data, origin=origin)


def parse(data: bytes, *, origin: str) -> pl.DataFrame:
    """Rows of a table as `libraries.table_bytes` wrote it: wind in m/s, clouds as a share; an empty cell is no row.

    Raises:
        SourceFormatError: it is no table.
    """
    rows = read_table(data, origin)
    parts = [
        rows.with_columns(pl.col(column).cast(pl.Float64, strict=False).alias(column))
        .filter(pl.col(column).is_not_null())
        .select(
            pl.concat_str("station", pl.lit(f".{variable}")).alias("series"),
            time_of("time").alias("at"),
            (pl.col(column) / unit).round(4).alias("value"),
            pl.when(time_of("time").is_null()).then(pl.col("time").fill_null("")).alias("stamp"),
        )
        for variable, (column, unit) in _VARIABLES.items()
        if column in rows.columns
    ]
    return published(pl.concat(parts) if parts else pl.DataFrame({"series": []}, {"series": pl.String}))


class _Said(logging.Handler):
    """Keeps the log of the library, which reports failures there and nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def _get(http: Http, station: str, since: date, until: date) -> Received:
    """The library's table of one station within one year."""
    module = library("meteostat", source="meteostat")
    what = f"hourly of {station} from {since} to {until}"
    asking = Asking("meteostat", what, http.clock().astimezone(UTC))
    # Its cache consists of pickled files, and would answer in place of the server.
    module.config.cache_enable = False
    module.config.include_model_data = False
    logger, said = logging.getLogger("meteostat"), _Said()
    level = logger.level
    logger.addHandler(said)
    logger.setLevel(logging.INFO)

    def ask() -> Any:
        start = datetime(since.year, since.month, since.day, tzinfo=UTC).replace(tzinfo=None)
        end = datetime(until.year, until.month, until.day, 23, 59, tzinfo=UTC).replace(tzinfo=None)
        parameters = [module.Parameter.TEMP, module.Parameter.WSPD, module.Parameter.CLDC]
        # A whole station in place of its name: for a name the library would load its list of stations.
        series = module.hourly(module.Station(id=station), start, end, parameters=parameters)
        return series.fetch()

    try:
        frame = asking.call(ask)
    finally:
        logger.removeHandler(said)
        logger.setLevel(level)
    failures = [record for record in said.records if record.levelno >= logging.WARNING]
    if failures or frame is None or frame.empty:
        words = failures[-1].getMessage() if failures else "the server has nothing for this station and time"
        status = None if failures else NOT_FOUND
        raise SourceUnavailableError(
            f"meteostat: {what} failed ({words[:300]}) at {asking.time:%Y-%m-%dT%H:%M:%SZ}.",
            remedy="Run it again later; if it stays, look the station up at meteostat.net.",
            source="meteostat",
            url=what,
            time=asking.time,
            status=status,
            attempts=1,
        )
    about = not_raw("meteostat", what)
    table = frame.reset_index()
    if "station" not in table.columns:
        table.insert(0, "station", station)
    return Received(table_bytes(table, about), received_at=http.clock().astimezone(UTC), url=about)


def _stations(request: Request) -> tuple[str, ...]:
    given = request.spec.options.get("stations", ())
    return (given,) if isinstance(given, str) else tuple(str(one) for one in given)
