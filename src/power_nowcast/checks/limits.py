"""Plausible values of each series, and the codes that publishers write for a missing value."""

import logging
from functools import cache

import polars as pl

from power_nowcast.contracts import Table
from power_nowcast.regions import Region, SourceSpec

logger = logging.getLogger("power_nowcast.checks")

RANGES = {
    "temperature_c": (-60.0, 60.0),
    "dew_point_c": (-80.0, 45.0),
    "wind_speed_ms": (0.0, 110.0),
    "cloud_cover": (0.0, 1.0),
}
"""Plausible values by the variable's name, where the region file gives none."""

CODES = tuple(float(code) for code in (*(-(10**n - 1) for n in range(3, 8)), -999.9, -999.99, -9999.9, -32767, -32768))
"""Codes of a missing value: no variable in a usual unit, and no power, ever has such a value."""
HIGH_CODES = tuple(float(code) for code in (*(10**n - 1 for n in range(3, 8)), 999.9, 999.99, 9999.9, 32767))
"""Codes that may also be a value of weather. They stand for a missing value only where the others are far below."""
FAR_BELOW = 0.5
"""The other values are far below a code if the largest of them is below this share of it."""
FILL = 1e15
"""A larger value is the fill value of a scientific file."""


def limits(rows: pl.DataFrame, region: Region, table: Table, spec: SourceSpec) -> pl.DataFrame:
    """Columns series, low, high, known: the series that a table may hold, and their plausible values."""
    found: list[tuple[str, float | None, float | None]]
    if table.is_weather:
        # A station may report more variables than features read.
        names = dict.fromkeys((*spec.variables, *rows["series"].drop_nulls().unique()))
        ranges = {name: range_of(name, spec) for name in names}
        found = [(name, *(ranges[name] or (None, None))) for name in names if ranges[name] or name in spec.variables]
        _tell_unlimited(region.name, tuple(sorted(name for name in spec.variables if ranges[name] is None)))
    else:
        # A generator's own use makes a plant's output slightly negative; load is not.
        negative = bool(spec.options.get("allow_negative"))
        found = [(zone.name, -zone.max_mw if negative else 0.0, zone.max_mw) for zone in region.zones]
        if table is Table.FORECAST and region.total:
            most = sum(zone.max_mw for zone in region.zones)
            found.append((region.total, -most if negative else 0.0, most))
    schema = {"series": pl.String, "low": pl.Float64, "high": pl.Float64}
    return pl.DataFrame(found, schema, orient="row").with_columns(known=pl.lit(True))


def range_of(name: str, spec: SourceSpec) -> tuple[float, float] | None:
    """Plausible values of a weather variable: the region file's for the series or variable, else those of `RANGES`."""
    variable = name.rsplit(".", 1)[-1]
    return spec.limits.get(name) or spec.limits.get(variable) or RANGES.get(variable)


def is_missing_code(table: Table) -> pl.Expr:
    """Whether the `value` of a row is a code of a missing value; reads the columns series, value, low and high."""
    value = pl.col("value")
    code = value.is_in(CODES) | (value.is_finite() & (value.abs() >= FILL))
    if not table.is_weather:
        return code
    within = (value >= pl.col("low")) & (value <= pl.col("high"))
    high = value.is_in(HIGH_CODES)
    usual = value.filter(~high & ~code).max().over("series").fill_null(0)
    return (code | (high & (usual < FAR_BELOW * value))) & ~within.fill_null(False)


@cache
def _tell_unlimited(region: str, names: tuple[str, ...]) -> None:
    """Warn once in a process of variables that have no limits."""
    if names:
        logger.warning(
            "%s: no plausible values are known of %s: every value is stored, except the usual codes of missing "
            "values. Give them in the region file, such as limits = { %s = [0, 1500] } of the weather.",
            region,
            ", ".join(names),
            names[0].rsplit(".", 1)[-1],
        )
