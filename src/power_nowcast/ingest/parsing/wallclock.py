"""Local wall clock times to UTC, across the repeated hour of autumn and the skipped hour of spring."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from power_nowcast.contracts import UTC, Reason

_INSTANT = pl.duration(microseconds=1)

NONE, FIRST, SECOND, UNCLEAR, ONCE = range(5)
"""What the order of a sequence says about a time: nothing, the first pass, the second pass, several times without a
clear order, or once."""


def to_utc(
    local: pl.Series,
    zone: str,
    *,
    sequence: pl.Series | None = None,
    label: str = "instant",
    ambiguous: str | None = None,
) -> pl.DataFrame:
    """Columns `at` (UTC, null where the clock never shows such a time) and `fault` (a Reason, or null).

    The repeated hour: if it stands twice in a sequence, one pass after the other, the order shows which is which, also
    in sequences sorted from new to old. If it stands once, `ambiguous` decides; without that option the row has a
    fault. Rows without a clear order have a fault in any case: no value gets the time of the other pass.

    The skipped hour: its times do not exist, except for its first moment if `label` is "end": an interval ends there.
    In the same way an interval that ends with the first pass of the repeated hour may be labelled by the hour's end.

    Args:
        local: naive times, null where there is no time.
        zone: IANA time zone.
        sequence: what a row belongs to (a series, a file); the order of rows counts within it. None: the order says
            nothing, and every time counts as standing there once.
        label: what a time means: "instant", or the "start" or "end" of an interval.
        ambiguous: "earliest" or "latest", for times of the repeated hour that stand there once.
    """
    frame = pl.DataFrame({"local": local}).with_columns(
        *_both("local", zone), pl.lit(NONE).alias("pass"), sequence=pl.lit(0) if sequence is None else sequence
    )
    is_repeated = pl.col("earliest") != pl.col("latest")
    first, second, is_edge = pl.col("earliest"), pl.col("latest"), pl.lit(False)
    if label == "end":
        frame = frame.with_columns(before=pl.col("local") - _INSTANT)
        frame = frame.with_columns(_both("before", zone, suffix="_before"))
        first, second = (
            pl.coalesce(side, pl.col(f"{side}_before") + _INSTANT).alias(side) for side in ("earliest", "latest")
        )
        # The hour's end stands there once as an instant, and twice if it labels each pass of the hour.
        is_edge = (
            ~is_repeated & pl.col("earliest").is_not_null() & (pl.col("earliest_before") != pl.col("latest_before"))
        )
        first = pl.when(is_edge).then(pl.col("earliest_before") + _INSTANT).otherwise(first)
    frame = frame.with_columns(first=first, second=second, is_edge=is_edge.fill_null(False), inside=is_repeated)
    frame = frame.with_columns(inside=(pl.col("inside") | pl.col("is_edge")).fill_null(False))
    if frame["inside"].any():
        frame = frame.with_columns(_told(frame, by_order=sequence is not None))
    told = pl.col("pass")
    unknown = (told == UNCLEAR) | ((told == ONCE) & pl.lit(ambiguous is None))
    is_first = (told == FIRST) | ((told == ONCE) & pl.lit(ambiguous == "earliest"))
    return frame.select(
        at=pl.when(~unknown).then(pl.when(is_first).then("first").otherwise("second")).cast(UTC),
        fault=pl.when(unknown).then(pl.lit(Reason.AMBIGUOUS_STAMP.value)),
    )


def _both(name: str, zone: str, suffix: str = "") -> list[pl.Expr]:
    """UTC of naive times as the first and as the second pass of a repeated hour; null where they do not exist."""
    return [
        pl.col(name)
        .dt.replace_time_zone(zone, ambiguous=side, non_existent="null")
        .dt.convert_time_zone("UTC")
        .alias(f"{side}{suffix}")
        for side in ("earliest", "latest")
    ]


def _told(frame: pl.DataFrame, *, by_order: bool) -> pl.Series:
    """What the order says about each row, as numbers."""
    if not by_order:
        repeated = frame["inside"] & ~frame["is_edge"]
        return pl.select(pl.when(repeated).then(ONCE).otherwise(NONE).alias("pass")).to_series()
    result = np.full(len(frame), NONE)
    rows = frame.with_row_index("row").filter(pl.col("local").is_not_null())
    touched = rows.filter(pl.col("inside").any().over("sequence"))
    for _, part in touched.group_by("sequence", maintain_order=True):
        result[part["row"].to_numpy()] = passes(
            part["local"].to_numpy().astype("datetime64[us]").astype(np.int64),
            part["inside"].to_numpy(),
            part["is_edge"].to_numpy(),
            (part["second"] - part["first"]).dt.total_microseconds().fill_null(0).to_numpy(),
        )
    return pl.Series("pass", result)


def passes(
    local: NDArray[np.int64], inside: NDArray[np.bool_], is_edge: NDArray[np.bool_], fold: NDArray[np.int64]
) -> NDArray[np.int64]:
    """FIRST, SECOND, UNCLEAR, ONCE or NONE for each time of one sequence; all arrays of shape (row,).

    Args:
        local: wall clock in microseconds, in the order of the file.
        inside: whether a time lies in the repeated hour (or is its end, where the label is one).
        is_edge: whether it is that end.
        fold: length of the repeated hour in microseconds, for times inside.
    """
    steps = np.diff(local)
    rising, falling = (steps > 0).sum(), (steps < 0).sum()
    if falling > rising:
        return passes(local[::-1], inside[::-1], is_edge[::-1], fold[::-1])[::-1]
    spacing = np.median(np.abs(steps[steps != 0])) if rising + falling else 0.0
    result = np.full(len(local), NONE)
    places = np.flatnonzero(inside)
    stamps, counts = np.unique(local[places], return_counts=True)
    several = stamps[counts > 1]
    for run in np.split(places, np.flatnonzero(np.diff(places) != 1) + 1):
        times = local[run]
        step = np.diff(times)
        # Hourly values may stand side by side; closer ones do only if a row is repeated.
        back = np.flatnonzero((step < 0) | ((step == 0) & (spacing >= fold[run].max(initial=1))))
        one, two = (times[: back[0] + 1], times[back[0] + 1 :]) if len(back) == 1 else (times[:0], times[:0])
        if rising > falling and np.intersect1d(one, two).size:
            result[run] = np.where(np.arange(len(run)) <= back[0], FIRST, SECOND)
        elif len(back):
            result[run] = UNCLEAR
        else:
            result[run] = np.where(is_edge[run], NONE, np.where(np.isin(times, several), UNCLEAR, ONCE))
    return result
