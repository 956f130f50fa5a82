"""Where the sun stands, by the Fourier series of Spencer (1971), and what a cloudless sky gives, by Haurwitz (1945)."""

from math import acos, asin, cos, degrees, exp, pi, radians, sin, tan


def _year_angle(at: float) -> float:
    """How far the year is on, 0 .. 2 pi, counted from noon of 1 January 1970."""
    return 2 * pi * (((at / 1440 - 0.5) / 365.2425) % 1)


def declination(at: float) -> float:
    """Latitude at which the sun stands in the zenith, radians."""
    b = _year_angle(at)
    return (
        0.006918
        - 0.399912 * cos(b) + 0.070257 * sin(b)
        - 0.006758 * cos(2 * b) + 0.000907 * sin(2 * b)
        - 0.002697 * cos(3 * b) + 0.001480 * sin(3 * b)
    )  # fmt: skip


def equation_of_time(at: float) -> float:
    """Minutes that a sundial is ahead of a clock."""
    b = _year_angle(at)
    return 229.18 * (0.000075 + 0.001868 * cos(b) - 0.032077 * sin(b) - 0.014615 * cos(2 * b) - 0.040849 * sin(2 * b))


def elevation(at: float, latitude: float, longitude: float) -> float:
    """Degrees above the horizon, negative below it."""
    solar_minute = at % 1440 + equation_of_time(at) + 4 * longitude
    hour_angle = radians(solar_minute / 4 - 180)
    phi, delta = radians(latitude), declination(at)
    return degrees(asin(sin(phi) * sin(delta) + cos(phi) * cos(delta) * cos(hour_angle)))


def is_down(end: float, span: int, latitude: float, longitude: float) -> bool:
    """Whether the sun stays lower than two degrees below the horizon for the last `span` minutes before `end`."""
    return all(elevation(end - n, latitude, longitude) < -2 for n in range(span + 1))


def day_length(at: float, latitude: float) -> float:
    """Hours between sunrise and sunset; 0 in the polar night, 24 where the sun does not set."""
    cosine = -tan(radians(latitude)) * tan(declination(at))
    return 24 * acos(min(1, max(-1, cosine))) / pi


def clear_sky(at: float, latitude: float, longitude: float) -> float:
    """Irradiance under a cloudless sky, as a share of that with the sun in the zenith."""
    height = sin(radians(elevation(at, latitude, longitude)))
    return height * exp(-0.059 / height) / exp(-0.059) if height > 0 else 0.0
