"""Which feature belongs to which family: the few reasons for a nowcast that a person can follow."""

import re
from collections.abc import Iterable

OTHER = "other"
FAMILIES: dict[str, str] = {
    "recent hours": r"(ramp|mean|spread|roughness)_\d+m",
    "range of past hours": r"range_.*",
    "other series": r".*\]",
    "same time, past days": r"(day\d+|type|analog|type\d+_sharp)_ramp",
    "level against past days": r"(level|excess_\d+m)_(day\d+|type)",
    "time and kind of day": r"minute_of_day|weekday|day_type(_tomorrow)?|is_holiday(_tomorrow)?|is_bridge|day_hours",
    "sun and season": r"season_(sin|cos)|sun(_change)?|day_length",
    "operator's forecast": r"operator_.*",
    "output under a clear sky": r"share|clear_sky_.*",
    "weather forecast": r".*_forecast(_error|_change)?",
    "weather": r".*_(now|trend_\d+m|mean_\d+m)",
    "quality of the data": r"flagged_share_\d+m|minutes_since_.*|lateness_minutes",
}
"""By name, the pattern of its features' names without their horizons; the first one that fits counts."""


def without_horizon(name: str) -> str:
    """A feature's name without the knot that it belongs to.

    >>> without_horizon("sun_change_h60")
    'sun_change'
    """
    return re.sub(r"_h\d+$", "", name)


def family_of(name: str) -> str:
    """The family of a feature, `OTHER` for one of none.

    >>> family_of("day7_ramp_h30"), family_of("ramp_15m[NORTH]")
    ('same time, past days', 'other series')
    """
    own = without_horizon(name)
    return next((family for family, pattern in FAMILIES.items() if re.fullmatch(pattern, own)), OTHER)


def families_of(names: Iterable[str]) -> tuple[str, ...]:
    """The families that these features belong to, in the order of `FAMILIES`."""
    found = {family_of(name) for name in names}
    return tuple(family for family in (*FAMILIES, OTHER) if family in found)
