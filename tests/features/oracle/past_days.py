"""The same time of day on days before: how today compares with them, and where they went from there.

Single past days are read smoothed; a mean of many days needs no smoothing, and stays sharp where something happens at
the same minute every day.
"""

from functools import lru_cache
from math import isnan, nan

from tests.features.oracle.case import Case, Features
from tests.features.oracle.known import mean, on_grid

TYPE_DAYS = 28
"""How far back days of the same kind count in means of smoothed values."""
SHAPE = (15, 30, 60, 90, 120, 180)
"""Minutes over which the last hours of two days are compared."""


def common(case: Case) -> Features:
    now, past, alike = case.mw(case.origin), case.past, case.alike
    level = {day: now - case.smoothed(slot) for day, slot in past.items()}
    yield "level_day1", level.get(1, nan)
    yield "level_day7", level.get(7, nan)
    yield "level_type", mean(level[day] for day in alike if day <= TYPE_DAYS)
    for span in case.spec.excess:
        today = now - case.mw(case.origin - span)
        smooth = {day: today - (case.smoothed(slot) - case.smoothed(slot - span)) for day, slot in past.items()}
        sharp = {day: today - (case.mw(slot) - case.mw(slot - span)) for day, slot in past.items()}
        yield f"excess_{span}m_day1", smooth.get(1, nan)
        yield f"excess_{span}m_day7", smooth.get(7, nan)
        yield f"excess_{span}m_type", mean(sharp[day] for day in alike if day <= TYPE_DAYS)


def of_knot(case: Case, knot: int) -> Features:
    past, alike = case.past, case.alike
    smooth = {day: case.smoothed(slot + knot) - case.smoothed(slot) for day, slot in past.items()}
    sharp = {day: case.mw(slot + knot) - case.mw(slot) for day, slot in past.items()}
    for day in case.spec.days:
        yield f"day{day}_ramp", smooth.get(day, nan)
    yield "type_ramp", mean(smooth[day] for day in alike if day <= TYPE_DAYS)
    yield "analog_ramp", mean(smooth[day] for day in _analogs(case))
    for days in case.spec.type_days:
        yield f"type{days}_sharp_ramp", mean(sharp[day] for day in alike if day <= days)


@lru_cache(maxsize=1)
def _analogs(case: Case) -> list[int]:
    """The days whose last hours were shaped most like today's; a day of another kind counts as twice as far away."""
    distances = {}
    spans = {on_grid(span, case.step) for span in SHAPE}
    for day, slot in case.past.items():
        if day > case.spec.analog_days:
            continue
        gaps = [
            (case.mw(case.origin) - case.mw(case.origin - span)) - (case.smoothed(slot) - case.smoothed(slot - span))
            for span in spans
        ]
        distance = mean(gap**2 for gap in gaps)
        if not isnan(distance):
            distances[day] = distance if day in case.alike else 2 * distance
    nearest = sorted(distances, key=lambda day: (distances[day], day))  # of equal ones the younger day
    return nearest[: case.spec.analogs]
