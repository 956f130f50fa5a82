"""The US National Weather Service: reports of stations, and forecasts of grid points with their vintages."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

import polars as pl

from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.ingest.published import Delivery, Request, check_options, published
from power_nowcast.ingest.sources.nyiso import CLOUD_COVER
from power_nowcast.ingest.web import Body, Http, base_url, client

URL = "https://api.weather.gov"
KEPT_DAYS = 7
"""The service does not have reports of older days."""
TO_CELSIUS = {"degC": (1.0, 0.0), "degF": (5 / 9, -32 * 5 / 9), "C": (1.0, 0.0), "F": (5 / 9, -32 * 5 / 9)}
TO_METRES_A_SECOND = {"m_s-1": 1.0, "km_h-1": 1 / 3.6, "km/h": 1 / 3.6, "mph": 0.44704, "kt": 0.514444}
REJECTED = ("X", "qc:X")
"""Quality marks of values that the service itself rejects."""
_VARIABLES = {"temperature": "temperature_c", "dewpoint": "dew_point_c", "windSpeed": "wind_speed_ms"}
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?")

type Row = tuple[str, str | None, float | None, str | None]
"""Series, stamp, value, value as received."""


class Nws:
    """Weather has the option `stations`, a name ("KLGA") or a list of them. Its forecasts have `gridpoints`: a point
    ("OKX/33,37"), a list, or the points of stations ({ KLGA = "OKX/33,37" }), and `hourly`, which asks for the hourly
    forecast in place of the raw grid. Label instant. Series are "KLGA.temperature_c", or "OKX/33,37.temperature_c" for
    a point without a station; a forecast is a vintage, known from when it was updated.
    """

    reads_files: ClassVar[bool] = False

    def check(self, request: Request) -> None:
        """Check the region's options."""
        _check(request)
        check_options(request, *(("gridpoints", "hourly") if request.table.is_forecast else ("stations",)))

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """Each station's reports by UTC day, yesterday's and today's without a start; or each point's newest forecast.

        Raises:
            ConfigurationError: an option or the contact is missing, or the table is not one of weather.
        """
        self.check(request)
        http = request.http or client()
        if not http.contact:
            raise ConfigurationError(
                f"{request.region.name}: the source nws needs a contact, which api.weather.gov demands.",
                remedy="Set NOWCAST_CONTACT to a mail address or a page.",
                region=request.region.name,
                source="nws",
                variable="NOWCAST_CONTACT",
            )
        url, now = base_url(request.spec, URL), http.clock().astimezone(UTC)
        if request.table.is_forecast:
            path = "/forecast/hourly" if request.spec.options.get("hourly") else ""
            # The past has no new forecast.
            for point in _names(request, "gridpoints") if request.end is None or request.end >= now else ():
                read = partial(_get, http, f"{url}/gridpoints/{point}{path}", {})
                yield Delivery(f"gridpoints/{point}{path}.json", read)
            return
        today = now.date()
        first = request.start.astimezone(UTC).date() if request.start else today - timedelta(days=1)
        last = min(request.end.astimezone(UTC).date(), today) if request.end else today
        first = max(first, today - timedelta(days=KEPT_DAYS - 1))
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            for station in _names(request, "stations"):
                read = partial(_reports, http, f"{url}/stations/{station}/observations", day)
                yield Delivery(f"stations/{station}/observations_{day:%Y%m%d}.json", read)

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        """Rows of one answer."""
        rows = parse(received.data, origin=origin)
        points = request.spec.options.get("gridpoints")
        if not isinstance(points, Mapping):
            return rows
        place, variable = (pl.col("series").str.extract(r"^(.*)\.([^.]*)$", n) for n in (1, 2))
        names = {str(point): str(station) for station, point in points.items()}
        return rows.with_columns(series=pl.concat_str(place.replace(names), variable, separator="."))


def parse(data: bytes, *, origin: str) -> pl.DataFrame:
    """Rows of reports, of a raw grid or of an hourly forecast: the answer shows which of them it is.

    Values are metric. A value that a report leaves out gives no row. A value without a time, or one that the service
    rejects, cannot be read.

    Raises:
        SourceFormatError: none of these three.
    """
    try:
        answer = json.loads(data)
        if "features" in answer:
            features = answer["features"]
            return _published([row for feature in features for row in _report(feature["properties"])], None)
        properties = answer["properties"]
        if "timestamp" in properties:
            return _published(list(_report(properties)), None)
        written = properties.get("updateTime") or properties["generatedAt"]
        if "periods" in properties:
            rows = [row for period in properties["periods"] for row in _period(period, _point(origin))]
        else:
            point = f"{properties['gridId']}/{properties['gridX']},{properties['gridY']}"
            rows = [row for name in (*_VARIABLES, "skyCover") for row in _layer(properties, name, point)]
        return _published(rows, written)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceFormatError(
            f"{origin} is no answer of reports or of a forecast: {type(error).__name__} {error}.",
            remedy="Fetch it again; if the format has changed, the parser must follow.",
            file=origin,
        ) from error


def _report(properties: Mapping[str, Any]) -> Iterator[Row]:
    stamp = properties.get("timestamp")
    station = str(properties.get("station", "")).rsplit("/", 1)[-1]
    for theirs, ours in _VARIABLES.items():
        quantity = properties.get(theirs) or {}
        if quantity.get("value") is None:
            continue
        value = _metric(quantity["value"], str(quantity["unitCode"]))
        mark = quantity.get("qualityControl")
        text = f"{quantity['value']} marked {mark}" if mark in REJECTED else None
        yield f"{station}.{ours}", stamp, None if text else value, text
    amounts = [layer.get("amount") for layer in properties.get("cloudLayers") or []]
    if amounts and stamp is not None:
        known = [CLOUD_COVER[amount] for amount in amounts if amount in CLOUD_COVER]
        cover = max(known) if len(known) == len(amounts) else None
        yield f"{station}.cloud_cover", stamp, cover, None if cover is not None else ", ".join(map(str, amounts))


def _period(period: Mapping[str, Any], point: str) -> Iterator[Row]:
    stamp = period["startTime"]
    if period["temperature"] is not None:
        yield f"{point}.temperature_c", stamp, _metric(period["temperature"], period["temperatureUnit"]), None
    dew_point = period.get("dewpoint") or {}
    if dew_point.get("value") is not None:
        yield f"{point}.dew_point_c", stamp, _metric(dew_point["value"], dew_point["unitCode"]), None
    if period["windSpeed"] is not None:
        *speeds, unit = str(period["windSpeed"]).replace(" to ", " ").split()
        yield f"{point}.wind_speed_ms", stamp, _metric(sum(map(float, speeds)) / len(speeds), unit), None


def _layer(properties: Mapping[str, Any], name: str, point: str) -> Iterator[Row]:
    """One value for each hour of the spans in a layer of the raw grid."""
    layer = properties[name]
    for span in layer["values"]:
        start, _, duration = span["validTime"].partition("/")
        if span["value"] is None:
            continue
        value = span["value"] / 100 if name == "skyCover" else _metric(span["value"], layer["uom"])
        for hour in range(_hours(duration)):
            stamp = (datetime.fromisoformat(start) + timedelta(hours=hour)).isoformat()
            yield f"{point}.{_VARIABLES.get(name, 'cloud_cover')}", stamp, value, None


def _hours(duration: str) -> int:
    found = _DURATION.fullmatch(duration)
    if found is None or not any(found.groups()):
        raise ValueError(f"{duration!r} is no duration")
    days, hours, minutes = (int(part or 0) for part in found.groups())
    return 24 * days + hours + (minutes > 0)


def _metric(value: float, unit: str) -> float:
    unit = unit.rsplit(":", 1)[-1]
    if unit in TO_METRES_A_SECOND:
        return value * TO_METRES_A_SECOND[unit]
    factor, offset = TO_CELSIUS[unit]
    return value * factor + offset


def _published(rows: list[Row], written: str | None) -> pl.DataFrame:
    columns = {"series": pl.String, "stamp": pl.String, "value": pl.Float64, "text": pl.String}
    frame = pl.DataFrame(rows, columns, orient="row")
    at = (
        pl.col("stamp")
        .str.replace("Z$", "+00:00")
        .str.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_unit="us", time_zone="UTC", strict=False)
    )
    known = None if written is None else datetime.fromisoformat(written).astimezone(UTC)
    rounded = pl.col("value").round(4)  # rounds away the digits that the conversion adds
    return published(
        frame.with_columns(at=at, written=pl.lit(known), stamp=pl.col("stamp").fill_null(""), value=rounded).sort(
            "at", maintain_order=True
        )
    )


def _point(origin: str) -> str:
    found = re.search(r"gridpoints/(\w+/\d+,\d+)", origin)
    if found is None:
        raise ValueError(f"the name {origin!r} holds no grid point")
    return found[1]


def _reports(http: Http, url: str, day: date) -> Received:
    span = {"start": f"{day}T00:00:00Z", "end": f"{day + timedelta(days=1)}T00:00:00Z", "limit": "500"}
    return _get(http, url, span)


def _get(http: Http, url: str, params: Mapping[str, str]) -> Received:
    headers = {"Accept": "application/geo+json"}
    return http.get(url, source="nws", body=Body.JSON, params=params, headers=headers)


def _check(request: Request) -> None:
    if not request.table.is_weather:
        what, remedy = f"has no {request.table}", "Use it for weather and weather_forecast only."
    elif request.table.is_forecast and not _names(request, "gridpoints"):
        what = "has no gridpoints"
        remedy = 'Set options = { gridpoints = { KLGA = "OKX/33,37" } } in [weather_forecast] of the region file.'
    elif request.table.is_forecast and _shared(request):
        what, remedy = "has one of its gridpoints for two stations", "Name each point once."
    elif request.table is Table.WEATHER and not _names(request, "stations"):
        what, remedy = "has no stations", 'Set options = { stations = ["KLGA"] } in [weather] of the region file.'
    else:
        return
    raise ConfigurationError(
        f"{request.region.name}: the source nws {what}.", remedy=remedy, region=request.region.name, source="nws"
    )


def _shared(request: Request) -> bool:
    points = request.spec.options["gridpoints"]
    return isinstance(points, Mapping) and len(set(points.values())) < len(points)


def _names(request: Request, option: str) -> tuple[str, ...]:
    given = request.spec.options.get(option, ())
    if isinstance(given, Mapping):
        return tuple(dict.fromkeys(map(str, given.values())))
    return (given,) if isinstance(given, str) else tuple(given)
