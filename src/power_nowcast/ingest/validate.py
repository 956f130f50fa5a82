"""Decides which published rows may enter the tables, with the reason against each of the others."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from power_nowcast.checks import CLOCK_SKEW
from power_nowcast.checks.capacity import tell_of_capacity
from power_nowcast.checks.limits import is_missing_code, limits
from power_nowcast.checks.reasons import REASONS
from power_nowcast.checks.shape import duplicates, flat_lines, spikes
from power_nowcast.checks.spacing import check_spacing
from power_nowcast.checks.units import check_units, in_another_unit, may_be_gw
from power_nowcast.checks.zeros import false_zeros, without_own_use
from power_nowcast.checks.zones import ZoneRows, by_zone
from power_nowcast.contracts import BAD_ROWS, UTC, Reason, Table
from power_nowcast.ingest.parts import spacing
from power_nowcast.regions import Region, SourceSpec

logger = logging.getLogger("power_nowcast.ingest")


@dataclass(frozen=True)
class Checked:
    """`rows` of `PUBLISHED` that passed, `bad` of `BAD_ROWS`, and the number of exact repeats."""

    rows: pl.DataFrame
    bad: pl.DataFrame
    repeated: int


def check(
    rows: pl.DataFrame,
    region: Region,
    table: Table,
    spec: SourceSpec,
    *,
    origin: str,
    read_at: datetime | None = None,
    usual: pl.DataFrame | None = None,
) -> Checked:
    """Separate implausible rows, each with a reason; the rules for single rows are a pandera schema.

    Args:
        rows: of `PUBLISHED`.
        region: the region of the rows.
        table: their table.
        spec: their source.
        origin: file or address, for messages.
        read_at: when they were received; a row of an interval that was not over then is no measurement. None: no check.
        usual: the usual levels of power in the tables, rows of `checks.usual.USUAL`.

    Raises:
        SourceFormatError: values of a series are in another unit than MW, or means of longer intervals.
    """
    plausible = limits(rows, region, table, spec)
    numbered = rows.with_row_index("row").join(plausible, on="series", how="left", maintain_order="left")
    check_spacing(numbered.filter("known"), region, table, spec, origin)
    if table is Table.POWER and not spec.options.get("allow_negative"):
        numbered = without_own_use(numbered, region)
    over = numbered.with_columns(is_over=_is_over(numbered, region, table, spec, read_at))
    found = [_row_reasons(over, table)]
    if not table.is_weather:
        missing = found[0].filter(pl.col("reason") == Reason.MISSING_CODE.value)
        values = over.filter("is_over").join(missing, on="row", how="anti", maintain_order="left")
        zones = list(by_zone(values, region, usual))
        check_units(zones, origin)
        if table is Table.POWER:
            tell_of_capacity(values, region)
            found.append(in_another_unit(zones, origin))
            plausible = values.join(pl.concat(found), on="row", how="anti", maintain_order="left")
            found.append(_zeros(list(by_zone(plausible, region, usual)), region, spec, origin))
    reasons = pl.concat(found).unique("row", keep="first", maintain_order=True)
    good = numbered.join(reasons, on="row", how="anti", maintain_order="left")
    key = ["series", "at", "written"]
    distinct = good.unique([*key, "value"], keep="last", maintain_order=True)
    reasons = pl.concat([reasons, duplicates(distinct, key)])
    if table is Table.POWER:
        single = distinct.join(reasons, on="row", how="anti").sort("series", "at")
        reasons = pl.concat([reasons, spikes(single), flat_lines(single)])
    reasons = reasons.unique("row", keep="first", maintain_order=True)
    bad = numbered.join(reasons, on="row", how="inner", maintain_order="left")
    passed = distinct.join(reasons, on="row", how="anti", maintain_order="left")
    return Checked(
        rows=passed.select(rows.columns),
        bad=quarantined(bad, region, table, origin),
        repeated=len(good) - len(distinct),
    )


def quarantined(rows: pl.DataFrame, region: Region, table: Table, origin: str) -> pl.DataFrame:
    """Rows of `BAD_ROWS` from rows of `PUBLISHED` with their `reason` and `detail`."""
    return rows.select(
        region=pl.lit(region.name),
        table=pl.lit(table.value),
        series="series",
        at="at",
        stamp=pl.coalesce("stamp", pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")),
        value=pl.coalesce("text", pl.col("value").cast(pl.String)),
        reason="reason",
        detail="detail",
        origin=pl.lit(origin),
    ).cast(BAD_ROWS)


def _is_over(rows: pl.DataFrame, region: Region, table: Table, spec: SourceSpec, read_at: datetime | None) -> pl.Series:
    """Whether the interval that a row measures was over when it was received; always true of forecasts."""
    if read_at is None or table.is_forecast or rows.is_empty():
        return pl.Series([True]).new_from_index(0, len(rows))
    interval = timedelta(minutes=spec.interval_minutes or region.interval_minutes)
    latest = pl.lit(read_at + CLOCK_SKEW, UTC)
    if spec.label != "start":
        return rows.select((pl.col("at") <= latest).fill_null(True)).to_series()
    # A part of an interval is over earlier than the whole.
    ends = rows.sort("series", "at", nulls_last=True).with_columns(end=pl.col("at") + spacing(interval))
    return ends.sort("row").select((pl.col("end") <= latest).fill_null(True)).to_series()


def _zeros(zones: Sequence[ZoneRows], region: Region, spec: SourceSpec, origin: str) -> pl.DataFrame:
    """Reasons of zeros that stand for missing values; power that may be in GW is told of."""
    if calm := [one.zone.name for one in zones if may_be_gw(one)]:
        logger.warning(
            "%s: %s stays below a three-hundredth of max_mw all the time. If that is no calm, the values are in GW: "
            "set the source's option unit.",
            origin,
            ", ".join(calm),
        )
    return false_zeros(zones, region, spec)


def _row_reasons(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Columns row, reason, detail of rows that are bad by themselves, the first reason of each."""
    import pandera.polars as pa  # noqa: PLC0415 - takes seconds to import, and serving has no use for it

    value, low = pl.col("value"), pl.col("low")
    is_bad: dict[Reason, pl.Expr] = {
        Reason.UNKNOWN_SERIES: pl.col("known").is_null(),
        Reason.AMBIGUOUS_STAMP: pl.col("fault") == Reason.AMBIGUOUS_STAMP.value,
        Reason.UNREADABLE_STAMP: pl.col("at").is_null() | (pl.col("fault") == Reason.UNREADABLE_STAMP.value),
        Reason.NOT_A_NUMBER: ~value.is_finite().fill_null(False),
        Reason.FUTURE: ~pl.col("is_over"),
        Reason.MISSING_CODE: is_missing_code(table),
        Reason.NEGATIVE: (value < 0) & (low >= 0),
        Reason.IMPLAUSIBLE: (value < low) | (value > pl.col("high")),
    }

    def holds(bad: pl.Expr) -> Callable[[Any], pl.LazyFrame]:
        return lambda data: data.lazyframe.select(~bad.fill_null(False))

    schema = pa.DataFrameSchema(checks=[pa.Check(holds(bad), name=reason.value) for reason, bad in is_bad.items()])
    try:
        schema.validate(rows, lazy=True)
    except pa.errors.SchemaErrors as errors:
        failures: pl.DataFrame = errors.failure_cases.select("index", "check")
    else:
        return REASONS.to_frame()
    detail = {
        Reason.FUTURE: pl.lit("its interval was not over when it was received"),
        Reason.NEGATIVE: pl.format("below {}", "low"),
        Reason.IMPLAUSIBLE: pl.format("outside {} .. {}", "low", "high"),
    }
    order = {reason.value: number for number, reason in enumerate(is_bad)}
    first = (
        failures.select(row=pl.col("index").cast(pl.UInt32), reason=pl.col("check").cast(pl.String))
        .sort(pl.col("reason").replace_strict(order, return_dtype=pl.Int8), maintain_order=True)
        .unique("row", keep="first", maintain_order=True)
    )
    told = [pl.when(pl.col("reason") == reason.value).then(text) for reason, text in detail.items()]
    found = first.join(rows, on="row", how="left", maintain_order="left")
    return found.select("row", "reason", pl.coalesce(*told, pl.lit("")).alias("detail")).cast(REASONS)
