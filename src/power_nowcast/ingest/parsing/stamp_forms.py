"""The forms in which databases, statistics packages, spreadsheets and columnar files write a time.

A stamp is read if it can mean one thing only. `why_not` says what is missing in the others, and what to write.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

EXCEL = "excel"
"""Value of `stamp_format` for serial numbers of a spreadsheet, days since 1899-12-30."""
DAY = timedelta(days=1)
_EXCEL_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - wall clock
_UNIX_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - its offset stands beside it
_UNIX = {10: 1, 13: 1_000, 16: 1_000_000, 19: 1_000_000_000}
"""Units in a second of Unix time, by the number of digits that present times have."""
_SAME_NAMES = {"MEZ": "CET", "MESZ": "CEST"}
_UTC_NAMES = ("Z", "UTC", "GMT", "UT")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_CENTURY = 69
"""A year of two digits beside a month's name is of this century below this value, as in POSIX and the databases."""

_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+)?"
_ZONE = (
    r"\s*(?P<zone>z|(?:utc|gmt)?[+-]\d\d(?::?\d\d(?::?\d\d)?)?|(?:utc|gmt)[+-]\d(?::\d\d)?|[a-z]{2,5})?(?:\[[^\]]+\])?"
)
_TIME = (
    r"(?P<hour>\d{1,2})(?:(?P<mark>[:.])(?P<minute>\d\d)(?:(?P=mark)(?P<second>\d\d)(?:[.,:](?P<fraction>\d{1,9}))?)?)?"
    r"\s*(?P<half>[ap]\.?m\.?)?"
)
_COMPACT_TIME = r"(?P<hour>\d\d)(?P<minute>\d\d)(?:(?P<second>\d\d)(?:[.,]?(?P<fraction>\d{1,9}))?)?"
_BETWEEN = r"(?:t|\s+at\s+|,?\s+|[:-](?=\d\d[:.]))"
_DATES = (
    r"(?P<year>\d{4})(?P<sign>[-/.])(?P<month>\d{1,2})(?P=sign)(?P<day>\d{1,2})",
    r"(?P<year>\d{4})[-/. ]?(?P<name>[a-z]{3,9})[-/. ]?(?P<day>\d{1,2})",
    r"(?P<day>\d{1,2})[-/. ]?(?P<name>[a-z]{3,9})\.?[-/., ]{0,2}(?P<year>\d{4}|\d\d)",
    r"(?P<name>[a-z]{3,9})\.?\s+(?P<day>\d{1,2}),?\s+(?P<year>\d{4})",
)
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        *(rf"{_WEEKDAY}{date}(?:{_BETWEEN}{_TIME}{_ZONE})?" for date in _DATES),
        rf"(?P<year>\d{{4}})(?P<month>\d\d)(?P<day>\d\d)(?:[t ]?{_COMPACT_TIME}{_ZONE})?",
        rf"(?P<year>\d{{4}})(?P<month>\d\d)(?P<day>\d\d)(?:[t ]{_TIME}{_ZONE})?",
        rf"(?P<year>\d{{4}})(?P<sign>[-/.])(?P<month>\d\d)(?P=sign)(?P<day>\d\d)[t ]{_COMPACT_TIME}{_ZONE}",
        # As C, Unix and Perl write it: the year comes last.
        rf"{_WEEKDAY}(?P<name>[a-z]{{3}})\s+(?P<day>\d{{1,2}})\s+{_TIME}{_ZONE}\s+(?P<year>\d{{4}})",
    )
)
_CLOCK = re.compile(_TIME, re.IGNORECASE)
_NUMBER = re.compile(r"(\d+)(?:\.(\d+))?")
_EXPONENT = re.compile(r"\d+(?:[.,]\d+)?e[+-]?\d+", re.IGNORECASE)
_NUMERIC_DATE = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})\2(\d{4}|\d\d)\b(.*)")

_NO_DATE = (
    "If the file's name has the date, set the source's option date_in_name (its format, such as %Y%m%d); if another "
    'column has it, columns = { valid_at = ["date", "time"] }.'
)
_AS_TEXT = "export the column as text such as 2024-05-01 00:15."
_UNIX_OR_NOT = f'Set the source\'s option stamp_format = "%Y%m%d%H", or {_AS_TEXT}'
_SERIAL = f'Set the source\'s option stamp_format = "{EXCEL}" if it counts days since 1899-12-30, or {_AS_TEXT}'


@dataclass(frozen=True)
class Stamp:
    """A time in text: naive wall clock, the offset from UTC or its name, and whether it has a time of day."""

    local: datetime
    offset: timedelta | None = None
    name: str | None = None
    has_clock: bool = True


def read_stamp(text: str) -> Stamp | None:
    """The time that a stamp means; None if it is no time or may mean several."""
    text = text.strip().replace("\N{MINUS SIGN}", "-")
    if number := _NUMBER.fullmatch(text):
        found = _unix(*number.groups())
        if found is not None or number[2] is not None or len(number[1]) in _UNIX:
            return found
    for form in _FORMS:
        if found_form := form.fullmatch(text):
            return _stamp(found_form.groupdict())
    return None


def read_clock(text: str) -> timedelta | None:
    """The time of day in a stamp without a date, from midnight; 24:00 is the end of the day."""
    found = _CLOCK.fullmatch(text.strip())
    return None if found is None else _clock(found.groupdict())


def read_excel(text: str) -> datetime | None:
    """The wall clock of a serial number, to the second; None if it has too few digits."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None or len(found[1]) != 5:  # 1927 to 2173
        return None
    days = float(text)
    seconds = round(days * 86400)
    is_exact = abs(days * 1440 - round(days * 1440)) < 1e-6
    if len(found[2] or "") < 5 and not is_exact:
        return None
    return _EXCEL_EPOCH + timedelta(seconds=seconds)


def offset_of(stamp: Stamp, *zones: str) -> timedelta | None:
    """The offset from UTC of a stamp with an offset, or with a name that one of the time zones has at that time."""
    if stamp.offset is not None or stamp.name is None:
        return stamp.offset
    name = _SAME_NAMES.get(stamp.name, stamp.name)
    if name in _UTC_NAMES:
        return timedelta(0)
    for zone in zones:
        for fold in (0, 1):
            local = stamp.local.replace(tzinfo=ZoneInfo(zone), fold=fold)
            is_shown = local.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == stamp.local
            if local.tzname() == name and is_shown:
                return local.utcoffset()
    return None


def orders(text: str) -> list[str]:
    """The formats that a stamp may have whose date is of numbers only and ends with the year; none for others."""
    date = _NUMERIC_DATE.fullmatch(text.strip())
    if date is None:
        return []
    first, sign, second, year, rest = date.groups()
    shape = _shape(rest)
    code = "%Y" if len(year) == 4 else "%y"
    found = [f"%d{sign}%m{sign}{code}{shape}"] if int(second) <= 12 else []
    found += [f"%m{sign}%d{sign}{code}{shape}"] if int(first) <= 12 else []
    found += [f"%y{sign}%m{sign}%d{shape}"] if code == "%y" and int(second) <= 12 else []
    return found


def why_not(text: str) -> tuple[str, str]:
    """Why a stamp cannot be read, as the end of a sentence, and the remedy."""
    text = text.strip()
    if _NUMERIC_DATE.fullmatch(text):
        written = " or ".join(f'stamp_format = "{order}"' for order in orders(text)) or "stamp_format"
        return "does not say which number is the day and which the month", f"Set the source's option {written}."
    if read_clock(text) is not None:
        return "has a time of day and no date", _NO_DATE
    if len(text) in _UNIX and text.isdecimal():
        return "may be Unix time, or year, month, day and hour", _UNIX_OR_NOT
    if _EXPONENT.fullmatch(text):
        return "is a number cut to few digits", "Export the column as text or as a whole number."
    if read_excel(text) is not None:
        return "is a number, perhaps the serial number of a spreadsheet", _SERIAL
    stamp = read_stamp(text)
    if stamp is not None and stamp.name is not None:
        return (
            f"has {stamp.name}, which is no name of the region's time zone at that time",
            f'Set the source\'s options stamp_format (with {stamp.name} in it) and time_zone, such as "Etc/GMT+5".',
        )
    if stamp is not None and not stamp.has_clock:
        return (
            "is a date without a time, as are all in the file",
            'Name the column of times as well: columns = { valid_at = ["date", "time"] }.',
        )
    if stamp is not None:
        return (
            "is a time that the clocks of its time zone never show",
            "Check the source's options time_zone and label: in a skipped hour an interval may only end, at its start.",
        )
    return "is in no form that can mean one thing only", "Say its form by the source's option stamp_format."


def _shape(rest: str) -> str:
    """Format of the part after a date."""
    found = re.fullmatch(r"(\D{0,2})(\d{1,2})([:.])(\d\d)(?:\3(\d\d))?(\s*[AaPp][Mm])?", rest)
    if found is None:
        return " %H:%M" if rest.strip() else ""
    gap, _, sign, _, second, half = found.groups()
    return f"{gap}{'%I' if half else '%H'}{sign}%M{f'{sign}%S' if second else ''}{' %p' if half else ''}"


def _unix(whole: str, fraction: str | None) -> Stamp | None:
    """Unix time in seconds, or in thousandths, millionths or billionths of one, by the number of digits."""
    per_second = _UNIX.get(len(whole))
    if per_second is None or (fraction is not None and per_second > 1 and fraction.strip("0")):
        return None
    if per_second == 1 and _is_date_and_hour(whole):
        return None
    micros = int(whole) * 1_000_000 // per_second
    if per_second == 1 and fraction is not None:
        micros += int(fraction[:6].ljust(6, "0"))
    return Stamp(_UNIX_EPOCH + timedelta(microseconds=micros), timedelta(0))


def _is_date_and_hour(digits: str) -> bool:
    """Whether ten digits may also be year, month, day and hour."""
    try:
        datetime(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))  # noqa: DTZ001 - a date
    except ValueError:
        return False
    return 1900 <= int(digits[:4]) < 2100 and int(digits[8:]) <= 24


def _stamp(parts: dict[str, str | None]) -> Stamp | None:
    try:
        year = int(str(parts["year"]))
        if len(str(parts["year"])) == 2:
            year += 2000 if year < _CENTURY else 1900
        day = datetime(year, _month(parts), int(str(parts["day"])))  # noqa: DTZ001 - wall clock
        if parts.get("hour") is None:
            return Stamp(day, has_clock=False)
        clock = _clock(parts)
        return None if clock is None else Stamp(day + clock, *_zone(parts.get("zone")))
    except (ValueError, OverflowError):
        return None


def _month(parts: dict[str, str | None]) -> int:
    if (name := parts.get("name")) is None:
        return int(str(parts["month"]))
    name = name.lower()
    if name not in (*_MONTHS, *_FULL_MONTHS, "sept"):
        raise ValueError(name)
    return _MONTHS.index(name[:3]) + 1


def _clock(parts: dict[str, str | None]) -> timedelta | None:
    """Time since midnight; None if the clock never shows it, except for 24:00."""
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    micros = int((parts.get("fraction") or "")[:6].ljust(6, "0"))
    if half := parts.get("half"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half[0].lower() == "p" else 0)
    clock = timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micros)
    is_shown = hour < 24 and minute < 60 and second < 60
    return clock if is_shown or (clock == DAY and hour == 24) else None


def _zone(text: str | None) -> tuple[timedelta | None, str | None]:
    """Offset or name of a zone.

    Raises:
        ValueError: the offset is more than a day.
    """
    if text is None:
        return None, None
    text = text.upper()
    if text in _UTC_NAMES:
        return timedelta(0), None
    number = re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d\d)?:?(\d\d)?", text)
    if number is None:
        return None, text
    hours, minutes, seconds = (int(one or 0) for one in number.groups()[1:])
    if minutes >= 60 or seconds >= 60:
        raise ValueError(text)
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    timezone(offset)  # not a day or more
    return (offset if number[1] == "+" else -offset), None
