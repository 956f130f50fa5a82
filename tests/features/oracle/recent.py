"""How the series, and those beside it, moved to the last known value; and how far that lies from the last hours."""

from math import isnan, sqrt

from tests.features.oracle.case import Case, Features
from tests.features.oracle.known import mean


def _distances(case: Case, span: int) -> list[float]:
    """How far each known value of the last `span` minutes lies above the last one, that one itself included."""
    slots = range(case.origin, case.origin - span, -case.step)
    return [case.mw(slot) - case.mw(case.origin) for slot in slots if not isnan(case.mw(slot))]


def _spread(values: list[float]) -> float:
    """Standard deviation of all of them."""
    middle = mean(values)
    return sqrt(mean((value - middle) ** 2 for value in values))


def lags(case: Case) -> Features:
    now, spec = case.mw(case.origin), case.spec
    for lag in spec.lags:
        yield f"ramp_{lag}m", now - case.mw(case.origin - lag)
    for window in spec.rolling:
        around = _distances(case, window)
        yield f"mean_{window}m", mean(around)
        yield f"spread_{window}m", _spread(around)
    if len(case.region.series) > 1:
        for other in case.region.series:
            for lag in spec.neighbour_lags:
                theirs = [case.known.power(other, at) for at in (case.origin, case.origin - lag)]
                yield f"ramp_{lag}m[{other}]", theirs[0] - theirs[1]


def ranges(case: Case) -> Features:
    for span in case.spec.ranges:
        around = _distances(case, span)
        yield f"range_lowest_{span}m", min(around)
        yield f"range_highest_{span}m", max(around)
        if span not in case.spec.rolling:  # those are told by `lags`
            yield f"range_mean_{span}m", mean(around)
            yield f"range_spread_{span}m", _spread(around)
