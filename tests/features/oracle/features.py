"""Every feature of a series at an issue time, by name, in the order of a feature block."""

from collections.abc import Callable
from typing import NamedTuple

from power_nowcast.regions import Region
from tests.features.oracle import calendar, generation, operator_forecast, past_days, quality, recent, weather
from tests.features.oracle.case import Case, Features, Spec
from tests.features.oracle.known import Known

type Common = Callable[[Case], Features]
type OfKnot = Callable[[Case, int], Features]


class Answer(NamedTuple):
    """What a feature block says of one issue time and series; MW are divided by `scale_mw`, which is 1 for load."""

    values: dict[str, float]
    origin_mw: float
    age_minutes: float
    scale_mw: float


def families(region: Region) -> list[tuple[Common, OfKnot | None, bool]]:
    """What serves every horizon, what belongs to one, and whether both are in MW: of each family of a region."""
    found: list[tuple[Common, OfKnot | None, bool]] = [
        (recent.lags, None, True),
        (recent.ranges, None, True),
        (past_days.common, past_days.of_knot, True),
        (calendar.common, calendar.of_knot, False),
    ]
    if region.forecast:
        found.append((operator_forecast.common, operator_forecast.of_knot, True))
    if any(zone.kind != "load" for zone in region.zones):
        found.append((generation.common, generation.of_knot, False))
    if region.weather:
        found.append((weather.reports, None, False))
    if region.weather_forecast:
        found.append((weather.forecast_common, weather.forecast_of_knot, False))
    if "quality" in region.features:
        found.append((quality.features, None, False))
    if "holidays" in region.features:
        found.append((calendar.holidays, None, False))
    return found


def answer(known: Known, region: Region, spec: Spec, series: str, delay_minutes: int = 0) -> Answer | None:
    """Features of a series from what was known, None where no value is recent enough to begin from.

    Args:
        known: what was known at the issue time.
        region: whose series it is.
        spec: which features.
        series: which series.
        delay_minutes: a slot of power counts as known this long after its time.
    """
    origin = known.last_slot(series, known.issue - delay_minutes)
    if origin is None:
        return None
    case = Case(known, region, spec, series, origin)
    scale = generation.peak(case)
    values: dict[str, float] = {}
    for common, of_knot, in_mw in families(region):
        own = dict(common(case))
        for knot in spec.knots if of_knot else ():
            own |= {f"{name}_h{knot}": value for name, value in of_knot(case, knot)}
        values |= {name: value / scale if in_mw else value for name, value in own.items()}
    return Answer(values, case.mw(origin), known.issue - origin, scale)
