"""The New York ISO's public server: the newest days as CSV files, past months as archives."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import ClassVar
from zoneinfo import ZoneInfo

import polars as pl

from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError
from power_nowcast.ingest.published import Delivery, Request, check_options
from power_nowcast.ingest.sources.nyiso import LOCAL, parse_forecast, parse_fuel_mix, parse_load
from power_nowcast.ingest.web import Body, Http, base_url, client

URL = "http://mis.nyiso.com/public/csv"
DAYS_AS_FILES = 7
"""Older days come from the archives of their months; the server keeps day files for about ten days."""
LOAD, FUEL_MIX, FORECAST = "pal", "rtfuelmix", "isolf"
_POWER = {"load": LOAD, "fuelmix": FUEL_MIX}
_WHOLE = {
    LOAD: re.compile(rb"[\r\n]\Z"),
    FORECAST: re.compile(rb"[\r\n]\Z"),
    FUEL_MIX: re.compile(rb"(?:[\r\n]|\.\d)\Z"),
}
"""The end of a complete file; the last value of a fuel mix has a decimal and no line end behind it."""


class NyisoLive:
    """Load (or generation by fuel with `dataset = "fuelmix"`, zones named like the fuels) and forecasts; label instant
    for load and fuel mix, start for forecasts.
    """

    reads_files: ClassVar[bool] = False

    def check(self, request: Request) -> None:
        """Check the region's options."""
        check_options(request, "dataset")
        _dataset(request)

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """Files of the requested days, the last two without a start.

        Raises:
            ConfigurationError: an option is wrong, or there is no such table.
        """
        self.check(request)
        name, http = _dataset(request), request.http or client()
        url, today = f"{base_url(request.spec, URL)}/{name}", _day(http.clock())
        last = min(today, _day(request.end)) if request.end else today
        first = _day(request.start) if request.start else last - timedelta(days=1)
        if name == FORECAST:
            last += timedelta(days=1)  # the file of tomorrow appears in the morning
        months = {day.replace(day=1) for day in _days(first, min(last, today - timedelta(days=DAYS_AS_FILES)))}
        for month in sorted(months):
            file = f"{month:%Y%m%d}{name}_csv.zip"
            yield Delivery(file, partial(_get, http, f"{url}/{file}", Body.ZIP), expected=month < today.replace(day=1))
        for day in _days(max(first, today - timedelta(days=DAYS_AS_FILES - 1)), last):
            file = f"{day:%Y%m%d}{name}.csv"
            yield Delivery(file, partial(_get, http, f"{url}/{file}", Body.CSV), expected=day < today)

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        """Rows of one file. A last line that the server had not finished is left for the next time."""
        data, name = received.data, _dataset(request)
        if origin.endswith(".csv") and not _WHOLE[name].search(data):
            data = data[: data.rfind(b"\n") + 1]
        if name == FORECAST:
            return parse_forecast(data, region=request.region, origin=origin)
        if name == FUEL_MIX:
            return parse_fuel_mix(data, region=request.region, origin=origin)
        return parse_load(data, origin=origin)


def _get(http: Http, url: str, body: Body) -> Received:
    return http.get(url, source="nyiso_live", body=body, dated=True)


def _dataset(request: Request) -> str:
    if request.table is Table.FORECAST:
        return FORECAST
    dataset = str(request.spec.options.get("dataset", "load"))
    if request.table is Table.POWER and dataset in _POWER:
        return _POWER[dataset]
    what = str(request.table) if request.table.is_weather else f"dataset {dataset!r}"
    raise ConfigurationError(
        f"{request.region.name}: the source nyiso_live has no {what}.",
        remedy=f"Use one of: {', '.join(_POWER)}; weather comes from nws or files.",
        region=request.region.name,
        source="nyiso_live",
    )


def _day(time: datetime) -> date:
    return time.astimezone(ZoneInfo(LOCAL)).date()


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
