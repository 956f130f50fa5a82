"""The changes of an append: new rows, corrections of a stored value, and repetitions."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from power_nowcast.contracts import VALUES, Basis, Table

KEY = ["region", "series", "valid_at"]
ORDER = ["available_at", "first_seen_at", "value"]
"""The last version of a key counts. Since `first_seen_at` increases with every commit of a key, the value decides only
between rows of older stores, in which it did not always increase.
"""
MOMENT = timedelta(microseconds=1)
"""Minimum difference of `first_seen_at` between two commits of a key."""


@dataclass(frozen=True)
class AppendReport:
    """Row counts of an append: `repeated` rows have a later row of the same key, `empty` rows have no finite value."""

    added: int = 0
    corrected: int = 0
    unchanged: int = 0
    repeated: int = 0
    empty: int = 0

    @property
    def stored(self) -> int:
        return self.added + self.corrected

    def __add__(self, other: "AppendReport") -> "AppendReport":
        return AppendReport(
            self.added + other.added,
            self.corrected + other.corrected,
            self.unchanged + other.unchanged,
            self.repeated + other.repeated,
            self.empty + other.empty,
        )


def changes(table: Table, rows: pl.DataFrame, known: pl.DataFrame, now: datetime) -> tuple[pl.DataFrame, AppendReport]:
    """Rows of `contracts.VALUES` to add, given every stored version of their keys, and the report with all counts.

    A value that differs from the stored one becomes a further row, available from `now`: the computed time of the
    original is not valid for the correction. Commits, not clocks, give the order: a correction is never available
    before the value that it corrects, and its `first_seen_at` is after that of every stored version of its key, even
    if the clock went back or stopped.

    `available_at` identifies a forecast's vintages. A vintage without an issue time counts from the time at which it
    was seen; if it has the values of the vintage before, it is not stored, however often it is seen.
    """
    finite = rows.filter(pl.col("value").is_finite())
    key = [*KEY, "available_at"] if table.is_forecast else KEY
    last = finite.unique(key, keep="last", maintain_order=True)
    if table.is_forecast:
        fresh, corrected = _compare_vintages(last, known, key)
        fresh = _without_seen_again(fresh, known)
    elif known.is_empty():
        fresh, corrected = last, last.clear().with_columns(corrects="available_at")
    else:
        fresh, corrected = _compare(last, known)
    corrections = _stamped(corrected.unique(KEY, keep="last", maintain_order=True), known, now)
    # The clock decides, even if it is behind the stored rows: then the time is a moment after them.
    seen_at = pl.min_horizontal("first_seen_at", _utc(now + MOMENT))
    corrections = corrections.with_columns(
        available_at=pl.max_horizontal(seen_at, "corrects"), basis=pl.lit(Basis.SEEN.value)
    ).select(VALUES.names())
    # If a vintage comes with the correction of an older vintage, the newer vintage comes last.
    before = pl.concat([known, corrections]) if table.is_forecast else known.clear()
    added = pl.concat([_stamped(fresh, before, now).select(VALUES.names()), corrections])
    report = AppendReport(
        added=len(fresh),
        corrected=len(corrections),
        unchanged=len(last) - len(fresh) - len(corrected),
        repeated=len(finite) - len(last) + len(corrected) - len(corrections),
        empty=len(rows) - len(finite),
    )
    return added.select(VALUES.names()).sort(_place(added, "region", "series"), "available_at"), report


def new_versions(rows: pl.DataFrame, known: pl.DataFrame, now: datetime) -> tuple[pl.DataFrame, AppendReport]:
    """Rows of `contracts.VALUES` to add unchanged, given every stored version of their keys, and the report.

    `available_at` identifies a version. For a new key, the first version counts as new and the others as corrected;
    for a stored key, all versions count as corrected.
    """
    version = [*KEY, "available_at"]
    finite = rows.filter(pl.col("value").is_finite())
    last = finite.unique(version, keep="last", maintain_order=True)
    fresh = last.join(known, on=version, how="anti", maintain_order="left")
    added = len(fresh.select(KEY).unique().join(known, on=KEY, how="anti"))
    report = AppendReport(
        added=added,
        corrected=len(fresh) - added,
        unchanged=len(last) - len(fresh),
        repeated=len(finite) - len(last),
        empty=len(rows) - len(finite),
    )
    stamped = _stamped(fresh, known, now)
    return stamped.select(VALUES.names()).sort(_place(stamped, "region", "series"), "available_at"), report


def latest(rows: pl.DataFrame) -> pl.DataFrame:
    """The last version of each key in rows of `contracts.VALUES` of one region, sorted by series and time."""
    ordered = rows.with_columns(place=_place(rows, "series")).sort("place", *ORDER)
    is_last = (pl.col("place") != pl.col("place").shift(-1)).fill_null(True)
    return ordered.filter(is_last).drop("place")


def _place(rows: pl.DataFrame, *names: str) -> pl.Expr:
    """Whole numbers in the order of some text columns and `valid_at`: sorting by them is many times faster."""
    time = pl.col("valid_at").to_physical()
    place, size = time - time.min(), time.max() - time.min() + 1
    for name in reversed(names):
        texts = rows[name].unique().sort()
        place += pl.col(name).cast(pl.Enum(texts)).to_physical().cast(pl.Int64) * size
        size = size * max(len(texts), 1)
    return place


def _stamped(rows: pl.DataFrame, known: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """The rows with `first_seen_at`: `now`, but after every known version of the same key."""
    before = known.group_by(KEY).agg(before=pl.col("first_seen_at").max())
    joined = rows.join(before, on=KEY, how="left", maintain_order="left")
    return joined.with_columns(first_seen_at=pl.max_horizontal(_utc(now), pl.col("before") + MOMENT)).drop("before")


def _utc(time: datetime) -> pl.Expr:
    return pl.lit(time).cast(VALUES["first_seen_at"])


def _compare(rows: pl.DataFrame, known: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """New rows, and rows that differ from the newest stored version, with its `available_at` in `corrects`."""
    newest = known.sort("first_seen_at", "available_at").unique(KEY, keep="last")
    joined = rows.join(
        newest.select(*KEY, stored="value", corrects="available_at"), on=KEY, how="left", maintain_order="left"
    )
    fresh = joined.filter(pl.col("stored").is_null()).drop("stored", "corrects")
    return fresh, joined.filter(pl.col("stored") != pl.col("value")).drop("stored")


def _compare_vintages(rows: pl.DataFrame, known: pl.DataFrame, key: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    stored = known.sort("first_seen_at").unique(key, keep="last").select(*key, stored="value")
    joined = rows.join(stored, on=key, how="left", maintain_order="left")
    fresh = joined.filter(pl.col("stored").is_null()).drop("stored")
    differing = joined.filter(pl.col("stored") != pl.col("value")).drop("stored")
    differing = differing.with_columns(corrects="available_at")
    # A vintage that was corrected before keeps its first value at its own time: the code above handles the correction.
    seen = known.filter(pl.col("basis") == Basis.SEEN.value).select(*KEY, "value", corrected_at="available_at")
    settled = (
        differing.join(seen, on=[*KEY, "value"], how="inner")
        .filter(pl.col("corrected_at") > pl.col("available_at"))
        .select(*key)
        .unique()
    )
    return fresh, differing.join(settled, on=key, how="anti", maintain_order="left")


def _without_seen_again(fresh: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """New vintages without values that were already known when they were seen: a read as of any time gives the same."""
    seen = pl.col("basis") == Basis.SEEN.value
    if fresh.filter(seen).is_empty():
        return fresh
    key = [*KEY, "available_at"]
    before = known.sort("first_seen_at").select(*key, "value", "basis", is_new=pl.lit(False))
    vintages = pl.concat([before, fresh.select(*key, "value", "basis", is_new=pl.lit(True))])
    told = vintages.sort("available_at", maintain_order=True).with_columns(before=pl.col("value").shift().over(KEY))
    again = told.filter("is_new", seen, pl.col("value") == pl.col("before"))
    return fresh.join(again, on=key, how="anti", maintain_order="left")
