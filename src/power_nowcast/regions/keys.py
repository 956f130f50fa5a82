"""Types of the keys of a region file, and the messages for a value that has another form."""

import datetime as dt
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import ErrorDetails, PydanticCustomError

SEPARATORS = "/\\|,;"
"""A name must not hold these: names become parts of addresses, of files' names and of lists."""
LONGEST_NAME = 100
LONGEST_TEXT = 1000
MOST_MW = 1e7
"""More than the output of all power plants of the world: a larger value is in another unit."""
_DAY = 24 * 60
MOST_MINUTES = 366 * _DAY
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:00)?")
_VARIABLE = re.compile(r"[^.].*\.[A-Za-z0-9_]+")
_NESTING = 8


def wrong(what: str, *, key: str | None = None, value: object = None) -> PydanticCustomError:
    """An error in the terms of a region file; `key` and `value` where they are not those of the validated field."""
    context: dict[str, Any] = {"what": what} if key is None else {"what": what, "key": key, "value": value}
    return PydanticCustomError("region_file", "{what}", context)


def _text(value: str) -> str:
    if not value.strip():
        raise wrong("The text must not be empty")
    if any(unicodedata.category(one) in _INVISIBLE for one in value):
        raise wrong("The text must not hold control characters or invisible characters")
    if len(value) > LONGEST_TEXT:
        raise wrong(f"The text must have at most {LONGEST_TEXT} characters")
    return value


def _name(value: str) -> str:
    _text(value)
    if value != value.strip():
        raise wrong("A name must not begin or end with a space")
    if any(one in SEPARATORS for one in value):
        raise wrong(f"A name must not hold any of {' '.join(SEPARATORS)}")
    if len(value) > LONGEST_NAME:
        raise wrong(f"A name must have at most {LONGEST_NAME} characters")
    return unicodedata.normalize("NFC", value)


def _variable(value: str) -> str:
    if not _VARIABLE.fullmatch(_name(value)):
        raise wrong('A variable must have the form STATION.variable, such as "KJFK.temperature_c"')
    return unicodedata.normalize("NFC", value)


def _time(value: object) -> object:
    if isinstance(value, str) and _TIME.fullmatch(value):
        return dt.time.fromisoformat(value)
    if isinstance(value, dt.time) and value.tzinfo is None and value == value.replace(second=0, microsecond=0):
        return value
    raise wrong('The value must be a local time of day in hours and minutes, such as "18:00"')


def _spacing(value: int) -> int:
    if _DAY % value:
        raise wrong("The value must divide a day of 1440 minutes")
    return value


def _options(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(value.get("allow_negative", False), bool):
        raise wrong("allow_negative must be true or false")
    _plain(value, _NESTING)
    return value


def _plain(value: object, depth: int) -> None:
    """Options go into JSON, digests and raw deliveries: text, numbers, true and false, in lists and tables."""
    if depth == 0:
        raise wrong("Options must not be nested as deeply as this")
    if isinstance(value, str):
        if any(unicodedata.category(one) in ("Cc", "Cs") and one != "\t" for one in value):
            raise wrong("The text of an option must not hold control characters")
    elif isinstance(value, Mapping):
        for name, one in value.items():
            _plain(name, depth)
            _plain(one, depth - 1)
    elif isinstance(value, list | tuple):
        for one in value:
            _plain(one, depth - 1)
    elif not isinstance(value, bool | int | float) or abs(value) > MOST_MW or value != value:
        raise wrong(f"The value of an option must be text, true, false or a number up to {MOST_MW:.0f}")


type Text = Annotated[str, AfterValidator(_text)]
type Name = Annotated[str, AfterValidator(_name)]
type Variable = Annotated[str, AfterValidator(_variable)]
type TimeOfDay = Annotated[dt.time, BeforeValidator(_time)]
type Options = Annotated[Mapping[str, Any], AfterValidator(_options)]
type Latitude = Annotated[float, Field(strict=True, ge=-90, le=90)]
type Longitude = Annotated[float, Field(strict=True, ge=-180, le=180)]
type Megawatts = Annotated[float, Field(strict=True, gt=0, le=MOST_MW)]
type Weight = Annotated[float, Field(strict=True, gt=0, le=MOST_MW)]
type Minutes = Annotated[int, Field(strict=True, ge=0, le=MOST_MINUTES)]
type Spacing = Annotated[int, Field(strict=True, ge=1, le=_DAY), AfterValidator(_spacing)]
type Days = Annotated[int, Field(strict=True, ge=0, le=14)]

_WORDS = {
    "missing": "The key is missing",
    "extra_forbidden": "A region file has no such key here",
    "tuple_type": "The value must be a list",
    "model_type": "The value must be a table",
    "model_attributes_type": "The value must be a table",
    "mapping_type": "The value must be a table",
    "dict_type": "The value must be a table",
    "string_type": "The value must be text in quotes",
    "float_type": "The value must be a number",
    "finite_number": "The value must be a finite number",
    "int_type": "The value must be a whole number",
    "too_short": "The list must not be empty",
}


def told(error: ErrorDetails) -> tuple[str, object, str]:
    """Key, value and message of a fault; the value is None where the key is missing."""
    context = error.get("ctx", {})
    key = str(context.get("key") or ".".join(map(_part, error["loc"])) or "the file")
    value = None if error["type"] == "missing" else context.get("value", error["input"])
    said = _WORDS.get(error["type"], error["msg"].replace("Input should", "The value must"))
    return key, value, said if value is None else f"{said}, but it is {shown(value)}"


def _part(part: str | int) -> str:
    bare = isinstance(part, int) or re.fullmatch(r"[\w.-]{1,60}", part)
    return str(part) if bare else shown(part)


def shown(value: object) -> str:
    """A value as TOML writes it, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = text if text.isprintable() else json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."
