"""From a publisher's stamps to `valid_at`, and when each row could first be known."""

from datetime import timedelta

import polars as pl

from power_nowcast.contracts import LIVE, ROWS, UTC, Basis, Received, Table
from power_nowcast.regions import Region, SourceSpec


def align(
    rows: pl.DataFrame, region: Region, table: Table, spec: SourceSpec, received: Received | None = None
) -> tuple[pl.DataFrame, int]:
    """Rows of `contracts.ROWS` from checked rows of `PUBLISHED`, and the number of those that a later value replaced.

    `valid_at` is the end of the interval. Power lies on the region's grid: slot t holds the last value published in
    (t - interval, t], so a stamp off the grid counts for the slot that it falls into.

    A row was known at the publisher's own time, or at the hour of its schedule. Without these it was known when
    `received` came, if that came live, and otherwise after the source's usual delay.
    """
    interval = timedelta(minutes=spec.interval_minutes or region.interval_minutes)
    end = pl.col("at") + interval if spec.label == "start" else pl.col("at")
    if table is Table.POWER:
        grid = region.interval
        end = (end + grid - timedelta(microseconds=1)).dt.truncate(grid)
    written = pl.col("written").is_not_null()
    usual, basis = _usual(region, table, spec, received)
    aligned = rows.with_columns(valid_at=end).select(
        pl.lit(region.name).alias("region"),
        "series",
        "valid_at",
        "value",
        pl.when(written).then("written").otherwise(usual).alias("available_at"),
        pl.when(written).then(pl.col("basis").fill_null(Basis.WRITTEN.value)).otherwise(basis).alias("basis"),
        pl.lit(spec.source).alias("source"),
        "at",
    )
    if table is not Table.POWER:
        return aligned.select(ROWS.names()), 0
    latest = aligned.sort("at", maintain_order=True).unique(["series", "valid_at"], keep="last", maintain_order=True)
    return latest.select(ROWS.names()), len(aligned) - len(latest)


def _usual(region: Region, table: Table, spec: SourceSpec, received: Received | None) -> tuple[pl.Expr, pl.Expr]:
    """The time when rows without a time of their own were known, and its basis."""
    valid_at = pl.col("valid_at")
    if spec.schedule is not None:
        # The interval that ends at midnight belongs to the day before.
        interval = timedelta(minutes=spec.interval_minutes or region.interval_minutes)
        local = (valid_at - interval).dt.convert_time_zone(region.timezone).dt.replace_time_zone(None)
        day = local.dt.truncate("1d") - timedelta(days=spec.schedule.days_before)
        told = day + timedelta(hours=spec.schedule.time.hour, minutes=spec.schedule.time.minute)
        at = told.dt.replace_time_zone(region.timezone, ambiguous="latest", non_existent="null")
        return at.dt.convert_time_zone("UTC").fill_null(valid_at), _is(Basis.SCHEDULE)
    delayed = valid_at + timedelta(minutes=spec.delay_minutes)
    if received is None or received.received_at is None:
        return delayed, _is(Basis.DELAY)
    seen_at = pl.lit(received.received_at, UTC)
    if table.is_forecast:
        published_at = received.published_at
        return (seen_at, _is(Basis.SEEN)) if published_at is None else (pl.lit(published_at, UTC), _is(Basis.WRITTEN))
    live = valid_at >= seen_at - LIVE
    return (
        pl.when(live).then(pl.max_horizontal(seen_at, valid_at)).otherwise(delayed),
        pl.when(live).then(_is(Basis.SEEN)).otherwise(_is(Basis.DELAY)),
    )


def _is(basis: Basis) -> pl.Expr:
    return pl.lit(basis.value)


def split_last_slot(rows: pl.DataFrame, region: Region, spec: SourceSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows whose slot is over, and those of a slot that the next delivery may still add to."""
    last = rows["at"].max()
    if last is None or spec.label != "instant":
        return rows, rows.clear()
    grid = region.interval
    open_from = pl.lit(last).dt.truncate(grid)
    is_open = (pl.col("at") > open_from).fill_null(False)
    return rows.filter(~is_open), rows.filter(is_open)
