"""Plausibility: which published rows may enter the tables, and why the others may not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from power_nowcast.contracts import CALM_SHARE, Reason, Table
from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest.batch import BAD_ROWS
from power_nowcast.regions import Region, SourceSpec

SPIKE_DEVIATIONS = 50
"""A jump that returns counts as a spike from this many times the usual deviation from its neighbours on ..."""
SPIKE_SHARE = 0.1
"""... if it is also this share of the level ..."""
SPIKE_ALONE = 4
"""... and this many times what the series moves right before and after it: a front that passes a wind farm is none."""
SPIKE_RETURN = 0.25
"""The value after a spike is as near to the one before, as a share of the jump."""
STILL_SHARE = 0.0003
"""Share of the plausible maximum that counts as the usual deviation of a series that hardly moves."""
FLAT_SAMPLES = 6
"""Equal values in a row from which telemetry counts as stuck; real load was seen to repeat up to 4 times."""
WRONG_UNIT_FACTOR = 30
"""So far off the plausible range a whole series is in another unit."""
RANGES = {
    "temperature_c": (-60.0, 60.0),
    "dew_point_c": (-80.0, 45.0),
    "wind_speed_ms": (0.0, 110.0),
    "cloud_cover": (0.0, 1.0),
}
"""Plausible values by the variable's name."""


@dataclass(frozen=True)
class Checked:
    """`rows` of `PUBLISHED` that passed, `bad` of `BAD_ROWS`, and how many stood there twice alike."""

    rows: pl.DataFrame
    bad: pl.DataFrame
    repeated: int


def check(rows: pl.DataFrame, region: Region, table: Table, spec: SourceSpec, *, origin: str) -> Checked:
    """Sort out what is not plausible, with a reason each; the row rules are a pandera schema.

    Raises:
        SourceFormatError: the values are in another unit than MW.
    """
    limits = _limits(rows, region, table, spec)
    if table is Table.POWER:
        _check_unit(rows, limits, origin)
    numbered = rows.with_row_index("row").join(limits, on="series", how="left", maintain_order="left")
    reasons = _row_reasons(numbered, spec)
    good = numbered.join(reasons, on="row", how="anti", maintain_order="left")
    key = ["series", "at", "written"]
    distinct = good.unique([*key, "value"], keep="last", maintain_order=True)
    reasons = pl.concat([reasons, _duplicates(distinct, key)])
    if table is Table.POWER:
        single = distinct.join(reasons, on="row", how="anti").sort("series", "at")
        reasons = pl.concat([reasons, _spikes(single), _flat_lines(single)])
    reasons = reasons.unique("row", keep="first", maintain_order=True)
    bad = numbered.join(reasons, on="row", how="inner", maintain_order="left")
    passed = distinct.join(reasons, on="row", how="anti", maintain_order="left")
    return Checked(
        rows=passed.select(rows.columns),
        bad=bad.select(
            region=pl.lit(region.name),
            table=pl.lit(table.value),
            series="series",
            at="at",
            stamp=pl.coalesce("stamp", pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")),
            value=pl.coalesce("text", pl.col("value").cast(pl.String)),
            reason="reason",
            detail="detail",
            origin=pl.lit(origin),
        ).cast(BAD_ROWS),
        repeated=len(good) - len(distinct),
    )


def _limits(rows: pl.DataFrame, region: Region, table: Table, spec: SourceSpec) -> pl.DataFrame:
    """Columns series, low, high: the series that a table may hold, and their plausible values."""
    limits: list[tuple[str, float | None, float | None]]
    if table.is_weather:
        # A station may report more than features read.
        names = dict.fromkeys((*spec.variables, *rows["series"].drop_nulls().unique()))
        ranges = {name: RANGES.get(name.rsplit(".", 1)[-1]) for name in names}
        limits = [(name, *(ranges[name] or (None, None))) for name in names if ranges[name] or name in spec.variables]
    else:
        # A generator's own use makes a plant's output slightly negative; load is not.
        limits = [(zone.name, 0.0, zone.max_mw) for zone in region.zones]
        if table is Table.FORECAST and region.total:
            limits.append((region.total, 0.0, sum(zone.max_mw for zone in region.zones)))
    return pl.DataFrame(
        limits, {"series": pl.String, "low": pl.Float64, "high": pl.Float64}, orient="row"
    ).with_columns(known=pl.lit(True))


def _check_unit(rows: pl.DataFrame, limits: pl.DataFrame, origin: str) -> None:
    levels = (
        rows.filter(pl.col("value").is_finite() & (pl.col("value") != 0))
        .join(limits, on="series")
        .group_by("series")
        .agg(
            low=(pl.col("value").abs() / pl.col("high")).quantile(0.1),
            high=(pl.col("value").abs() / pl.col("high")).max(),
            values=pl.len(),
        )
    )
    # One value, or a calm night of a wind farm, says nothing about the unit.
    if levels.is_empty() or levels["values"].min() < 12:  # type: ignore[operator]
        return
    if (levels["low"] > WRONG_UNIT_FACTOR).all():
        unit, times = "kW", "too large"
    elif (levels["high"] < 0.1 / WRONG_UNIT_FACTOR).all():
        unit, times = "GW", "too small"
    else:
        return
    raise SourceFormatError(
        f"{origin}: all values are about a thousand times {times}: they look like {unit}, not MW.",
        remedy=f'Set the source\'s option unit = "{unit}", or correct max_mw of the zones in the region file.',
        file=origin,
        unit=unit,
    )


def _row_reasons(rows: pl.DataFrame, spec: SourceSpec) -> pl.DataFrame:
    """Columns row, reason, detail of rows that are bad by themselves, the first reason of each."""
    import pandera.polars as pa  # noqa: PLC0415 - takes seconds to import, and serving has no use for it

    low = pl.lit(None, pl.Float64) if spec.options.get("allow_negative") else pl.col("low")
    value = pl.col("value")
    is_bad: dict[Reason, pl.Expr] = {
        Reason.UNKNOWN_SERIES: pl.col("known").is_null(),
        Reason.AMBIGUOUS_STAMP: pl.col("fault") == Reason.AMBIGUOUS_STAMP.value,
        Reason.UNREADABLE_STAMP: pl.col("at").is_null() | (pl.col("fault") == Reason.UNREADABLE_STAMP.value),
        Reason.NOT_A_NUMBER: ~value.is_finite().fill_null(False),
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
        return _NO_REASONS
    detail = {
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
    return found.select("row", "reason", pl.coalesce(*told, pl.lit("")).alias("detail")).cast(_NO_REASONS.schema)


def _duplicates(rows: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """All but the last of several values with one stamp: the publisher's last word counts."""
    later = pl.col("row").max().over(key)
    return _reasons(
        rows.filter(pl.col("row") < later),
        Reason.DUPLICATE,
        pl.lit("another value follows with the same stamp"),
    )


def _spikes(rows: pl.DataFrame) -> pl.DataFrame:
    """One value that jumps away and returns, far beyond what the series does otherwise. Rows sorted by series, at."""
    before, value, after = (pl.col("value").shift(n).over("series") for n in (1, 0, -1))
    step = pl.col("value").diff().abs()
    around = pl.max_horizontal(step.shift(n).over("series").fill_null(0) for n in (1, -2))
    spacing = pl.col("at").diff().over("series")
    # Against the middle of its neighbours a value of a steep morning is as usual as one of a calm night.
    usual = (value - (before + after) / 2).abs().median().over("series")
    near = 3 * spacing.median().over("series")
    jump = pl.min_horizontal((value - before).abs(), (value - after).abs())
    level = pl.min_horizontal(before.abs(), after.abs())
    # A few values do not tell what is usual.
    enough = pl.len().over("series") >= 24
    floor = pl.max_horizontal(
        SPIKE_DEVIATIONS * pl.max_horizontal(usual, pl.col("high") * STILL_SHARE), SPIKE_SHARE * level
    )
    found = (
        enough
        & ((value - before) * (value - after) > 0)
        & (jump > floor)
        & (jump > SPIKE_ALONE * around)
        & ((after - before).abs() < SPIKE_RETURN * jump)
        & (spacing <= near)
        & (spacing.shift(-1).over("series") <= near)
    )
    marked = rows.with_columns(found=found, jump=jump.round(3))
    return _reasons(marked.filter("found"), Reason.SPIKE, pl.format("jumps by {} MW and returns", "jump"))


def _flat_lines(rows: pl.DataFrame) -> pl.DataFrame:
    """What repeats a value of stuck telemetry; its first occurrence was true. Rows sorted by series, at."""
    spacing = pl.col("at").diff().over("series")
    other = pl.col("series") != pl.col("series").shift()
    starts = other | (pl.col("value") != pl.col("value").shift()) | (spacing > 3 * spacing.median().over("series"))
    run = rows.with_columns(run=starts.fill_null(True).cum_sum())
    long = (
        run.group_by("run").agg(samples=pl.len(), first=pl.col("row").first()).filter(pl.col("samples") >= FLAT_SAMPLES)
    )
    stuck = (
        run.join(long, on="run")
        .filter(pl.col("row") != pl.col("first"))
        .filter(pl.col("value").abs() > CALM_SHARE * pl.col("high"))
    )
    return _reasons(stuck, Reason.FLAT, pl.format("the same value {} times in a row", "samples"))


_NO_REASONS = pl.DataFrame(schema={"row": pl.UInt32, "reason": pl.String, "detail": pl.String})


def _reasons(rows: pl.DataFrame, reason: Reason, detail: pl.Expr) -> pl.DataFrame:
    return rows.select("row", reason=pl.lit(reason.value), detail=detail).cast(_NO_REASONS.schema)
