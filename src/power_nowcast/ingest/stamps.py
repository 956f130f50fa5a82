"""Stamps as text, in whatever form a publisher writes them, as UTC."""

from collections.abc import Mapping

import polars as pl

from power_nowcast.contracts import UTC, Reason
from power_nowcast.errors import SourceFormatError

OFFSET = r"(?:Z|[+-]\d\d:?\d\d)$"


def times(stamps: pl.Series, options: Mapping[str, object], origin: str) -> tuple[pl.Series, pl.Series]:
    """UTC times (null where unreadable), and the faults of those that only the time zone explains.

    Args:
        stamps: text; ISO 8601 unless the option `stamp_format` says otherwise.
        options: `stamp_format`, `time_zone` of stamps without an offset, and `ambiguous`: which one (earliest, latest)
            a stamp of the repeated hour means, a fault without it.
        origin: name of the file.

    Raises:
        SourceFormatError: a stamp has neither an offset nor a time zone.
    """
    frame = pl.DataFrame({"stamp": stamps.cast(pl.String).str.strip_chars()})
    form = options.get("stamp_format")
    zone = options.get("time_zone")
    offset = pl.col("stamp").str.contains(OFFSET)
    bare = pl.col("stamp").str.replace("T", " ", literal=True)
    if isinstance(form, str):
        local = pl.col("stamp").str.to_datetime(
            form, time_unit="us", strict=False, time_zone="UTC" if "%z" in form else None
        )
        if "%z" in form:
            frame = frame.select(at=local, fault=pl.lit(None, pl.String))
            return frame["at"].cast(UTC), frame["fault"]
        offset = pl.lit(False)
    else:
        layouts = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M")
        local = pl.coalesce(bare.str.to_datetime(layout, time_unit="us", strict=False) for layout in layouts)
    layouts = ("%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M%z")
    aware = pl.coalesce(
        bare.str.replace("Z$", "+00:00").str.to_datetime(layout, time_unit="us", strict=False, time_zone="UTC")
        for layout in layouts
    )
    frame = frame.with_columns(local=pl.when(~offset).then(local), aware=pl.when(offset).then(aware))
    naive = frame.filter(pl.col("local").is_not_null())
    if len(naive) and zone is None:
        raise SourceFormatError(
            f"{origin}: the stamp {naive['stamp'][0]} has no offset from UTC.",
            remedy='Write 2019-06-30T23:55:00Z or +02:00, or set the source\'s option time_zone = "UTC" (or another).',
            file=origin,
            stamp=naive["stamp"][0],
        )
    if zone is None:
        return frame["aware"].cast(UTC), pl.Series("fault", [None] * len(frame), pl.String)
    both = [
        pl.col("local")
        .dt.replace_time_zone(str(zone), ambiguous=side, non_existent="null")
        .dt.convert_time_zone("UTC")
        .alias(side)
        for side in ("earliest", "latest")
    ]
    ambiguous = pl.col("earliest") != pl.col("latest")
    side = options.get("ambiguous")
    frame = frame.with_columns(both).select(
        at=pl.when(~ambiguous)
        .then("earliest")
        .otherwise(pl.col(str(side)) if side else None)
        .fill_null(pl.col("aware")),
        fault=pl.when(ambiguous & pl.lit(side is None)).then(pl.lit(Reason.AMBIGUOUS_STAMP.value)),
    )
    return frame["at"].cast(UTC), frame["fault"]
