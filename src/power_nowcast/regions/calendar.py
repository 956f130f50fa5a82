"""The calendar of a region, day by day."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

import holidays
import polars as pl

from power_nowcast.regions.region import Region

CALENDAR = pl.Schema(
    {
        "date": pl.Date,
        "weekday": pl.Int8,  # 1 Monday .. 7 Sunday
        "holiday": pl.String,  # its name, null on other days
        "is_bridge": pl.Boolean,
        "day_type": pl.String,  # workday, bridge, saturday, sunday, holiday
        "hours": pl.Int8,  # 23 or 25 on clock changes
    }
)


def days(region: Region, first: date, last: date) -> pl.DataFrame:
    """One row of `CALENDAR` for each local day from `first` to `last`, both included.

    A bridge day is a Monday or Friday between a weekend and a holiday.
    """
    kept, years = region.holidays, range(first.year - 1, last.year + 2)
    named: Mapping[date, str] = (
        holidays.country_holidays(kept.country, subdiv=kept.subdivision, years=years) if kept else {}
    )
    count = (last - first).days + 1
    rows = [_day(region, first + timedelta(days=n), named) for n in range(count)]
    return pl.DataFrame(rows, schema=CALENDAR, orient="row")


def _day(region: Region, day: date, named: Mapping[date, str]) -> tuple[date, int, str | None, bool, str, int]:
    weekday = day.isoweekday()
    holiday = named.get(day)
    bridge = holiday is None and (
        (weekday == 1 and day + timedelta(days=1) in named) or (weekday == 5 and day - timedelta(days=1) in named)
    )
    if holiday:
        kind = "holiday"
    elif weekday >= 6:
        kind = "saturday" if weekday == 6 else "sunday"
    else:
        kind = "bridge" if bridge else "workday"
    return day, weekday, holiday, bridge, kind, _hours(region, day)


def _hours(region: Region, day: date) -> int:
    midnights = [datetime.combine(d, time(), region.tz) for d in (day, day + timedelta(days=1))]
    return round((midnights[1].timestamp() - midnights[0].timestamp()) / 3600)
