"""Local time: what the wall clock says, which kind of day it is, and when it said the same before."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays

from power_nowcast.regions import Region

DAY = 1440
WORKDAY, BRIDGE, SATURDAY, SUNDAY_OR_HOLIDAY = range(4)


def wall(at: float, timezone: str) -> datetime:
    """What the wall clock shows at a minute since 1970, without an offset."""
    return datetime.fromtimestamp(60 * at, UTC).astimezone(ZoneInfo(timezone)).replace(tzinfo=None)


@lru_cache(maxsize=100_000)
def days_before(at: float, days: int, timezone: str) -> int:
    """The minute that the wall clock showed the same some days before.

    A time that came twice that day, or not at all, is the later of both readings.
    """
    then = wall(at, timezone) - timedelta(days=days)
    readings = [then.replace(tzinfo=ZoneInfo(timezone), fold=fold).timestamp() for fold in (0, 1)]
    return round(max(readings) / 60)


@lru_cache
def _holidays(country: str, subdivision: str | None) -> holidays.HolidayBase:
    return holidays.country_holidays(country, subdiv=subdivision, years=range(2020, 2030))


def is_holiday(region: Region, day: date) -> bool:
    return day in _holidays(region.holidays.country, region.holidays.subdivision)


def is_bridge(region: Region, day: date) -> bool:
    """A Monday before a holiday or a Friday after one."""
    other = {1: day + timedelta(days=1), 5: day - timedelta(days=1)}.get(day.isoweekday())
    return other is not None and is_holiday(region, other) and not is_holiday(region, day)


def kind_of_day(region: Region, at: float) -> int:
    """Days that behave alike share a number: a holiday is like a Sunday."""
    day = wall(at, region.timezone).date()
    if is_holiday(region, day) or day.isoweekday() == 7:
        return SUNDAY_OR_HOLIDAY
    if day.isoweekday() == 6:
        return SATURDAY
    return BRIDGE if is_bridge(region, day) else WORKDAY


def hours_of_day(region: Region, day: date) -> int:
    """24, or 23 and 25 where clocks change."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=region.tz)
    tomorrow = day + timedelta(days=1)
    next_midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=region.tz)
    return round((next_midnight.timestamp() - midnight.timestamp()) / 3600)
