"""From stamps in text, in any form that a publisher writes, to UTC."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from power_nowcast.contracts import UTC, Reason
from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest.parsing.stamp_forms import EXCEL, Stamp, offset_of, read_clock, read_excel, read_stamp
from power_nowcast.ingest.parsing.wallclock import to_utc

_OFFSET = r"(?:Z|[+-]\d\d:?\d\d)$"
_LAYOUTS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")
_LEAP_SECOND = r":60(?:\D|$)"
_MIDNIGHT = r"(^|\D)24([:.hH]?00(?:[:.]?00(?:[.,]0+)?)?)(\D*|\s*(?:[+-]\d\d:?\d\d|Z))$"
"""24:00 with the text that may stand around it."""
_LOCAL = pl.Datetime("us")
_HOUR = 3600


def times(
    stamps: pl.Series,
    options: Mapping[str, object],
    origin: str,
    *,
    timezone: str,
    label: str = "instant",
    sequence: pl.Series | None = None,
    may_lack_time: bool = True,
) -> tuple[pl.Series, pl.Series]:
    """UTC times (null where unreadable), and faults that only the time zone explains.

    Args:
        stamps: text in a form that can mean one thing only, unless the option `stamp_format` says which it is.
        options: `stamp_format`; `time_zone` of stamps without an offset; `ambiguous`: which one (earliest, latest) a
            stamp of the repeated hour means if the hour stands there once; without it that is a fault.
        origin: name of the file.
        timezone: the region's; names of offsets such as EST have their meaning in it, or in the option `time_zone`.
        label: what a stamp means: "instant", or the "start" or "end" of an interval.
        sequence: what each row belongs to; within it the order separates the passes of a repeated hour.
        may_lack_time: whether a single stamp without a time of day is that day's midnight.

    Raises:
        SourceFormatError: a stamp has neither an offset nor a time zone.
    """
    text = stamps.cast(pl.String).str.strip_chars()
    zone = options.get("time_zone")
    form = options.get("stamp_format")
    zones = (str(zone), timezone) if zone else (timezone,)
    local, aware = _by_format(text, form) if isinstance(form, str) else _by_form(text, zones, may_lack_time)
    naive = text.filter(local.is_not_null())
    if len(naive) and zone is None:
        raise SourceFormatError(
            f"{origin}: the stamp {naive[0]} has no offset from UTC, in the column {stamps.name}.",
            remedy='Write 2019-06-30T23:55:00Z or +02:00, or set the source\'s option time_zone = "UTC" (or another).',
            file=origin,
            stamp=naive[0],
        )
    if zone is None:
        return aware.cast(UTC), pl.Series("fault", [None] * len(aware), pl.String)
    side = options.get("ambiguous")
    told = to_utc(local, str(zone), sequence=sequence, label=label, ambiguous=None if side is None else str(side))
    return told["at"].fill_null(aware.cast(UTC)), told["fault"]


def publish_times(
    stamps: pl.Series, options: Mapping[str, object], origin: str, *, timezone: str
) -> tuple[pl.Series, pl.Series]:
    """UTC times at which rows were published (null where there is none), and the faults of unreadable ones.

    In the repeated hour the later pass counts, so that nothing is known too early. A date alone is no time. Stamps that
    do not have the form of `stamp_format` may have a form that can mean one thing only.
    """
    later = {**options, "ambiguous": "latest"}
    at, fault = times(stamps, later, origin, timezone=timezone, may_lack_time=False)
    if options.get("stamp_format"):
        rest = pl.select(pl.when(at.is_null()).then(stamps).alias(stamps.name)).to_series()
        by_form, _ = times(rest, {**later, "stamp_format": None}, origin, timezone=timezone, may_lack_time=False)
        at = at.fill_null(by_form)
    is_there = stamps.cast(pl.String).str.strip_chars().fill_null("") != ""
    unread = pl.select(
        pl.when(is_there & at.is_null()).then(pl.lit(Reason.UNREADABLE_STAMP.value)).alias("fault")
    ).to_series()
    return at, unread.fill_null(fault)


def with_dates(clocks: pl.Series, days: pl.Series, sequence: pl.Series) -> pl.Series:
    """Add the date before stamps that have only a time of day; others stay as they are.

    A time that goes back by an hour or more is of the next day; by less, it is the repeat of an autumn hour. Sequences
    may be sorted from new to old.

    Args:
        clocks: text.
        days: for each row, the date of its file.
        sequence: what each row belongs to.
    """
    text = clocks.cast(pl.String).str.strip_chars()
    distinct = text.drop_nulls().unique()
    read = {one: clock for one in distinct if (clock := read_clock(one)) is not None}
    seconds = text.replace_strict(
        {one: int(clock.total_seconds()) for one, clock in read.items()}, default=None, return_dtype=pl.Int64
    )
    frame = pl.DataFrame({"text": text, "day": days, "sequence": sequence, "seconds": seconds}).with_row_index("row")
    own = frame.filter(pl.col("seconds").is_not_null())
    step = pl.col("seconds").diff().over("sequence").fill_null(0)
    direction = pl.when(pl.col("step").abs() > 12 * _HOUR).then(-1).otherwise(1)
    own = own.with_columns(step=step).with_columns(
        # A step of more than half a day goes round midnight, in the opposite direction.
        is_falling=((pl.col("step") * direction < 0).sum() > (pl.col("step") * direction > 0).sum()).over("sequence"),
        forward=(pl.col("step") <= -_HOUR).cast(pl.Int64).cum_sum().over("sequence"),
        backward=(pl.col("step") >= _HOUR).cast(pl.Int64).cum_sum().over("sequence"),
    )
    later = (
        pl.when("is_falling").then(pl.col("backward").max().over("sequence") - pl.col("backward")).otherwise("forward")
    )
    dated = own.select(
        "row",
        dated=pl.format(
            "{} {}",
            (pl.col("day") + pl.duration(days=later)).dt.strftime("%Y-%m-%d"),
            pl.col("text").str.replace(r"^(\d[:.])", "0${1}"),
        ),
    )
    joined = frame.join(dated, on="row", how="left", maintain_order="left")
    return joined.select(pl.coalesce("dated", "text").alias(clocks.name)).to_series()


def _by_form(text: pl.Series, zones: tuple[str, ...], may_lack_time: bool) -> tuple[pl.Series, pl.Series]:
    """Wall clock of stamps without an offset, and UTC of the others; null if neither."""
    frame = pl.DataFrame({"text": text})
    offset = pl.col("text").str.contains(_OFFSET)
    bare = pl.col("text").str.replace("T", " ", literal=True)
    local = pl.coalesce(bare.str.to_datetime(layout, time_unit="us", strict=False) for layout in _LAYOUTS)
    aware = pl.coalesce(
        bare.str.replace("Z$", "+00:00").str.to_datetime(f"{layout}%z", time_unit="us", strict=False, time_zone="UTC")
        for layout in _LAYOUTS
    )
    is_time = ~pl.col("text").str.contains(_LEAP_SECOND)
    frame = frame.with_columns(
        local=pl.when(~offset & is_time).then(local),
        aware=pl.when(offset & is_time).then(aware),
    )
    rest = frame.filter(pl.all_horizontal(pl.col("local", "aware").is_null()))["text"].drop_nulls().unique()
    read = {one: stamp for one in rest if (stamp := read_stamp(one)) is not None}
    if not read:
        return frame["local"], frame["aware"]
    if _is_dates_only(frame, read, 1 if may_lack_time else 0):
        read = {}
    known = {one: _known(stamp, zones) for one, stamp in read.items()}
    more = [
        pl.col("text").replace_strict(
            {one: pair[place] for one, pair in known.items()}, default=None, return_dtype=_LOCAL
        )
        for place in (0, 1)
    ]
    return (
        frame.select(pl.col("local").fill_null(more[0]))["local"],
        frame.select(pl.col("aware").fill_null(more[1].dt.replace_time_zone("UTC")))["aware"],
    )


def _is_dates_only(frame: pl.DataFrame, read: Mapping[str, Stamp], allowed: int) -> bool:
    """Whether more rows than are allowed have a date and none has a time of day: they mean no time.

    Among other stamps a date is the midnight of that day, which some publishers write without its time.
    """
    without = [one for one, stamp in read.items() if not stamp.has_clock]
    rows = frame.filter(pl.col("text").is_in(without))
    others = len(read) > len(without) or frame["local"].count() + frame["aware"].count() > 0
    return len(rows) > allowed and not others


def _known(stamp: Stamp, zones: tuple[str, ...]) -> tuple[datetime | None, datetime | None]:
    """Wall clock, or naive UTC; neither if the name of the offset has no meaning in these zones."""
    if stamp.offset is None and stamp.name is None:
        return stamp.local, None
    offset = offset_of(stamp, *zones)
    return None, None if offset is None else stamp.local - offset


def _by_format(text: pl.Series, form: str) -> tuple[pl.Series, pl.Series]:
    """Wall clock or UTC of stamps in the publisher's own form; 24:00 is the end of a day."""
    if form == EXCEL:
        read = {one: time for one in text.drop_nulls().unique() if (time := read_excel(one)) is not None}
        return text.replace_strict(read, default=None, return_dtype=_LOCAL), _nothing(text)
    is_aware = "%z" in form
    if "%H" in form and "%M" not in form and not is_aware:
        text, form = text + ":00", f"{form}:%M"

    def read_all(texts: pl.Series) -> pl.Series:
        return texts.str.to_datetime(form, time_unit="us", strict=False, time_zone="UTC" if is_aware else None)

    found = read_all(text)
    if is_aware and found.null_count():
        found = found.fill_null(read_all(text.str.replace(r"\s*(?:Z|UTC|GMT)$", "+0000")))
        found = found.fill_null(read_all(text.str.replace(r"([+-]\d\d)$", "${1}00")))
    if found.null_count():
        ends = text.str.replace(_MIDNIGHT, "${1}00${2}${3}")
        found = found.fill_null(read_all(ends).dt.offset_by("1d"))
    if not is_aware:
        return found, _nothing(text)
    return pl.Series([None] * len(text), dtype=_LOCAL), found.cast(UTC)


def _nothing(text: pl.Series) -> pl.Series:
    return pl.Series([None] * len(text), dtype=UTC)
