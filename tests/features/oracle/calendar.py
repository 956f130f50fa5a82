"""Time and kind of day, season and sun at the origin; holidays by themselves where a region asks for them."""

from datetime import timedelta
from math import cos, pi, sin

from tests.features.oracle.case import Case, Features
from tests.features.oracle.clock import DAY, hours_of_day, is_bridge, is_holiday, kind_of_day, wall
from tests.features.oracle.sun import day_length, elevation

NIGHT = -12
"""Degrees below which the night is as dark as it gets."""


def common(case: Case) -> Features:
    local, latitude = wall(case.origin, case.region.timezone), case.place[0]
    year = 2 * pi * ((case.origin / DAY / 365.2425) % 1)
    yield "minute_of_day", 60 * local.hour + local.minute
    yield "weekday", local.isoweekday()  # Monday is 1
    yield "day_type", kind_of_day(case.region, case.origin)
    # 24 hours on: in one hour before a day of 23 hours and one of a day of 25 that is not the next day.
    yield "day_type_tomorrow", kind_of_day(case.region, case.origin + DAY)
    yield "season_sin", sin(year)
    yield "season_cos", cos(year)
    yield "sun", _sun(case, case.origin)
    yield "day_length", day_length(case.origin, latitude)


def of_knot(case: Case, knot: int) -> Features:
    yield "sun_change", _sun(case, case.origin + knot) - _sun(case, case.origin)


def holidays(case: Case) -> Features:
    today = wall(case.origin, case.region.timezone).date()
    yield "is_holiday", int(is_holiday(case.region, today))
    yield "is_holiday_tomorrow", int(is_holiday(case.region, today + timedelta(days=1)))
    yield "is_bridge", int(is_bridge(case.region, today))
    yield "day_hours", hours_of_day(case.region, today)


def _sun(case: Case, at: float) -> float:
    return max(elevation(at, *case.place), NIGHT)
