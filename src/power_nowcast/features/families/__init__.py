"""The register of families of features, and what people call their features.

A family that is added here is built, stored, learnt from and told of like any other.
"""

import re
from collections.abc import Iterable, Mapping

from power_nowcast.features.families.calendar import Calendar
from power_nowcast.features.families.days import Days
from power_nowcast.features.families.generation import Generation
from power_nowcast.features.families.holidays import Holidays
from power_nowcast.features.families.labels import Label
from power_nowcast.features.families.lags import Lags
from power_nowcast.features.families.operator_forecast import OperatorForecast
from power_nowcast.features.families.quality import Quality
from power_nowcast.features.families.ranges import Ranges
from power_nowcast.features.families.weather import Weather
from power_nowcast.features.families.weather_forecast import WeatherForecast
from power_nowcast.features.family import Family

FAMILIES: tuple[Family, ...] = (
    Lags(),
    Ranges(),
    Days(),
    Calendar(),
    OperatorForecast(),
    Generation(),
    Weather(),
    WeatherForecast(),
    Quality(),
    Holidays(),
)
"""In the order of their columns; models know features by place, so a new family comes last."""
OTHER = "other"


def labels(families: Iterable[Family] = FAMILIES) -> dict[str, str]:
    """By label, in the order of telling, the pattern of names without horizons; the first that fits counts."""
    found: dict[str, list[str]] = {label.value: [] for label in Label}
    for family in families:
        for label, pattern in family.labels.items():
            found.setdefault(str(label), []).append(pattern)
    return {label: "|".join(f"(?:{pattern})" for pattern in patterns) for label, patterns in found.items() if patterns}


LABELS = labels()


def without_horizon(name: str) -> str:
    """A feature's name without the knot that it belongs to.

    >>> without_horizon("sun_change_h60")
    'sun_change'
    """
    return re.sub(r"_h\d+$", "", name)


def family_of(name: str, known: Mapping[str, str] = LABELS) -> str:
    """The label of a feature by those that are `known`, `OTHER` for one of no family.

    >>> family_of("day7_ramp_h30"), family_of("ramp_15m[NORTH]")
    ('same time, past days', 'other series')
    """
    own = without_horizon(name)
    return next((label for label, pattern in known.items() if re.fullmatch(pattern, own)), OTHER)


def families_of(names: Iterable[str]) -> tuple[str, ...]:
    """The labels of these features, in the order of telling."""
    found = {family_of(name) for name in names}
    return tuple(label for label in (*LABELS, OTHER) if label in found)
