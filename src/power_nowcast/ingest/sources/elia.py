"""Elia's open data: Belgian wind and solar power, measured and as forecast the day before."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, timedelta
from functools import partial
from typing import Any, ClassVar

import polars as pl

from power_nowcast.contracts import Basis, Received, Table
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.ingest.published import Delivery, Request, check_options, published
from power_nowcast.ingest.web import Body, Http, base_url, client

URL = "https://opendata.elia.be/api/explore/v2.1/catalog/datasets"
LOCAL = "Europe/Brussels"
DATASETS = {"solar": ("ods087", "ods032"), "wind": ("ods086", "ods031")}
"""Near real time, and history, which begins some days later and has further corrections."""
HISTORY_AFTER_DAYS = 3
MEASURED = ("measured", "realtime")
"""The same value in the history and in near real time."""
FORECASTS = {"dayahead11hforecast": 11, "dayaheadforecast": 18}
"""Forecasts by the local hour of the day before at which they appear. The newest one has no time of issue and would
know the measured values; the one of a week ahead has none either.
"""
_WIND_NAME = ("offshoreonshore", "region", "gridconnectiontype")


class Elia:
    """Option `dataset` is solar or wind; label start, interval 15 minutes.

    Series are named by the option `series`, from a zone's name to Elia's: of solar the region ("Belgium"), of wind
    "Offshore Federal Elia", "Onshore Flanders Dso" and so on; a zone without an entry has Elia's name.
    """

    reads_files: ClassVar[bool] = False

    def check(self, request: Request) -> None:
        """Check the region's options."""
        check_options(request, "dataset", "series")
        _dataset(request)

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """UTC days from near real time, months from the history; the last two days without a start.

        Raises:
            ConfigurationError: an option is wrong, or there is no such table.
        """
        self.check(request)
        live, history = DATASETS[_dataset(request)]
        http, url = request.http or client(), base_url(request.spec, URL)
        today = http.clock().astimezone(UTC).date()
        ahead = today + timedelta(days=1 if request.table is Table.FORECAST else 0)
        last = min(ahead, request.end.astimezone(UTC).date()) if request.end else ahead
        # A value that is valid at midnight stands under its interval's start.
        day = (
            (request.start - timedelta(hours=1)).astimezone(UTC).date() if request.start else today - timedelta(days=1)
        )
        recent = today - timedelta(days=HISTORY_AFTER_DAYS)
        while day <= last:
            following = (
                day + timedelta(days=1) if day >= recent else min(_next_month(day), recent, last + timedelta(days=1))
            )
            name = live if day >= recent else history
            yield Delivery(
                f"{name}_{day:%Y%m%d}_{following:%Y%m%d}.json", partial(_get, http, url, name, day, following)
            )
            day = following

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        """Rows of one answer."""
        return parse(received.data, request=request, origin=origin)


def parse(data: bytes, *, request: Request, origin: str) -> pl.DataFrame:
    """Rows of an export of records; `at` is the start of the interval, forecasts are `written` by their schedule.

    Raises:
        SourceFormatError: not a JSON list of records with the agreed fields.
    """
    wind = _dataset(request) == "wind"
    forecast = request.table is Table.FORECAST
    records = _records(data, origin)
    if not records:
        return published(pl.DataFrame({"series": []}, {"series": pl.String}))
    fields = ("datetime", *(_WIND_NAME if wind else ("region",)))
    values = tuple(FORECASTS) if forecast else tuple(name for name in MEASURED if name in records[0])
    needed = (*fields, *(values or MEASURED[:1]))
    if missing := [name for name in needed if any(name not in record for record in records)]:
        raise SourceFormatError(
            f"{origin}: records lack {', '.join(missing)}; expected {', '.join(needed)}.",
            remedy="Check the dataset; if its format has changed, the parser must follow.",
            file=origin,
            expected=needed,
            missing=missing,
        )
    rows = pl.DataFrame(
        [{name: _text(record[name]) for name in needed} for record in records], dict.fromkeys(needed, pl.String)
    )
    name = pl.concat_str(_WIND_NAME, separator=" ") if wind else pl.col("region")
    zones = {str(theirs): zone for zone, theirs in _renames(request).items()}
    start = pl.col("stamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_unit="us", time_zone="UTC", strict=False)
    long = (
        rows.with_columns(series=name.replace(zones))
        .filter(pl.col("series").is_in(request.region.series))
        .rename({"datetime": "stamp"})
        .unpivot(values, index=["series", "stamp"], variable_name="column", value_name="text")
        .filter(pl.col("text").is_not_null())
        .with_columns(at=start, value=pl.col("text").cast(pl.Float64, strict=False))
        .with_columns(text=pl.when(pl.col("value").is_null()).then("text"))
    )
    if forecast:
        long = long.with_columns(written=_told(), basis=pl.lit(Basis.SCHEDULE.value))
    return published(long)


def _told() -> pl.Expr:
    """The time at which a forecast appeared, by its column and the local day of its interval."""
    hours = pl.col("column").replace_strict(FORECASTS, return_dtype=pl.Int64)
    day = pl.col("at").dt.convert_time_zone(LOCAL).dt.replace_time_zone(None).dt.truncate("1d")
    return (day - timedelta(days=1) + pl.duration(hours=hours)).dt.replace_time_zone(LOCAL).dt.convert_time_zone("UTC")


def _records(data: bytes, origin: str) -> list[dict[str, Any]]:
    try:
        records = json.loads(data)
    except ValueError as error:
        raise SourceFormatError(
            f"{origin} is no whole JSON: {error}.", remedy="Fetch it again.", file=origin
        ) from error
    if not isinstance(records, list) or any(not isinstance(record, dict) for record in records):
        raise SourceFormatError(
            f"{origin} is no list of records.",
            remedy="Check the address; if the format has changed, the parser must follow.",
            file=origin,
        )
    return records


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _get(http: Http, url: str, name: str, first: date, following: date) -> Received:
    where = f"datetime >= date'{first.isoformat()}' and datetime < date'{following.isoformat()}'"
    params = {"where": where, "order_by": "datetime", "timezone": "UTC"}
    return http.get(f"{url}/{name}/exports/json", source="elia", body=Body.JSON, params=params)


def _dataset(request: Request) -> str:
    dataset = request.spec.options.get("dataset", "solar")
    if request.table.is_weather or dataset not in DATASETS:
        what = str(request.table) if request.table.is_weather else f"dataset {dataset!r}"
        raise ConfigurationError(
            f"{request.region.name}: the source elia has no {what}.",
            remedy=f"Use one of: {', '.join(DATASETS)}; weather comes from meteostat or files.",
            region=request.region.name,
            source="elia",
        )
    return str(dataset)


def _renames(request: Request) -> Mapping[str, object]:
    given: Mapping[str, object] = request.spec.options.get("series", {})
    return given


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
