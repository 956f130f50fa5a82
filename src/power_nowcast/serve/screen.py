"""Screens a caller's rows by the rules of ingest: no answer rests on values that the store would not hold."""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import polars as pl

from power_nowcast.checks import CLOCK_SKEW
from power_nowcast.checks.limits import is_missing_code, range_of
from power_nowcast.checks.units import check_units, in_another_unit
from power_nowcast.checks.zeros import false_zeros, without_own_use
from power_nowcast.checks.zones import ZoneRows, by_zone
from power_nowcast.contracts import UTC, Table
from power_nowcast.errors import SourceFormatError
from power_nowcast.features.rows import FORECAST_PREFIX
from power_nowcast.regions import Region, SourceSpec

FUTURE = "values of the future left out"
CODES = "codes of missing values left out"
ZEROS = "zeros in place of values left out"
BARELY = 0.0003
"""A negative load down to this share of its plausible maximum stands for a missing value, as zero does."""


def screen(
    region: Region, rows: pl.DataFrame, now: datetime, *, issue: np.datetime64 | None = None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Rows with null in place of false values, and flags that name the values left out.

    Measurements of intervals that are not over at `now`, codes of missing values and zeros that stand for them become
    null, slightly negative solar power becomes 0 MW. Faults that the caller has to correct are errors.

    Args:
        region: the region of the rows.
        rows: wide rows as `features.rows.from_rows` reads them, `valid_at` in UTC; columns that are not numbers and
            names that the region does not have are left as they are.
        now: what time it is.
        issue: the issue time, UTC; measurements after it are left out without a flag: nothing depends on them.

    Raises:
        SourceFormatError: a value is implausible, a series or a part of one in another unit, or no observation is left.
    """
    zones = [zone.name for zone in region.zones if _is_numeric(rows, zone.name)]
    weather = region.weather.variables if region.weather else ()
    observed = [*zones, *(name for name in weather if _is_numeric(rows, name))]
    if "valid_at" not in rows.columns or rows.schema["valid_at"] != UTC or rows.is_empty():
        return rows, ()
    if issue is not None:
        until = pl.lit(issue.astype("datetime64[us]").item()).dt.replace_time_zone("UTC")
        rows = rows.with_columns(
            pl.when(pl.col("valid_at") <= until).then(pl.col(name)).alias(name) for name in observed
        )
    before, flags = rows, []
    ahead = pl.col("valid_at") > now + CLOCK_SKEW
    rows = rows.with_columns(pl.when(~ahead).then(pl.col(name)).alias(name) for name in observed)
    if _lost(before, rows, observed):
        flags.append(FUTURE)
    for table, spec, prefix, names in _parts(region, rows):
        cleaned = _without_codes(rows, table, spec, prefix, names)
        if _lost(rows, cleaned, names):
            flags.append(CODES)
        rows = cleaned
    rows = _without_own_use(region, rows, zones)
    long, of_zones = _in_mw(region, rows, zones)
    for _, spec, prefix, names in _parts(region, rows):
        _check_plausible(region, rows, spec, prefix, names)
    zeros = false_zeros(of_zones, region, region.power)
    if len(zeros):
        rows = _wide(rows, long.join(zeros, on="row", how="anti"), zones)
        flags.append(ZEROS)
    if zones and flags and _count(before, zones) and not _count(rows, zones):
        raise SourceFormatError(
            f"No observation is left: {', '.join(dict.fromkeys(flags))}. It is {now:%Y-%m-%dT%H:%M:%SZ}.",
            remedy="Send what was measured up to now, and null where nothing was.",
            region=region.name,
        )
    return rows, tuple(dict.fromkeys(flags))


def _parts(region: Region, rows: pl.DataFrame) -> Iterator[tuple[Table, SourceSpec, str, list[str]]]:
    """For each table: its spec, the prefix of its columns, and the columns that are there."""
    for table, spec in region.specs.items():
        prefix = FORECAST_PREFIX if table.is_forecast else ""
        series = spec.variables if table.is_weather else region.series
        names = [f"{prefix}{name}" for name in series if _is_numeric(rows, f"{prefix}{name}")]
        if names:
            yield table, spec, prefix, names


def _without_codes(rows: pl.DataFrame, table: Table, spec: SourceSpec, prefix: str, names: list[str]) -> pl.DataFrame:
    """Null in place of codes of missing values."""
    cleaned = []
    for name in names:
        low, high = (range_of(name.removeprefix(prefix), spec) if table.is_weather else None) or (None, None)
        values = rows.select(
            series=pl.lit(name), value=pl.col(name).cast(pl.Float64), low=pl.lit(low), high=pl.lit(high)
        ).cast({"low": pl.Float64, "high": pl.Float64})
        is_code = values.select(is_missing_code(table).fill_null(False)).to_series()
        cleaned.append(values.select(pl.when(~is_code).then("value").alias(name)).to_series())
    return rows.with_columns(cleaned)


def _without_own_use(region: Region, rows: pl.DataFrame, zones: list[str]) -> pl.DataFrame:
    solar = {zone.name for zone in region.zones if zone.kind == "solar"} & set(zones)
    if not solar or region.power.options.get("allow_negative"):
        return rows
    return _wide(rows, without_own_use(_long(rows, zones), region), zones)


def _in_mw(region: Region, rows: pl.DataFrame, zones: list[str]) -> tuple[pl.DataFrame, list[ZoneRows]]:
    """Power cell by cell and zone by zone, once power and its forecasts, each series and all of them, are in MW.

    Raises:
        SourceFormatError: a series, or some values of one, are in another unit.
    """
    forecasts = [name for zone in region.zones if _is_numeric(rows, name := f"{FORECAST_PREFIX}{zone.name}")]
    if forecasts:
        told = _long(rows, forecasts).with_columns(pl.col("series").str.strip_prefix(FORECAST_PREFIX))
        check_units(list(by_zone(told, region, None)), "The forecasts")
    long = _long(rows, zones)
    of_zones = list(by_zone(long, region, None))
    check_units(of_zones, "The rows")
    single = in_another_unit(of_zones, "The rows")
    if len(single):
        one = long.join(single, on="row").row(0, named=True)
        raise SourceFormatError(
            f"Column {one['series']}, {one['at']:%Y-%m-%dT%H:%MZ}: {one['value']:g} {one['detail']}.",
            remedy="Send MW, and null where a value is not known.",
            column=one["series"],
            value=one["value"],
        )
    return long, of_zones


def _long(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Columns row, place, series, at, value: a row a cell."""
    cells = rows.with_row_index("place").with_columns(pl.col(names).cast(pl.Float64))
    long = cells.unpivot(names, index=["place", "valid_at"], variable_name="series", value_name="value")
    return long.rename({"valid_at": "at"}).with_row_index("row")


def _wide(rows: pl.DataFrame, long: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Wide rows with the values of `_long` in place of their own, null where it has none."""
    columns = rows.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("place"))
    for name in names:
        values = long.filter(pl.col("series") == name).select("place", pl.col("value").alias(name))
        columns = columns.join(values, on="place", how="left", maintain_order="left")
    return rows.with_columns(columns[name] for name in names)


def _check_plausible(region: Region, rows: pl.DataFrame, spec: SourceSpec, prefix: str, names: list[str]) -> None:
    """Check values against the limits of ingest.

    Raises:
        SourceFormatError: a value is outside; the message names column and row.
    """
    most = {zone.name: zone.max_mw for zone in region.zones}
    most |= {region.total: sum(most.values())} if region.total else {}
    negative = bool(region.power.options.get("allow_negative"))
    loads = {zone.name for zone in region.zones if zone.kind == "load"}
    for name in names:
        series = name.removeprefix(prefix)
        if series in most:
            # A load just below zero is a zero that stands for a missing value.
            limits = (-most[series] if negative else 0.0), most[series]
            slack = BARELY * most[series] if series in loads and not prefix else 0.0
            unit, remedy = " MW", "Send MW, and null where a value is not known; if capacity has grown, raise max_mw."
        elif found := range_of(series, spec):
            limits, slack, unit, remedy = (
                found,
                0.0,
                "",
                "Send the unit that the name says, and null where a value is not known.",
            )
        else:
            continue
        outside = (pl.col(name) < limits[0] - slack) | (pl.col(name) > limits[1])
        bad = rows.with_row_index("row").filter(outside & pl.col(name).is_finite())
        if len(bad):
            row, value = bad["row"][0], bad[name][0]
            raise SourceFormatError(
                f"Column {name}, row {row}: {value:g}{unit} is outside {limits[0]:g} .. {limits[1]:g}.",
                remedy=remedy,
                column=name,
                row=row,
                value=value,
            )


def _is_numeric(rows: pl.DataFrame, name: str) -> bool:
    return name in rows.columns and rows.schema[name].is_numeric()


def _count(rows: pl.DataFrame, names: list[str]) -> int:
    return sum(int(rows[name].is_not_null().sum()) for name in names)


def _lost(before: pl.DataFrame, after: pl.DataFrame, names: list[str]) -> bool:
    return _count(before, names) > _count(after, names)
