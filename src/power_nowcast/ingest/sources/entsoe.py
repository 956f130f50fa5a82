"""ENTSO-E's Transparency Platform by `entsoe-py`: load and generation of European areas, and their forecasts.

The library sends the requests. Its answers are kept as received and read here: tables can be rebuilt without it.
"""

import logging
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, ClassVar
from xml.parsers import expat

import polars as pl

from power_nowcast.contracts import UTC as UTC_TIME
from power_nowcast.contracts import Received, Table
from power_nowcast.errors import ConfigurationError, SourceFormatError
from power_nowcast.ingest.libraries import Asking, check_library, check_library_options, library
from power_nowcast.ingest.names import listed
from power_nowcast.ingest.published import Delivery, Request, published
from power_nowcast.ingest.web import Http, api_key, client, redact

logger = logging.getLogger("power_nowcast.ingest")

SERVER = "https://web-api.tp.entsoe.eu/"
VARIABLE = "ENTSOE_API_KEY"
DAYS = 30
"""Longest span of one request; the server allows a year, but is slower for long spans."""
TIMEOUT = 120
ATTEMPTS, WAIT_SECONDS = 2, 10
DATASETS = {
    Table.POWER: {"load": "query_load", "generation": "query_generation"},
    Table.FORECAST: {"load": "query_load_forecast", "generation": "query_wind_and_solar_forecast"},
}
PROCESSES = {"day_ahead": "A01", "intraday": "A40", "current": "A18"}
"""The forecasts of wind and solar power; the last two are overwritten, and have no time of issue."""
NOTHING = "No matching data found"
_RESOLUTION = re.compile(r"PT(\d+)M")
_TYPE = re.compile(r"B\d\d")
_CURVES = ("A01", "A03")

type Point = tuple[str | None, datetime, float | None, str | None]
"""Type of plant (None of load), start of the interval, value, value as received."""


class Entsoe:
    """Options `area` ("FI", "SE_4", or an EIC), `dataset` (load or generation), `series`, `process`; label start.

    Generation is by type of plant: `series` maps each zone to a type ("B19": onshore wind) or a list whose sum it is,
    where every one has a value. The forecast of generation is that of wind and solar power; `process` is day_ahead,
    intraday or current. The key is ENTSOE_API_KEY.
    """

    reads_files: ClassVar[bool] = False

    def check(self, request: Request) -> None:
        """Check the region's options."""
        check_library_options(request, "area", "dataset", "series", "process")
        options, zones = request.spec.options, [zone.name for zone in request.region.zones]
        dataset = _dataset(request)
        wrong = None
        if not re.fullmatch(r"[A-Z]{2,4}(_\w+)*|[0-9A-Z-]{16}", str(options.get("area", ""))):
            wrong = "area", 'Name an area as entsoe-py does: area = "FI", "SE_4", "DE_LU".'
        elif options.get("process", "day_ahead") not in PROCESSES:
            wrong = "process", f"Use one of: {', '.join(PROCESSES)}."
        elif dataset == "load" and len(zones) > 1:
            wrong = "dataset", "An area has one load: make it a region of one zone."
        elif dataset == "generation" and not all(
            types and all(_TYPE.fullmatch(one) for one in types) for types in map(_types(request).get, zones)
        ):
            wrong = "series", 'Name the type of plant of every zone: series = { Wind = "B19" }.'
        if wrong:
            raise ConfigurationError(
                f"{request.region.name}: the source entsoe cannot use the option {wrong[0]}: "
                f"{options.get(wrong[0])!r}.",
                remedy=wrong[1],
                region=request.region.name,
                source="entsoe",
                option=wrong[0],
            )

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """Spans of up to a month; the last two days (and the next one of forecasts) without a start.

        Raises:
            ConfigurationError: an option is wrong, the key is not set, or the library is not installed.
        """
        self.check(request)
        check_library("entsoe", source="entsoe")
        _key()
        http, area, dataset = request.http or client(), str(request.spec.options["area"]), _dataset(request)
        today = http.clock().astimezone(UTC).date()
        ahead = today + timedelta(days=2 if request.table is Table.FORECAST else 1)
        following = min(ahead, request.end.astimezone(UTC).date() + timedelta(days=1)) if request.end else ahead
        # A value that is valid at midnight stands under its interval's start.
        day = (
            (request.start - timedelta(hours=1)).astimezone(UTC).date() if request.start else today - timedelta(days=1)
        )
        while day < following:
            until = min(day + timedelta(days=DAYS), following)
            name = f"{area}_{dataset}_{request.table}_{day:%Y%m%d}_{until:%Y%m%d}.xml"
            yield Delivery(name, partial(_get, request, http, day, until), server=SERVER)
            day = until

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:
        """Rows of one answer."""
        return parse(received.data, request=request, origin=origin)


def parse(data: bytes, *, request: Request, origin: str) -> pl.DataFrame:
    """Rows of a document: `at` is the start of the interval (its end where the region file says so).

    A point that a curve of type A03 leaves out repeats the point before it, up to the end of its period. A point that a
    curve of type A01 leaves out is unknown. Where the resolution changes within a document, the parts of the agreed
    resolution are read. An answer that says that there are no data gives no rows.

    Raises:
        SourceFormatError: no document of load or generation in MW, or values of another length than agreed
            only.
    """
    root = _document(data, origin)
    if root is None:
        return published(pl.DataFrame({"series": []}, {"series": pl.String}))
    minutes = request.spec.interval_minutes or request.region.interval_minutes
    others: list[tuple[str, datetime, datetime]] = []
    try:
        points = [point for series in root.findall("{*}TimeSeries") for point in _points(series, minutes, others)]
        if others and not points:
            raise ValueError(f"its values are of {others[0][0]}, the region file says {minutes} minutes")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SourceFormatError(
            f"{origin} is no document of load or generation as agreed: {error}.",
            remedy="Check area, dataset and interval_minutes; if the format has changed, the parser must follow.",
            file=origin,
        ) from error
    if others:
        logger.warning(
            "entsoe: %s: values of %s from %s to %s are left out: the region file says %d minutes.",
            origin,
            listed(sorted({one[0] for one in others})),
            min(one[1] for one in others).strftime("%Y-%m-%dT%H:%MZ"),
            max(one[2] for one in others).strftime("%Y-%m-%dT%H:%MZ"),
            minutes,
        )
    columns = pl.Schema({"type": pl.String(), "at": UTC_TIME, "value": pl.Float64(), "text": pl.String()})
    rows = pl.DataFrame(points, columns, orient="row").sort("type", "at", maintain_order=True)
    if request.spec.label == "end":
        rows = rows.with_columns(pl.col("at") + timedelta(minutes=minutes))
    if _dataset(request) == "load":
        return published(rows.with_columns(series=pl.lit(request.region.zones[0].name)))
    parts = [_sum(rows, zone, types) for zone, types in _types(request).items()]
    return published(pl.concat(parts) if parts else rows.clear().with_columns(series=pl.lit("")))


def _sum(rows: pl.DataFrame, zone: str, types: list[str]) -> pl.DataFrame:
    """Rows of a zone that is the sum of types of plants, where every one has a value."""
    own = rows.filter(pl.col("type").is_in(types))
    if len(types) > 1:
        own = own.unique(["type", "at"], keep="last", maintain_order=True)
        own = own.group_by("at", maintain_order=True).agg(
            pl.col("value").sum(), pl.lit(None, pl.String).alias("text"), known=pl.col("value").is_not_null().sum()
        )
        own = own.filter(pl.col("known") == len(types)).sort("at")
    return own.select("at", "value", "text", series=pl.lit(zone))


def _document(data: bytes, origin: str) -> ET.Element | None:
    """The document, None if it says that there are no data."""
    start = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    said = None
    if not start:
        said = "is empty"
    elif start.startswith((b"<!doctype html", b"<html")) or _declares_a_type(data):
        said = "is a web page or declares entities"
    else:
        try:
            root = ET.fromstring(data)  # noqa: S314 - what declares entities was refused above
        except ET.ParseError as error:
            said = f"is no whole XML ({error})"
        else:
            kind = root.tag.rpartition("}")[2]
            reason = redact(" ".join((root.findtext("{*}Reason/{*}text") or "").split())[:300])
            if kind == "GL_MarketDocument":
                return root
            if kind == "Acknowledgement_MarketDocument" and NOTHING in reason:
                return None
            said = f"is no document of load or generation but {kind}{f': {reason}' if reason else ''}"
    raise SourceFormatError(
        f"{origin} {said}.", remedy="Fetch it again; if it stays, ask the platform what is wrong.", file=origin
    )


def _declares_a_type(data: bytes) -> bool:
    """Whether a document declares a type, in any place and any encoding: only there can it declare entities."""

    def declared(*_: object) -> None:
        raise _TypeDeclaredError

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = declared
    try:
        parser.Parse(data, True)
    except _TypeDeclaredError:
        return True
    except expat.ExpatError:
        pass  # no whole XML: the parser says so
    return False


class _TypeDeclaredError(Exception):
    """Ends the reading of a document before its entities are declared."""


def _points(series: ET.Element, minutes: int, others: list[tuple[str, datetime, datetime]]) -> Iterator[Point]:
    """The points of one series; those that it leaves out are filled where its type of curve says so.

    Periods of another resolution are left out and listed in `others`.
    """
    kind = series.findtext("{*}MktPSRType/{*}psrType")
    if kind is not None and series.find("{*}outBiddingZone_Domain.mRID") is not None:
        return  # consumption of plants of this type, such as pumps
    unit, curve = series.findtext("{*}quantity_Measure_Unit.name"), series.findtext("{*}curveType") or "A01"
    if unit != "MAW":
        raise ValueError(f"its unit is {unit!r}, not MAW")
    if curve not in _CURVES:
        raise ValueError(f"its curve is of type {curve!r}, not {' or '.join(_CURVES)}")
    for period in series.findall("{*}Period"):
        start, end = (_time(period.findtext(f"{{*}}timeInterval/{{*}}{side}")) for side in ("start", "end"))
        resolution = period.findtext("{*}resolution") or ""
        if not (found := _RESOLUTION.fullmatch(resolution)) or int(found[1]) != minutes:
            others.append((resolution or "no resolution", start, end))
            continue
        step, texts = timedelta(minutes=minutes), {}
        for point in period.findall("{*}Point"):
            place = int(str(point.findtext("{*}position")))
            if place in texts or not 1 <= place <= (end - start) // step:
                raise ValueError(f"position {place} stands there twice, or outside of its period")
            texts[place] = point.findtext("{*}quantity")
        last = None
        for place in range(1, (end - start) // step + 1):
            if place not in texts and (curve == "A01" or last is None):
                continue
            last = texts.get(place, last)
            value = _number(last)
            yield kind, start + (place - 1) * step, value, (last or "") if value is None else None


def _time(text: str | None) -> datetime:
    return datetime.fromisoformat(str(text)).astimezone(UTC)


def _number(text: str | None) -> float | None:
    try:
        return float(str(text))
    except ValueError:
        return None


def _get(request: Request, http: Http, day: date, until: date) -> Received:
    """One answer, its bytes as received."""
    key = _key()
    entsoe, exceptions = library("entsoe", source="entsoe"), library("entsoe.exceptions", source="entsoe")
    pandas, requests = library("pandas", source="entsoe"), library("requests", source="entsoe")
    answers: list[tuple[bytes, str]] = []

    def keep(response: Any, *_: object, **__: object) -> None:
        answers.append((response.content, redact(response.url)))

    options, dataset = request.spec.options, _dataset(request)
    area, method = str(options["area"]), DATASETS[request.table][dataset]
    more = {"process_type": PROCESSES[options.get("process", "day_ahead")]} if "wind_and_solar" in method else {}
    what = f"{method} of {area} from {day} to {until}"
    asking = Asking("entsoe", what, http.clock().astimezone(UTC), key, VARIABLE)
    with requests.Session() as session:
        session.hooks["response"].append(keep)
        asker = entsoe.EntsoeRawClient(key, session, retry_count=ATTEMPTS, retry_delay=WAIT_SECONDS, timeout=TIMEOUT)
        span = {side: pandas.Timestamp(one, tz="UTC") for side, one in (("start", day), ("end", until))}

        def ask() -> None:
            try:
                area_of = entsoe.mappings.lookup_area(area)
            except ValueError as error:
                raise ConfigurationError(
                    f"{request.region.name}: entsoe-py knows no area {area!r}.",
                    remedy='Use one of its names, such as "FI", "SE_4", "DE_LU".',
                    region=request.region.name,
                    source="entsoe",
                    option="area",
                ) from error
            try:
                getattr(asker, method)(area_of, **span, **more)
            except exceptions.NoMatchingDataError:
                if not answers:
                    raise

        asking.call(ask)
    data, url = answers[-1]
    _document(data, what)
    return Received(data, received_at=http.clock().astimezone(UTC), url=url)


def _key() -> str:
    return api_key(VARIABLE, source="entsoe")


def _dataset(request: Request) -> str:
    dataset = str(request.spec.options.get("dataset", "load"))
    if dataset not in DATASETS.get(request.table, {}):
        what = "weather" if request.table.is_weather else f"dataset {dataset!r}"
        raise ConfigurationError(
            f"{request.region.name}: the source entsoe has no {what}.",
            remedy="Use one of: load, generation; weather comes from meteostat or files.",
            region=request.region.name,
            source="entsoe",
        )
    return dataset


def _types(request: Request) -> dict[str, list[str]]:
    """The types of plants of each zone."""
    given: Mapping[str, object] = request.spec.options.get("series", {})
    return {
        zone: [types] if isinstance(types, str) else [str(one) for one in types] if isinstance(types, list) else []
        for zone, types in given.items()
    }
