"""How far the newest values can be trusted: the flags of the day before the origin, as they were known.

spike, stuck    what is in quarantine, from when it could be told
late            known more than three intervals after the usual time
interpolated    on a straight line of six values or more, in a series that is otherwise rugged
estimated       equal to the operator's forecast four times in a row, while it moves
"""

from itertools import pairwise
from math import inf, isnan, nan
from statistics import median

from tests.features.oracle.case import Case, Features
from tests.features.oracle.clock import DAY
from tests.features.oracle.known import Refused, minutes

SPIKE, STUCK = "spike", "flat line"
STUCK_SAMPLES, LINE_SAMPLES, ESTIMATED_SAMPLES, LATE_SLOTS = 6, 6, 4, 3
LIVE = 180
"""A row that was refused within so many minutes of its time was seen as it came."""
CALM = 0.01
"""Share of the plausible maximum up to which equal values say nothing."""
TINY = 1e-6


def features(case: Case) -> Features:
    day, origin, step = case.last_day, case.origin, case.step
    # The total has the flags of every zone; lines and stand-ins are looked for in its own values.
    zones = case.known.zones if case.series == case.region.total else [case.series]
    lines, kept_out = _lines(case), [_kept_out(case, zone) for zone in zones]
    late = {slot for slot in day for zone in zones if case.known.minutes_late(zone, slot) > LATE_SLOTS * step}
    flagged = lines | _stand_ins(case) | late | {slot for slots in kept_out for slot in slots if slot in day}
    yield "flagged_share_60m", len([slot for slot in flagged if slot > origin - 60]) / (60 // step)
    yield "flagged_share_1440m", len(flagged) / (DAY // step)
    for name, reason in (("spike", SPIKE), ("stuck", STUCK)):
        since = [origin - slot for slots in kept_out for slot, why in slots.items() if why == reason and slot in day]
        yield f"minutes_since_{name}", min([*since, DAY])
    yield "minutes_since_interpolated", min([*(origin - slot for slot in lines), DAY])
    yield "lateness_minutes", min(max(case.known.minutes_late(zone, origin) for zone in zones), DAY)


def _kept_out(case: Case, zone: str) -> dict[int, str]:
    """Slots in quarantine with the reason that was known last at the issue time."""
    known: dict[int, tuple[float, str]] = {}
    for reason in (SPIKE, STUCK):
        mine = [row for row in case.known.refused if (row.series, row.reason) == (zone, reason)]
        slots = {round(minutes(row.valid_at)): row for row in mine}
        for slot, row in slots.items():
            told = _told_at(case, slot, row, slots)
            if told <= case.known.issue and told >= known.get(slot, (-inf, ""))[0]:
                known[slot] = told, reason
    return {slot: reason for slot, (_, reason) in known.items()}


def _told_at(case: Case, slot: int, row: Refused, run: dict[int, Refused]) -> float:
    """When it could be told: at once where it was refused as it came, else when an archive had what shows it."""
    seen, usual = minutes(row.first_seen_at), case.region.power.delay_minutes
    if seen <= slot + LIVE:
        return max(seen, slot)
    if row.reason == SPIKE:
        return slot + case.step + usual  # it shows by the value after it
    first = slot
    while first - case.step in run:
        first -= case.step
    # The first of the equal values is right and not in quarantine.
    return max(slot, first + (STUCK_SAMPLES - 2) * case.step) + usual


def _lines(case: Case) -> set[int]:
    """Slots on a straight line."""
    known = [(slot, case.mw(slot)) for slot in case.last_day if not isnan(case.mw(slot))]
    changes = [abs(later - value) for (_, value), (_, later) in pairwise(known) if abs(later - value) > TINY]
    if len(known) < 3 or not changes:
        return set()
    rounding = min(changes)
    inner = range(1, len(known) - 1)
    off = {n: abs(known[n][1] - (known[n - 1][1] + known[n + 1][1]) / 2) for n in inner}
    if median(off.values()) < 2 * rounding:
        return set()  # an even series looks like a line by itself
    near = rounding * (1 + 1e-6)
    midway = [
        n
        for n in inner
        if known[n + 1][0] - known[n - 1][0] == 2 * case.step
        and off[n] <= near
        and abs(known[n + 1][1] - known[n - 1][1]) / 2 > 5 * rounding
    ]
    return {slot for run in _runs(midway, LINE_SAMPLES, 1) for slot in _if_straight([known[n] for n in run], near)}


def _if_straight(run: list[tuple[int, float]], near: float) -> set[int]:
    """The slots of a run if no value lies further than `near` from the chord between its ends, else none."""
    (_, first), (_, last) = run[0], run[-1]
    slope = (last - first) / (len(run) - 1)
    straight = all(abs(value - first - slope * n) <= near for n, (_, value) in enumerate(run))
    return {slot for slot, _ in run} if straight else set()


def _stand_ins(case: Case) -> set[int]:
    """Slots whose value is the operator's forecast; known only where that has the interval of power."""
    if case.region.forecast is None or case.known.forecast_spacing != case.step:
        return set()
    equal = []
    for slot in case.last_day:
        told, value, before = case.known.told_mean(case.series, slot), case.mw(slot), case.mw(slot - case.step)
        if abs(value - told) <= TINY and value > CALM * case.max_mw and value != before:
            equal.append(slot)
    return {slot for run in _runs(equal, ESTIMATED_SAMPLES, case.step) for slot in run}


def _runs(places: list[int], samples: int, apart: int) -> list[list[int]]:
    """Runs of at least `samples` places that lie `apart` from one another."""
    runs: list[list[int]] = []
    last = nan
    for place in places:
        if place - last != apart:
            runs.append([])
        runs[-1].append(place)
        last = place
    return [run for run in runs if len(run) >= samples]
