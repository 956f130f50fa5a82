"""The nine numbers of the watch: pure functions of rows that the tables have.

Each gives rows of `MEASURED`. Which value is too much is not said here but in `rules`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import polars as pl

from power_nowcast.bundle.windows import DAY, HOUR, THREE_DAYS, WEEK, rolling, together
from power_nowcast.checks.shape import CALM_SHARE
from power_nowcast.contracts.rungs import Rung
from power_nowcast.contracts.times import EPOCH
from power_nowcast.store.events import Event, Kind


class Number(StrEnum):
    """The nine numbers."""

    AGE = "age"  # minutes since the newest value of a table, and since the newest nowcast; of a zone, standing still
    FRESH = "fresh"  # share of intervals with a nowcast in time; about a rung, the share that it answered
    LOSS = "loss"  # pinball loss in units of that of persistence
    COVERAGE = "coverage"  # of the band of 80 %
    BIAS = "bias"  # mean error of a 4-hour block of the day, in units of persistence's mean absolute error
    WITHHELD = "withheld"  # values in quarantine, and nowcasts that were held back
    JUMPS = "jumps"  # share of publications whose median left the band of 80 % that was published before
    LOOP = "loop"  # the longest time in seconds from the data to the publication
    HEARTBEAT = "heartbeat"  # minutes for which the outside address has not taken the heartbeat


NOWCAST, MODEL = "nowcast", "model"
"""What the ages of the newest nowcast and of the training are about; others are about a table, or a zone that stands
still."""
MEASURED = pl.Schema(
    {
        "number": pl.String(),  # a Number
        "about": pl.String(),  # a table, a rung, or a series; empty for the region
        "block": pl.Int64(),  # 4-hour block of the local day; null if the number is not told by block
        "minutes": pl.Int64(),  # length of the window; 0 for a moment
        "value": pl.Float64(),
        "n": pl.Int64(),  # pairs, intervals or values behind it
    }
)
"""One row for each value of a number."""


def ages(
    known: Mapping[str, datetime | None],
    published_at: datetime | None,
    at: datetime,
    trained_until: datetime | None = None,
) -> pl.DataFrame:
    """Minutes since the newest value of each table, since the newest nowcast, and since the end of training; nothing
    for what is empty.

    Args:
        known: by table, the time of its newest value, as `live.sources.newest_by_table` gives it.
        published_at: when the newest nowcast was published.
        at: the moment.
        trained_until: the last moment that the version that answers has learnt from.
    """
    times = {**known, NOWCAST: published_at, MODEL: trained_until}
    return _measured(
        [
            {"number": Number.AGE, "about": name, "minutes": 0, "value": (at - time) / timedelta(minutes=1), "n": 1}
            for name, time in times.items()
            if time is not None
        ]
    )


def still(values: pl.DataFrame, most_mw: Mapping[str, float], interval: timedelta) -> pl.DataFrame:
    """Minutes from the first to the last of the equal values that are a zone's newest ones.

    A single repetition is usual, and so is calm: zones with fewer than three equal values, or with values of at most
    `CALM_SHARE` of their plausible maximum, have no row.

    Args:
        values: the newest values of power; columns `series`, `valid_at`, `value`. Other columns do not count.
        most_mw: the plausible maximum by zone.
        interval: the region's interval; a longer gap between two values ends a row of equal ones.
    """
    known = values.drop_nulls("value").filter(pl.col("series").is_in(list(most_mw))).sort("series", "valid_at")
    other = (pl.col("value") != pl.col("value").shift()) | (pl.col("valid_at").diff() > interval)
    begins = (pl.col("series") != pl.col("series").shift()) | other
    runs = known.with_columns(run=begins.fill_null(value=True).cum_sum())
    newest = runs.filter(pl.col("run") == pl.col("run").max().over("series"))
    told = newest.group_by("series", maintain_order=True).agg(
        pl.col("value").first(), first=pl.col("valid_at").min(), last=pl.col("valid_at").max(), n=pl.len()
    )
    return _measured(
        [
            {"number": Number.AGE, "about": name, "minutes": 0, "value": (last - first) / timedelta(minutes=1), "n": n}
            for name, value, first, last, n in told.iter_rows()
            if n > 2 and abs(value) > CALM_SHARE * most_mw[name]
        ]
    )


def fresh(
    heads: pl.DataFrame, interval: timedelta, minutes: int, at: datetime, *, since: datetime | None
) -> pl.DataFrame:
    """The share of intervals with a nowcast that was published before the interval was over, and by rung.

    Args:
        heads: rows of `live.records.heads`.
        interval: the region's interval.
        minutes: length of the window.
        at: its end; an interval counts once it is over.
        since: the first issue time that counts, or one before the window. None: there is no nowcast.
    """
    if since is None:
        return MEASURED.to_frame()
    begin = max(at - timedelta(minutes=minutes), since - interval)
    inside = pl.col("issue_time").is_between(begin, at - interval, closed="right")
    expected = (at - interval - EPOCH) // interval - (begin - EPOCH) // interval
    if expected < 1:
        return MEASURED.to_frame()
    in_time = heads.filter(
        inside, "is_live", pl.col("revision") == 0, pl.col("published_at") < pl.col("issue_time") + interval
    )
    count = in_time["issue_time"].n_unique()
    rows = [{"number": Number.FRESH, "about": "", "minutes": minutes, "value": count / expected, "n": expected}]
    for rung, number in in_time.group_by("rung").agg(pl.len()).sort("rung").iter_rows():
        share = number / len(in_time) * count / expected
        rows.append({"number": Number.FRESH, "about": rung, "minutes": minutes, "value": share, "n": number})
    return _measured(rows)


def by_rule(measured: pl.DataFrame) -> float:
    """The share of intervals and series that a rule has answered in place of the model, from rows of `fresh`."""
    rules = [rung.value for rung in Rung if not rung.is_model]
    return float(measured.filter(pl.col("number") == Number.FRESH, pl.col("about").is_in(rules))["value"].sum())


def accuracy(tallies: pl.DataFrame, pairs_an_hour: float, at: datetime) -> pl.DataFrame:
    """Loss over a day and a week, coverage over a week, and bias over a week by block, of each series; the coverage of
    all series together over three days.

    Args:
        tallies: rows of `bundle.windows.TALLIES`.
        pairs_an_hour: the most pairs that a series has in an hour.
        at: the moment; windows end with the last hour before it, those of a block with its last hour.
    """
    tallies = tallies.filter(pl.col("hour") <= at)
    if tallies.is_empty():
        return MEASURED.to_frame()
    newest = at - timedelta(minutes=HOUR), at - timedelta(minutes=DAY)
    day, three, week, blocks = (
        rolling(tallies, minutes, pairs_an_hour, by_block=by).filter(pl.col("hour") > since)
        for minutes, by, since in (
            (DAY, False, newest[0]),
            (THREE_DAYS, False, newest[0]),
            (WEEK, False, newest[0]),
            (WEEK, True, newest[1]),
        )
    )
    blocks = blocks.group_by("series", "block", maintain_order=True).last()
    parts = [
        _of_figures(day, Number.LOSS, "loss", DAY),
        _of_figures(week, Number.LOSS, "loss", WEEK),
        _of_figures(week, Number.COVERAGE, "coverage", WEEK),
        _of_figures(together(three), Number.COVERAGE, "coverage", THREE_DAYS),
        _of_figures(blocks, Number.BIAS, "bias", WEEK),
    ]
    return pl.concat(parts)


def withheld(events: list[Event], quarantine: pl.DataFrame, minutes: int, at: datetime) -> pl.DataFrame:
    """The number of values in quarantine and of nowcasts held back, by series.

    Args:
        events: the events of the window; others do not count.
        quarantine: rows of `contracts.QUARANTINE`; those of a stamp before the window do not count, so that a backfill
            of old files raises no alarm.
        minutes: length of the window.
        at: its end.
    """
    begin = at - timedelta(minutes=minutes)
    rows = quarantine.filter(
        pl.col("first_seen_at").is_between(begin, at, closed="right"), pl.col("at").is_null() | (pl.col("at") > begin)
    )
    names = [one.about for one in events if one.kind is Kind.HELD_BACK and begin < one.at <= at]
    names += rows["series"].fill_null("").to_list()
    counted = {name: names.count(name) for name in sorted(set(names))}
    return _measured(
        [
            {"number": Number.WITHHELD, "about": name, "minutes": minutes, "value": float(count), "n": count}
            for name, count in counted.items()
        ]
    )


def jumps(tallies: pl.DataFrame, publications_an_hour: float, at: datetime) -> pl.DataFrame:
    """The share of a day's live publications whose median left the band that was published before, by series.

    Args:
        tallies: rows of `bundle.windows.TALLIES` of publications; those without a jump count as inside.
        publications_an_hour: the most that an hour has.
        at: the moment; the day ends with the last hour before it.
    """
    tallies = tallies.filter(pl.col("hour") <= at)
    if tallies.is_empty():
        return MEASURED.to_frame()
    day = rolling(tallies, DAY, publications_an_hour).filter(pl.col("hour") > at - timedelta(minutes=HOUR))
    return _of_figures(day.with_columns(jumps=1 - pl.col("coverage")), Number.JUMPS, "jumps", DAY)


def loop_time(heads: pl.DataFrame, minutes: int, at: datetime) -> pl.DataFrame:
    """The longest time in seconds from the moment whose data a live nowcast has to its publication.

    Args:
        heads: rows of `live.records.heads`.
        minutes: length of the window.
        at: its end.
    """
    begin = at - timedelta(minutes=minutes)
    told = heads.filter("is_live", pl.col("published_at").is_between(begin, at, closed="right"))
    took = (told["published_at"] - told["known_at"]).dt.total_microseconds() / 1e6
    if told.is_empty():
        return MEASURED.to_frame()
    count = told["issue_time"].n_unique()
    return _measured([{"number": Number.LOOP, "about": "", "minutes": minutes, "value": took.max(), "n": count}])


def heartbeat(lost_since: datetime | None, at: datetime) -> pl.DataFrame:
    """The minutes for which the outside address has not taken the heartbeat; 0 if it took the last one.

    Args:
        lost_since: when the first of the heartbeats that it has not taken was sent; None if it took the last one.
        at: the moment.
    """
    value = 0.0 if lost_since is None else (at - lost_since) / timedelta(minutes=1)
    return _measured([{"number": Number.HEARTBEAT, "about": "", "minutes": 0, "value": value, "n": 1}])


def _measured(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, pl.Schema({name: kind for name, kind in MEASURED.items() if name != "block"})).select(
        pl.lit(None, pl.Int64).alias(name) if name == "block" else pl.col(name) for name in MEASURED
    )


def _of_figures(figures: pl.DataFrame, number: Number, column: str, minutes: int) -> pl.DataFrame:
    """Rows of `MEASURED` of one column of `rolling`; a figure that would divide by zero is left out."""
    block = pl.col("block") if "block" in figures.columns else pl.lit(None, pl.Int64)
    return figures.select(
        number=pl.lit(number.value),
        about=pl.col("series"),
        block=block,
        minutes=pl.lit(minutes, pl.Int64),
        value=pl.col(column),
        n=pl.col("n"),
    ).drop_nulls("value")
