"""The operator's own forecast: its ramp, how its error moved lately, and what it missed at this time on days before."""

from math import nan

from tests.features.oracle.case import Case, Features
from tests.features.oracle.known import mean, on_grid

ERROR_LAGS = (15, 30, 60, 120, 180)
TYPE_DAYS = 28
"""How far back days of the same kind count."""


def common(case: Case) -> Features:
    for lag in ERROR_LAGS:
        before = case.origin - on_grid(lag, case.step)
        yield f"operator_error_change_{lag}m", _error(case, case.origin) - _error(case, before)


def of_knot(case: Case, knot: int) -> Features:
    yield "operator_ramp", case.told(case.origin + knot) - case.told(case.origin)
    missed = {
        day: _ramp(case, slot, knot) - _told_ramp(case, slot, knot)
        for day, slot in case.past.items()
        if day <= TYPE_DAYS
    }
    yield "operator_missed_day1", missed.get(1, nan)
    yield "operator_missed_week", mean(value for day, value in missed.items() if day <= 7)
    yield "operator_missed_type", mean(value for day, value in missed.items() if day in case.alike)


def _error(case: Case, slot: float) -> float:
    """What was measured, less what had been told."""
    return case.mw(slot) - case.told(slot)


def _ramp(case: Case, slot: float, knot: int) -> float:
    return case.smoothed(slot + knot) - case.smoothed(slot)


def _told_ramp(case: Case, slot: float, knot: int) -> float:
    return case.told(slot + knot) - case.told(slot)
