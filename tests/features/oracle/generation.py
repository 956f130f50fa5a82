"""Wind and solar power, in shares of the recent peak: their level, the clear sky, and the operator's forecast.

Series of load in a region that also generates have none of these.
"""

from functools import lru_cache
from math import isnan, nan

from tests.features.oracle.case import Case, Features
from tests.features.oracle.clock import DAY
from tests.features.oracle.known import mean, on_grid
from tests.features.oracle.sun import clear_sky

PEAK_DAYS = 28
SMALLEST_PEAK = 0.01
TWILIGHT = 0.01
"""Added to shares before one divides another: at dawn and in a calm both are almost nothing."""
INDEX_LAGS = (15, 30, 60)
SHAPE = (-30, -15, 15, 30, 45, 60, 75, 90)
ROUGH_OVER = (120, 720, 1440, 10080)
FAINT, SMALLEST_MOVE = 0.02, 0.001
"""Shares of the peak: what is smaller tells no roughness, and what is added to each movement."""


@lru_cache(maxsize=4)
def peak(case: Case) -> float:
    """The largest output of the last four weeks, at least a hundredth of the plausible maximum, MW; 1 for load."""
    if case.kind == "load":
        return 1.0
    span = DAY * min(PEAK_DAYS, case.reach_days)
    outputs = (case.mw(slot) for slot in range(case.origin, case.origin - span, -case.step))
    return max(SMALLEST_PEAK * case.max_mw, *(output for output in outputs if not isnan(output)))


def common(case: Case) -> Features:
    share, told = _share(case, case.origin), _told(case, 0)
    index = _clear_sky_index(case, case.origin)
    yield "share", share
    yield "clear_sky_index", index
    for lag in INDEX_LAGS:
        before = case.origin - on_grid(lag, case.step)
        yield f"clear_sky_index_change_{lag}m", index - _clear_sky_index(case, before)
    yield "operator_level", told
    yield "operator_error", share - told
    for ahead in SHAPE:
        yield f"operator_shape_{ahead}m", _told(case, ahead) - told
    for span in ROUGH_OVER:
        yield f"roughness_{span}m", _roughness(case, on_grid(span, case.step))


def of_knot(case: Case, knot: int) -> Features:
    share, now, then = _share(case, case.origin), _told(case, 0), _told(case, knot)
    # What the output becomes if the clouds stay, and if it keeps its proportion to the operator's forecast.
    yield "clear_sky_ramp", share * _sky(case, case.origin + knot) / _sky(case, case.origin) - share
    yield "operator_level_then", then
    yield "operator_share_ramp", share * (then + TWILIGHT) / (now + TWILIGHT) - share


def _share(case: Case, slot: float) -> float:
    return case.mw(slot) / peak(case) if case.kind != "load" else nan


def _sky(case: Case, slot: float) -> float:
    """What a cloudless sky gives in the middle of a slot; only solar power asks."""
    return clear_sky(case.middle_of(slot), *case.place) + TWILIGHT if case.kind == "solar" else nan


def _clear_sky_index(case: Case, slot: float) -> float:
    return _share(case, slot) / _sky(case, slot)


def _told(case: Case, ahead: int) -> float:
    """The operator's forecast some minutes after the origin, as a share of the peak."""
    if case.kind == "load" or case.region.forecast is None:
        return nan
    return case.known.told(case.series, case.middle + ahead) / peak(case)


def _roughness(case: Case, span: int) -> float:
    """How much output bends from slot to slot, over how much it moves across two of them."""
    if case.kind == "load":
        return nan
    bends, moves = [], []
    for slot in range(case.origin, case.origin - span, -case.step):
        last, middle, first = (case.mw(slot - n * case.step) for n in range(3))
        if isnan(last + middle + first) or middle <= FAINT * peak(case):
            continue
        bends.append(abs((last - middle) - (middle - first)))
        moves.append(abs(last - first))
    if len(bends) < 2:
        return nan
    return mean(bends) / (mean(moves) + SMALLEST_MOVE * peak(case))
