"""Values that earlier deliveries covered but did not have: they were not known then, whatever a computed time says."""

from collections.abc import Callable
from datetime import datetime

import polars as pl

from power_nowcast.contracts import ROWS, UTC, Basis, Batch, Reason
from power_nowcast.store.changes import KEY

COVERED = pl.Schema({"first": UTC, "last": UTC, "series": pl.List(pl.String())})
"""The coverage of a delivery: its first and last time, and its series."""
_NO_PLACE = (Reason.UNREADABLE_STAMP.value, Reason.AMBIGUOUS_STAMP.value, Reason.UNKNOWN_SERIES.value)


def coverage(batch: Batch, now: datetime) -> dict[str, object]:
    """A row of `COVERED` for all rows of a delivery, including rows without a usable value; nulls if it has no row."""
    start, end = (batch.reading.start, batch.reading.end) if batch.reading else (None, None)
    bad = batch.quarantined.filter(
        pl.col("at") <= min(now, end or now),
        pl.col("at") >= start if start is not None else pl.lit(True),
        ~pl.col("reason").is_in(_NO_PLACE),
    )
    told = pl.concat([batch.rows.select("series", at="valid_at"), bad.select("series", "at")]).drop_nulls()
    first, last = told.select(first=pl.col("at").min(), last=pl.col("at").max()).row(0)
    return {"first": first, "last": last, "series": told["series"].unique().sort().to_list()}


def dated(
    rows: pl.DataFrame, known: pl.DataFrame, batch: Batch, earlier: Callable[[], pl.DataFrame], now: datetime
) -> pl.DataFrame:
    """The rows of a delivery. Rows that an earlier delivery should have had become available at `now`, basis `seen`.

    Such a row is not in the store, and was not known at the time T of an earlier delivery. It counts from `now` if its
    own `available_at` is not after T, and the earlier delivery is one of these:

    - a delivery of the same source that covers the row's time and series, without a value for them. T is the time at
      which it was received, or stored if it is a file of an archive. Vintages of forecasts are published one by one:
      for them this applies only if the delay of an archive gives their time.
    - another answer of the same address to a request for the same time. T is the time at which it was received.

    Files of an archive with times or series that no earlier file covers do not change, in any order.

    Args:
        rows: rows of `ROWS`.
        known: every stored version of their keys.
        batch: the delivery of the rows.
        earlier: returns the noted deliveries of the region and table, rows of `tables.DELIVERIES`.
        now: the time at which the rows are stored.
    """
    reading = batch.reading
    if reading is None or batch.are_versions:
        return rows
    is_computed = pl.col("basis") != Basis.SEEN.value
    key = [*KEY, "available_at"] if batch.table.is_forecast else KEY
    fresh = rows.with_row_index("row").filter(is_computed).join(known, on=key, how="anti").select("row", *ROWS)
    others = earlier().filter(pl.col("key") != batch.key) if len(fresh) else None
    if others is None or others.is_empty():
        return rows
    once = fresh.filter(pl.col("basis") == Basis.DELAY.value) if batch.table.is_forecast else fresh
    missed = [_missed(once, others.filter(pl.col("source") == reading.source))]
    if reading.received_at is not None:
        answers = others.filter(
            pl.col("origin") == batch.origin, pl.col("received_at").is_not_null(), pl.col("sha256") != reading.sha256
        )
        missed.append(_not_told(fresh, answers))
    late = pl.concat(missed).unique()
    if late.is_empty():
        return rows
    numbered = rows.with_row_index("row")
    on_time = numbered.join(late, on="row", how="anti")
    mended = numbered.join(late, on="row", how="semi")
    if batch.table.is_forecast:
        # The first copy was stored as seen. If several came at once, the newest one counts.
        seen = known.filter(pl.col("basis") == Basis.SEEN.value).select(*KEY, "value", seen_at="available_at")
        again = mended.join(seen, on=[*KEY, "value"]).filter(pl.col("seen_at") >= pl.col("available_at"))
        mended = mended.join(again, on="row", how="anti").sort("available_at", "row")
        mended = mended.unique(KEY, keep="last", maintain_order=True)
    mended = mended.with_columns(available_at=pl.lit(now).cast(UTC), basis=pl.lit(Basis.SEEN.value))
    return pl.concat([on_time, mended]).sort("row").drop("row")


def _missed(rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Column `row` of the rows that other deliveries cover in time and series and could have had."""
    if rows.is_empty():
        return rows.select("row")
    first, last = rows["valid_at"].min(), rows["valid_at"].max()
    near = others.filter(pl.col("last") >= first, pl.col("first") <= last).select(
        "first", "last", "series", looked_at=pl.coalesce("received_at", "first_seen_at")
    )
    return (
        rows.select("row", "series", "valid_at", "available_at")
        .join(near.explode("series").unique(), on="series")
        .filter(
            pl.col("valid_at").is_between("first", "last"),
            pl.col("available_at") <= pl.col("looked_at"),
        )
        .select("row")
    )


def _not_told(rows: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """Column `row` of the rows that are missing in answers to requests for their time."""
    asked = answers.group_by("start", "end").agg(looked_at=pl.col("received_at").max())
    return (
        rows.select("row", "valid_at", "available_at")
        .join(asked, how="cross")
        .filter(
            pl.col("available_at") <= pl.col("looked_at"),
            (pl.col("start") <= pl.col("valid_at")).fill_null(True),
            (pl.col("end") >= pl.col("valid_at")).fill_null(True),
        )
        .select("row")
    )
