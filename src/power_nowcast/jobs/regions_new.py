"""A region file for a file of power: what the file is taken for, written so that the other commands can name it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from power_nowcast.contracts import Batch, Reason, Received, Table
from power_nowcast.errors import ConfigurationError, MissingDataError
from power_nowcast.ingest.catalog import check_sources
from power_nowcast.ingest.looking import Look, by_size, look
from power_nowcast.ingest.names import listed
from power_nowcast.ingest.published import Request
from power_nowcast.ingest.reading import batch_of
from power_nowcast.ingest.unusable import reasons_of, told, unusable
from power_nowcast.regions import Region
from power_nowcast.regions.files import of, write_new
from power_nowcast.regions.places import Place, place_of
from power_nowcast.regions.toml import toml_of
from power_nowcast.regions.units import TO_MW

INTERVALS = (5, 10, 15, 30, 60)
"""The intervals that a region may have, in minutes."""
HEADROOM = {"load": 2.0, "wind": 1.1, "solar": 1.1}
"""`max_mw` is so many times the usual greatest value: plants stop at their capacity, loads grow."""
_ASIDE = re.compile(r"\[[^\]]*\]|\([^)]*\)|(?<![A-Za-z])[kMG]W(?![A-Za-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """What the caller says about a file. Everything but the file and the time zone may be left to the file.

    `clock` is the time zone of stamps without an offset, if it is not the region's. `place` is latitude and longitude
    in degrees. `holidays` is a country, or country and subdivision with a hyphen ("DE-BY"). `series` are the titles of
    the columns to read. `separator`, `decimal` and `stamp_format` are as in the options of the source `files`.
    """

    file: Path
    timezone: str | None = None
    name: str | None = None
    title: str | None = None
    kind: str = "load"
    unit: str | None = None
    label: str | None = None
    clock: str | None = None
    place: tuple[float, float] | None = None
    holidays: str | None = None
    series: tuple[str, ...] = ()
    separator: str | None = None
    decimal: str | None = None
    stamp_format: str | None = None


@dataclass(frozen=True)
class Tried:
    """The rows that the region reads from its file: times are UTC; `slots` are those of the grid, `missing` of them
    have no value; `reasons` counts the rows that fell out.
    """

    rows: int
    first: datetime
    last: datetime
    slots: int
    missing: int
    reasons: Mapping[str, int]


@dataclass(frozen=True)
class New:
    """A new region: its file, what its data were taken for, the try, and the questions that the file left open."""

    region: Region
    file: Path
    look: Look
    tried: Tried
    questions: Sequence[str]


def new_region(asked: Asked, *, now: datetime) -> New:
    """Look at a file, read it by the region that it is taken for, and write the region's file.

    Raises:
        SourceFormatError: the file is no table of power, or may mean several things.
        ConfigurationError: the time zone is missing or is not that of the stamps; the name is taken.
        MissingDataError: there is no such file.
    """
    data = _read(asked.file)
    found = look(
        data,
        asked.file.name,
        separator=asked.separator,
        decimal=asked.decimal,
        form=asked.stamp_format,
        columns=asked.series,
    )
    zone = _zone_of(asked, found)
    notes = _notes(asked, found, place_of(zone))
    region = of(_keys(asked, found, zone), asked.file.name)
    check_sources(region)
    tried = _tried(region, found, data, asked.file.name, now)
    first = (
        f"Made by `nowcast regions new {asked.file.name}` on {now:%Y-%m-%d}. A comment with a question mark is about\n"
        "something that the file does not say: correct it where the answer is another one. docs/own-data.md explains."
    )
    file = write_new(region.name, toml_of(region, {"": first, **notes}))
    return New(
        region,
        file,
        found,
        tried,
        [note[note.rfind("\n", 0, note.index("?")) + 1 :] for note in notes.values() if "?" in note],
    )


def _read(file: Path) -> bytes:
    if not file.is_file():
        raise MissingDataError(f"There is no file {file}.", remedy="Check the path.", file=str(file))
    return file.read_bytes()


def _zone_of(asked: Asked, found: Look) -> str:
    if asked.timezone is not None:
        return asked.timezone
    stamps = "have offsets from UTC" if found.has_offset else "have no offset from UTC"
    raise ConfigurationError(
        f"{asked.file.name}: its stamps {stamps}, and nothing says in which time zone its people live.",
        remedy="Name it: --timezone Europe/Berlin. Local days, hours and holidays follow it.",
        file=asked.file.name,
    )


def _keys(asked: Asked, found: Look, zone: str) -> dict[str, Any]:
    """The region file's keys."""
    name = asked.name or re.sub(r"[^A-Za-z0-9_.-]+", "-", asked.file.name.partition(".")[0]).strip("-_.")
    unit = asked.unit or found.unit or by_size(found)
    place = place_of(zone)
    where = asked.place or ((place.latitude, place.longitude) if place else None)
    if where is None:
        raise ConfigurationError(
            f"The time zone {zone} is that of no place: nothing says where the sun stands for this region.",
            remedy="Name the place: --place 52.5,13.4 (latitude, longitude).",
            timezone=zone,
        )
    country, _, subdivision = (asked.holidays or (place.country if place else "")).partition("-")
    interval = next((one for one in INTERVALS if one % found.spacing_minutes == 0), None)
    if interval is None:
        raise ConfigurationError(
            f"{asked.file.name}: its stamps are {found.spacing_minutes} minutes apart; a nowcast needs 60 or less.",
            remedy="Bring finer values.",
            file=asked.file.name,
        )
    names = _zone_names(found, asked.kind)
    keys: dict[str, Any] = {
        "name": name,
        "title": asked.title or (asked.file.name.partition(".")[0] if asked.name is None else asked.name),
        "unit": unit,
        "timezone": zone,
        "interval_minutes": interval,
        "model": f"power-nowcast-{name}",
        "total": found.total and _plain(found.total),
        "holidays": {"country": country, **({"subdivision": subdivision} if subdivision else {})} if country else None,
        "zones": [
            {
                "name": names[title],
                "kind": asked.kind,
                "latitude": where[0],
                "longitude": where[1],
                "max_mw": float(f"{HEADROOM[asked.kind] * max(most, -least) * TO_MW[unit]:.2g}"),
            }
            for title, (least, most) in found.levels.items()
        ],
        "power": {
            "source": "files",
            "label": asked.label or found.label or "start",
            "interval_minutes": found.spacing_minutes if found.spacing_minutes != interval else None,
            "options": _options(asked, found, zone, names),
        },
    }
    keys["power"] = {key: value for key, value in keys["power"].items() if value is not None}
    return {key: value for key, value in keys.items() if value is not None}


def _options(asked: Asked, found: Look, zone: str, names: Mapping[str, str]) -> dict[str, Any]:
    columns: dict[str, Any] = {"valid_at": found.stamp[0] if len(found.stamp) == 1 else list(found.stamp)}
    if found.series is not None:
        columns |= {"series": found.series, "value": found.value}
    renamed = {title: name for title, name in names.items() if title != name}
    is_only_column = found.series is None and len(names) == 1 and not found.others
    options = {
        "folder": str(asked.file.parent.resolve()),
        "files": asked.file.name,
        "columns": columns,
        "series": renamed if renamed and not is_only_column else None,
        "ignore": "others" if found.others or found.total else None,
        "time_zone": None if found.has_offset else asked.clock or zone,
        "stamp_format": found.stamp_format,
        "separator": found.separator,
        "decimal": None if found.separator is None else found.decimal,
        "allow_negative": True if any(-most <= least < 0 for least, most in found.levels.values()) else None,
    }
    return {key: value for key, value in options.items() if value is not None}


def _zone_names(found: Look, kind: str) -> dict[str, str]:
    """The region's name of each series, by the file's."""
    names = {title: _plain(title) or kind for title in found.names}
    return names if len(set(names.values())) == len(names) else {title: _allowed(title) for title in names}


def _plain(title: str) -> str:
    """A title without its unit."""
    return _allowed(_ASIDE.sub(" ", title)).strip(" _-.:")


def _allowed(title: str) -> str:
    return " ".join(re.sub(r"[/\\|,;]+", " ", title).split())


def _notes(asked: Asked, found: Look, place: Place | None) -> dict[str, str]:
    """Comments by key; one with a question mark is about something that the file does not say."""
    notes = {
        "files": "A pattern such as feeder-*.csv reads further files; a file that grows is read again.",
        "zones": (
            f"max_mw is {HEADROOM[asked.kind]:g} times the usual greatest value, in MW: a value above it counts as a "
            "fault."
        ),
    }
    if asked.place is None and place is not None:
        notes["zones"] += (
            f"\nWhere is it? The coordinates are those of {place.town}; the sun's height at the right place helps."
        )
    if asked.holidays is None and place is not None:
        notes["holidays"] = f'Which holidays? Those of all {place.country}; subdivision = "..." adds those of a state.'
    if asked.unit is None and found.unit is None:
        notes["unit"] = "Which unit? No title says it; the size of the values allows this one."
    if asked.label is None and found.label is None:
        notes["label"] = (
            "What is a stamp: the start or the end of the interval that its value is the mean of, or an instant?\n"
            'The file does not show it. "start" is the careful answer: no value counts as known too early.'
        )
    elif asked.label is None:
        notes["label"] = "The first and the last stamp are those of whole days with such stamps."
    if not found.order_is_known:
        notes["stamp_format"] = "Is the day first, or the month? The stamps allow both; in this order they follow."
    if not found.has_offset and asked.clock is None:
        notes["time_zone"] = "The stamps have no offset from UTC: they are taken for what clocks there show."
    return notes


def _tried(region: Region, found: Look, data: bytes, origin: str, now: datetime) -> Tried:
    """What the region reads from its file.

    Raises:
        SourceFormatError: no row can be used.
        ConfigurationError: stamps are times that clocks of their time zone never show.
    """
    batch = _batch(region, data, origin, now)
    clock = region.power.options.get("time_zone")
    if clock is not None and (skipped := _unread(batch)) > _unread(_batch(_by_clock(region, "UTC"), data, origin, now)):
        example = batch.quarantined.filter(pl.col("reason") == Reason.UNREADABLE_STAMP.value)["stamp"][0]
        raise ConfigurationError(
            f"{origin}: {skipped} stamps, such as {example!r}, are times that clocks in {clock} skip: they are not "
            "local times there.",
            remedy='Say which they are: --clock UTC, or standard time all the year, such as --clock "Etc/GMT-1" (one '
            "hour ahead of UTC).",
            file=origin,
            time_zone=clock,
        )
    if batch.is_unusable:
        raise unusable(batch, region)
    times = batch.rows["valid_at"]
    first, last = times.min(), times.max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        raise MissingDataError(f"{origin} has no values.", remedy="Check that it is the right file.", file=origin)
    slots = int((last - first) / region.interval) + 1
    missing = slots * len(region.zones) - len(batch.rows)
    return Tried(found.rows, first, last, slots, missing, reasons_of(batch.quarantined))


def _batch(region: Region, data: bytes, origin: str, now: datetime) -> Batch:
    request = Request(region, Table.POWER, region.power)
    return batch_of(request, Received(data), origin, is_last=True, read_at=now)[0]


def _by_clock(region: Region, clock: str) -> Region:
    options = {**region.power.options, "time_zone": clock}
    return region.model_copy(update={"power": region.power.model_copy(update={"options": options})})


def _unread(batch: Batch) -> int:
    return int((batch.quarantined["reason"] == Reason.UNREADABLE_STAMP.value).sum())


def findings(new: New) -> list[tuple[str, str]]:
    """What the file was taken for, as pairs of a title and words, for people."""
    one, tried, region = new.look, new.tried, new.region
    options, tz = region.power.options, region.tz
    signs = {",": "comma", ".": "point", ";": "semicolon", "\t": "tab", "|": "bar"}
    clock = "with their offset from UTC" if one.has_offset else f"as clocks show them in {options['time_zone']}"
    form = f", {one.stamp_format}" if one.stamp_format else ""
    levels = (f"{name} {low:,g} to {high:,g} {region.unit}" for name, (low, high) in one.levels.items())
    first, last = (time.astimezone(tz).strftime("%Y-%m-%d %H:%M") for time in (tried.first, tried.last))
    return [
        ("Table", "Parquet" if one.separator is None else f"CSV, fields by {signs.get(one.separator, one.separator)}"),
        *([] if one.separator is None else [("Decimal sign", signs[one.decimal])]),
        ("Stamps", f"{' and '.join(one.stamp)}{form}, {clock}; they are taken for {region.power.label}"),
        ("Spacing", f"{one.spacing_minutes} minutes"),
        ("Series", "; ".join(levels)),
        *([("Total", f"{one.total} is the sum of the others")] if one.total else []),
        *([("Not read", listed(one.others))] if one.others else []),
        ("Rows", f"{tried.rows:,}, intervals that end from {first} to {last} local time"),
        ("Without value", f"{tried.missing:,} of {tried.slots * len(region.zones):,} slots"),
        *([("Fell out", told(tried.reasons))] if tried.reasons else []),
    ]
