"""Reports and forecasts of weather: every station's by themselves, or weighted means where the region weighs them."""

from collections.abc import Callable
from math import asin, cos, isnan, nan, radians, sin, sqrt

from power_nowcast.regions import Region, Zone
from tests.features.oracle.case import Case, Features
from tests.features.oracle.clock import DAY
from tests.features.oracle.known import mean

TRENDS = (60, 180, 1440)
NEAREST_KM = 10


def reports(case: Case) -> Features:
    """Reports as they were known at the origin, not later."""
    variables = case.region.weather.variables if case.region.weather else ()
    for name, combined in _about(case, variables):
        yield f"{name}_now", combined(lambda variable: case.known.report(variable, case.origin))
        for trend in TRENDS:
            yield f"{name}_trend_{trend}m", combined(lambda variable, t=trend: _trend(case, variable, t))
        yield f"{name}_mean_1440m", combined(lambda variable: _mean_of_day(case, variable))


def forecast_common(case: Case) -> Features:
    variables = case.region.weather_forecast.variables if case.region.weather_forecast else ()
    for name, combined in _about(case, variables):
        yield f"{name}_forecast", combined(lambda variable: case.known.told_weather(variable, case.origin))
        yield f"{name}_forecast_error", combined(lambda variable: _error(case, variable))


def forecast_of_knot(case: Case, knot: int) -> Features:
    variables = case.region.weather_forecast.variables if case.region.weather_forecast else ()
    for name, combined in _about(case, variables):
        yield f"{name}_forecast_change", combined(lambda variable: _change(case, variable, knot))


def _trend(case: Case, variable: str, minutes: int) -> float:
    return case.known.report(variable, case.origin) - case.known.report(variable, case.origin - minutes)


def _mean_of_day(case: Case, variable: str) -> float:
    """Of a report every hour."""
    return mean(case.known.report(variable, case.origin - hours * 60) for hours in range(DAY // 60))


def _error(case: Case, variable: str) -> float:
    """What had been forecast, less the station's own report."""
    observed = case.region.weather.variables if case.region.weather else ()
    if variable not in observed:
        return nan
    return case.known.told_weather(variable, case.origin) - case.known.report(variable, case.origin)


def _change(case: Case, variable: str, knot: int) -> float:
    told = case.known.told_weather
    return told(variable, case.origin + knot) - told(variable, case.origin)


type Feature = Callable[[str], float]


def _about(case: Case, variables: tuple[str, ...]) -> list[tuple[str, Callable[[Feature], float]]]:
    """What the features are about, each with what makes one of a feature of every station's variable."""
    region = case.region
    if not (region.stations or any(zone.weather for zone in region.zones)):
        return [(name, lambda feature, name=name: feature(name)) for name in variables]
    weights = _weights(case)

    def weighted(kind: str) -> Callable[[Feature], float]:
        def combined(feature: Feature) -> float:
            named = {name: name.rpartition(".") for name in variables}
            values = [(weights[station], feature(n)) for n, (station, _, of) in named.items() if of == kind]
            there = [(weight, value) for weight, value in values if weight > 0 and not isnan(value)]
            total = sum(weight for weight, _ in there)
            return sum(weight * value for weight, value in there) / total if there else nan

        return combined

    return [(kind, weighted(kind)) for kind in dict.fromkeys(name.rpartition(".")[2] for name in variables)]


def _weights(case: Case) -> dict[str, float]:
    """The weight of each station; in the total a zone counts by the largest load that it may have."""
    of_zones = {zone.name: _of_zone(case.region, zone) for zone in case.region.zones}
    if case.series in of_zones:
        return of_zones[case.series]
    return {
        station: sum(zone.max_mw * of_zones[zone.name][station] for zone in case.region.zones)
        for station in case.region.weather_stations
    }


def _of_zone(region: Region, zone: Zone) -> dict[str, float]:
    """As the region file says, else the nearer the more; all weights together are one."""
    weights = dict(zone.weather) or {
        place.name: 1 / max(_kilometres((zone.latitude, zone.longitude), (place.latitude, place.longitude)), NEAREST_KM)
        for place in region.stations
    }
    return {name: weights.get(name, 0.0) / sum(weights.values()) for name in region.weather_stations}


def _kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Along the surface of the earth, by the haversine formula."""
    (latitude, longitude), (their_latitude, their_longitude) = one, other
    north = sin(radians(their_latitude - latitude) / 2) ** 2
    east = sin(radians(their_longitude - longitude) / 2) ** 2
    return 2 * 6371 * asin(sqrt(north + cos(radians(latitude)) * cos(radians(their_latitude)) * east))
