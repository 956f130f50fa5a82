"""Where a time zone lies: country and coordinates of its town, from the time zone database's own table."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_TABLE = "zone.tab"
_WHERE = re.compile(r"([+-])(\d\d)(\d\d)(\d\d)?([+-])(\d{3})(\d\d)(\d\d)?")
"""Degrees, minutes and seconds of latitude and longitude."""


@dataclass(frozen=True)
class Place:
    """The town that a time zone is named after: its country's code of two letters, and its coordinates in degrees."""

    town: str
    country: str
    latitude: float
    longitude: float


def place_of(timezone: str) -> Place | None:
    """The place of an IANA time zone; None for zones without one, such as UTC.

    >>> place_of("Europe/Berlin")
    Place(town='Berlin', country='DE', latitude=52.5, longitude=13.37)
    """
    return _places().get(timezone)


@cache
def _places() -> dict[str, Place]:
    text = (files("tzdata") / "zoneinfo" / _TABLE).read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        country, where, zone = line.split("\t")[:3]
        if (at := _WHERE.fullmatch(where)) is not None:
            parts, town = at.groups(), zone.rpartition("/")[2].replace("_", " ")
            found[zone] = Place(town, country, _degrees(*parts[:4]), _degrees(*parts[4:]))
    return found


def _degrees(sign: str, degrees: str, minutes: str, seconds: str | None) -> float:
    size = int(degrees) + int(minutes) / 60 + int(seconds or 0) / 3600
    return round(size if sign == "+" else -size, 2)
