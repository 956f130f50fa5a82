"""The California ISO: day files of Today's Outlook, and forecasts of OASIS."""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from io import StringIO
from typing import ClassVar
from zoneinfo import ZoneInfo

import polars as pl

from power_nowcast.contracts import Basis, Received, Table
from power_nowcast.errors import ConfigurationError, MissingDataError, SourceFormatError
from power_nowcast.ingest.parsing.opening import members
from power_nowcast.ingest.parsing.stamps import times, with_dates
from power_nowcast.ingest.published import Delivery, Request, check_options, published
from power_nowcast.ingest.web import Body, Http, base_url, client

OUTLOOK = "https://www.caiso.com/outlook"
OASIS = "https://oasis.caiso.com/oasisapi"
OASIS_SPACING = timedelta(seconds=6)
"""The server answers 429 to more than about one request in five seconds."""
OASIS_DAYS = 30
"""Longest span of one answer."""
LOCAL = "America/Los_Angeles"
TOLD_AT = 18
"""Local hour of the day before from which day-ahead forecasts count as known; they appear during that day."""
DEMAND, DAY_AHEAD = "Current demand", "Day ahead forecast"
HUBS = ("NP15", "SP15", "ZP26")
AREA = "CA ISO-TAC"
FILES = {"demand": "demand", "supply": "fuelsource"}
QUERIES = ("SLD_FCST", "SLD_REN_FCST")
_LOAD_COLUMNS = ("INTERVALENDTIME_GMT", "OPR_DT", "TAC_AREA_NAME", "MARKET_RUN_ID", "MW")
_RENEWABLE_COLUMNS = ("INTERVALENDTIME_GMT", "OPR_DT", "TRADING_HUB", "RENEWABLE_TYPE", "MARKET_RUN_ID", "MW")


class Caiso:
    """All labels are ends; forecasts have an interval of 60 minutes.

    Option `dataset`: demand (power and its day-ahead forecast; a region of one zone), supply (power, zones named like
    the columns, as Solar or Wind), SLD_FCST or SLD_REN_FCST (forecasts of OASIS; zones Solar and Wind). Option `market`
    is DAM, or 7DA of SLD_FCST.
    """

    reads_files: ClassVar[bool] = False

    def check(self, request: Request) -> None:
        """Check the region's options."""
        check_options(request, "dataset", "market")
        _dataset(request)

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """A file a day, an answer of OASIS for up to a month; the last two days (and next two) without a start.

        Raises:
            ConfigurationError: an option is wrong, or there is no such table.
        """
        self.check(request)
        dataset, http = _dataset(request), request.http or client()
        today = _day(http.clock())
        last = _day(request.end) if request.end else today + timedelta(days=2)
        first = _day(request.start) if request.start else min(last, today) - timedelta(days=1)
        if dataset in QUERIES:
            url = base_url(request.spec, OASIS, name="caiso_oasis")
            while first <= last:
                following = min(first + timedelta(days=OASIS_DAYS), last + timedelta(days=1))
                name = f"{first:%Y%m%d}_{following:%Y%m%d}_{dataset}_{_market(request)}.zip"
                yield Delivery(name, partial(_ask_oasis, http, url, dataset, _market(request), first, following))
                first = following
            return
        url, file = base_url(request.spec, OUTLOOK), FILES[dataset]
        for number in range((min(last, today) - first).days + 1):
            day = first + timedelta(days=number)
            folder = "current" if day == today else f"history/{day:%Y%m%d}"
            address = f"{url}/{folder}/{file}.csv"
            yield Delivery(
                f"{file}_{day:%Y%m%d}.csv",
                partial(http.get, address, source="caiso", body=Body.CSV),
                expected=day < today,
            )

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        """Rows of one file or answer."""
        dataset = _dataset(request)
        if dataset in QUERIES:
            return parse_oasis(received.data, request=request, origin=origin)
        day = _day_of(received, origin)
        if dataset == "supply":
            return parse_supply(received.data, day=day, request=request, origin=origin)
        return parse_demand(received.data, day=day, request=request, origin=origin)


def parse_demand(data: bytes, *, day: date, request: Request, origin: str) -> pl.DataFrame:
    """Rows of `demand.csv`: `at` is the end of the interval, of the day-ahead forecast the end of the hour.

    The hour-ahead forecast has no time of issue and is left out.

    Raises:
        SourceFormatError: not a CSV with the agreed columns.
    """
    column = DAY_AHEAD if request.table is Table.FORECAST else DEMAND
    rows = _timed(_read_csv(_whole_lines(data), origin, ("Time", DEMAND, DAY_AHEAD)), day, column)
    rows = rows.with_columns(series=pl.lit(request.region.zones[0].name))
    if request.table is Table.POWER:
        return published(rows)
    # The file begins with the end of the day before, and repeats an hour's forecast every five minutes.
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(LOCAL)).astimezone(UTC)
    hourly = rows.filter(pl.col("at") > midnight).with_columns(
        at=(pl.col("at") + timedelta(minutes=59)).dt.truncate("1h")
    )
    return published(_scheduled(hourly.unique("at", keep="last", maintain_order=True), pl.lit(day)))


def parse_supply(data: bytes, *, day: date, request: Request, origin: str) -> pl.DataFrame:
    """Rows of `fuelsource.csv`, or of the same table as the web page saves it: transposed, its date in the corner.

    Raises:
        SourceFormatError: not a CSV with a column for every zone.
    """
    text = _whole_lines(data).lstrip(b"\xef\xbb\xbf")
    if corner := re.match(rb"\"?Supply (\d\d/\d\d/\d{4})", text):
        day = datetime.strptime(corner[1].decode(), "%m/%d/%Y").replace(tzinfo=UTC).date()
        columns = list(zip(*csv.reader(StringIO(data.decode(errors="replace"))), strict=False))
        text = "\n".join(",".join(row) for row in (("Time", *columns[0][1:]), *columns[1:])).encode()
    zones = [zone.name for zone in request.region.zones]
    rows = _read_csv(text, origin, ("Time", *zones))
    return published(pl.concat(_timed(rows, day, zone).with_columns(series=pl.lit(zone)) for zone in zones))


def parse_oasis(archive: bytes, *, request: Request, origin: str) -> pl.DataFrame:
    """Rows of a SingleZip answer: `at` is the end of the hour. Day-ahead rows are `written` by their schedule.

    Wind and solar are the sums of the trading hubs, where every hub has a value.

    Raises:
        SourceFormatError: not a zip of a CSV with the agreed columns.
        MissingDataError: OASIS says that it has none.
    """
    region = request.region
    renewable = _dataset(request) == "SLD_REN_FCST"
    rows = _read_csv(_member(archive, origin), origin, _RENEWABLE_COLUMNS if renewable else _LOAD_COLUMNS)
    rows = rows.filter(pl.col("MARKET_RUN_ID") == _market(request)).with_columns(
        value=pl.col("MW").cast(pl.Float64, strict=False)
    )
    stamp = pl.col("INTERVALENDTIME_GMT")
    if renewable:
        rows = (
            rows.filter(pl.col("TRADING_HUB").is_in(HUBS))
            .group_by("INTERVALENDTIME_GMT", "OPR_DT", "RENEWABLE_TYPE", maintain_order=True)
            .agg(pl.col("value").sum(), hubs=pl.col("TRADING_HUB").filter(pl.col("value").is_not_null()).n_unique())
            .filter(pl.col("hubs") == len(HUBS), pl.col("RENEWABLE_TYPE").is_in(region.series))
            .with_columns(series="RENEWABLE_TYPE", MW=pl.lit(None, pl.String))
        )
    else:
        rows = rows.filter(pl.col("TAC_AREA_NAME") == AREA).with_columns(series=pl.lit(region.series[0]))
    rows = rows.select(
        "series",
        "value",
        at=stamp.str.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_unit="us", time_zone="UTC", strict=False),
        stamp=stamp,
        text=pl.when(pl.col("value").is_null()).then(pl.col("MW").fill_null("")),
        day=pl.col("OPR_DT").str.to_date("%Y-%m-%d", strict=False),
    ).sort("series", "at", maintain_order=True)
    return published(_scheduled(rows, pl.col("day")) if _market(request) == "DAM" else rows)


def _scheduled(rows: pl.DataFrame, day: pl.Expr) -> pl.DataFrame:
    """Rows with the time when the forecast of their local day counts as known."""
    told = day.cast(pl.Datetime("us")) - timedelta(hours=24 - TOLD_AT)
    return rows.with_columns(
        written=told.dt.replace_time_zone(LOCAL).dt.convert_time_zone("UTC"), basis=pl.lit(Basis.SCHEDULE.value)
    )


def _timed(rows: pl.DataFrame, day: date, column: str) -> pl.DataFrame:
    """Columns stamp, at, fault, value, text of one column; empty cells and hours to come give no rows.

    Times are wall clock. One that goes back by an hour or more is the next day's; by less, the repeat of an autumn
    hour. A repeated hour that stands there once is the first.
    """
    one = pl.Series([0] * len(rows), dtype=pl.Int64)
    dated = with_dates(rows["Time"], pl.Series([day] * len(rows), dtype=pl.Date), one)
    options = {"time_zone": LOCAL, "ambiguous": "earliest"}
    at, fault = times(dated, options, str(day), timezone=LOCAL, sequence=one)
    text = pl.col(column).str.strip_chars()
    return (
        rows.with_columns(at=at, fault=fault, text=text, value=text.cast(pl.Float64, strict=False))
        .filter(pl.col("text").is_not_null() & (pl.col("text") != ""))
        .select(
            "at",
            "fault",
            "value",
            stamp=pl.concat_str(pl.lit(f"{day} "), "Time"),
            text=pl.when(pl.col("value").is_null()).then("text"),
        )
    )


def _day_of(received: Received, origin: str) -> date:
    """The local day of a file: that of its name, or the day before, if the file came just after midnight.

    Raises:
        SourceFormatError: the name has no date.
    """
    found = re.search(r"\d{8}", origin)
    if found is None:
        raise SourceFormatError(
            f"{origin} has no date in its name.", remedy="Name it demand_YYYYMMDD.csv.", file=origin
        )
    day = datetime.strptime(found[0], "%Y%m%d").replace(tzinfo=ZoneInfo(LOCAL))
    if received.received_at is None or received.received_at - day > timedelta(hours=6):
        return day.date()
    measured = [line for line in received.data.splitlines() if re.fullmatch(rb"\d?\d:\d\d,.*\d\s*", line)]
    latest = int(measured[-1].split(b":")[0]) if measured else 0
    too_late = day + timedelta(hours=latest - 1) > received.received_at
    return day.date() - timedelta(days=too_late)


def _whole_lines(data: bytes) -> bytes:
    """The bytes without a last line that the server had not finished."""
    return data[: data.rfind(b"\n") + 1]


def _member(archive: bytes, origin: str) -> bytes:
    if not archive.startswith(b"PK"):
        raise SourceFormatError(f"{origin} is no whole zip archive.", remedy="Fetch it again.", file=origin)
    first = next(members(archive, origin))
    name, text = first.name, first.data
    if name.lower().endswith(".xml"):
        said = re.search(rb"ERR_DESC>([^<]*)<", text)
        raise MissingDataError(
            f"{origin}: OASIS says: {said[1].decode(errors='replace') if said else name}.",
            remedy="Ask for another span or market.",
            file=origin,
        )
    return text


def _read_csv(text: bytes, origin: str, needed: tuple[str, ...]) -> pl.DataFrame:
    try:
        rows = pl.read_csv(text, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise SourceFormatError(f"{origin} is no CSV file: {reason}.", remedy="Fetch it again.", file=origin) from error
    if missing := [name for name in needed if name not in rows.columns]:
        raise SourceFormatError(
            f"{origin} lacks the columns {', '.join(missing)}; found {', '.join(rows.columns)[:300]}.",
            remedy="Check the zones' names; if the publisher has changed the format, the parser must follow.",
            file=origin,
            expected=needed,
            missing=missing,
        )
    return rows


def _ask_oasis(http: Http, url: str, query: str, market: str, first: date, following: date) -> Received:
    start, end = (datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(LOCAL)) for day in (first, following))
    params = {
        "resultformat": "6",
        "queryname": query,
        "market_run_id": market,
        "startdatetime": f"{start.astimezone(UTC):%Y%m%dT%H:%M-0000}",
        "enddatetime": f"{end.astimezone(UTC):%Y%m%dT%H:%M-0000}",
        "version": "1",
    }
    return http.get(f"{url}/SingleZip", source="caiso", body=Body.ZIP, params=params, spacing=OASIS_SPACING)


def _dataset(request: Request) -> str:
    dataset = str(request.spec.options.get("dataset", "demand"))
    agreed = {Table.POWER: tuple(FILES), Table.FORECAST: ("demand", *QUERIES)}.get(request.table, ())
    several = dataset == "demand" and len(request.region.zones) > 1
    if dataset not in agreed or several:
        raise ConfigurationError(
            f"{request.region.name}: the source caiso has no {request.table} {dataset!r}"
            f"{' of several zones' if several else ''}.",
            remedy=f"Use one of: {', '.join(agreed) or 'nws, files'}.",
            region=request.region.name,
            source="caiso",
        )
    return dataset


def _market(request: Request) -> str:
    return str(request.spec.options.get("market", "DAM"))


def _day(time: datetime) -> date:
    return time.astimezone(ZoneInfo(LOCAL)).date()
