"""The message about a file of which no row, or too few, can be used."""

from collections.abc import Mapping

import polars as pl

from power_nowcast.contracts import Batch, Reason
from power_nowcast.errors import SourceFormatError
from power_nowcast.ingest.names import listed
from power_nowcast.ingest.parsing.stamp_forms import why_not
from power_nowcast.regions import Region

_NONE = "none of its {:,} rows can be used"
_REMEDIES = {
    Reason.NOT_A_NUMBER: "If these are numbers, set the source's options decimal, thousands or separator.",
    Reason.NEGATIVE: "If they may be negative, set the source's option allow_negative = true.",
    Reason.ZERO: "If these zeros are true, set allow_zero = true for the zone in the region file.",
    Reason.IMPLAUSIBLE: "Correct the source's option unit, or max_mw of the zones in the region file.",
}


def reasons_of(quarantined: pl.DataFrame) -> dict[str, int]:
    """The number of rows of `contracts.BAD_ROWS` by reason, the most frequent first."""
    counts = quarantined["reason"].value_counts(sort=True)
    return {str(reason): int(count) for reason, count in sorted(counts.iter_rows(), key=lambda one: (-one[1], one[0]))}


def told(reasons: Mapping[str, int]) -> str:
    """Reasons and counts for a summary.

    >>> told({"duplicate": 1200, "spike": 1})
    'duplicate 1,200, spike 1'
    """
    return ", ".join(f"{reason} {count:,}" for reason, count in reasons.items())


def unusable(batch: Batch, region: Region) -> SourceFormatError:
    """The error of a file whose rows, or most of them, are in quarantine: reasons, an example, what to write."""
    reasons = reasons_of(batch.quarantined)
    first = next(iter(reasons))
    row = batch.quarantined.filter(pl.col("reason") == first).row(0, named=True)
    spec = region.spec(batch.table)
    options = {} if spec is None else spec.options
    columns = options.get("columns", {}) if isinstance(options.get("columns", {}), Mapping) else {}
    column = columns.get("valid_at", "valid_at")
    stamp = f"{row['stamp']!r} in the column {column if isinstance(column, str) else ' and '.join(column)}"
    if first == Reason.UNREADABLE_STAMP:
        published = row["stamp"].partition(" published ")[2] if row["at"] is not None else ""
        why, remedy = why_not(published or row["stamp"])
        example = f"{published!r} in the column {columns.get('written', 'written')}" if published else stamp
        if options.get("stamp_format"):
            why, remedy = f"is not of the form {options['stamp_format']!r}", "Correct the source's option stamp_format."
        example = f"{example} {why}"
    elif first == Reason.AMBIGUOUS_STAMP:
        example = f"{stamp} is a time of the repeated hour"
        remedy = (
            'Write stamps with their offset from UTC, or set the source\'s option ambiguous = "earliest" (or latest).'
        )
    elif first == Reason.UNKNOWN_SERIES:
        example = (
            f"the file has {listed(batch.quarantined['series'].unique().sort())}, the region {listed(region.series)}"
        )
        remedy = "Say what they are by the source's option series, or correct the names in the region file."
    else:
        of = "" if row["series"] is None else f" of {row['series']}"
        detail = f" ({row['detail']})" if row["detail"] else ""
        example = f"{row['value']!r}{of} at {row['stamp']} is {first}{detail}"
        remedy = _REMEDIES.get(
            Reason(first),
            f"Look at the file; after an ingest, nowcast data quarantine --region {region.name} shows it all.",
        )
    bad = len(batch.quarantined)
    lost = f"{bad:,} of its {bad + batch.passed:,} rows cannot be used" if batch.passed else _NONE.format(bad)
    return SourceFormatError(
        f"{batch.origin}: {lost} ({told(reasons)}): {example}.",
        remedy=remedy,
        file=batch.origin,
        table=batch.table.value,
        reasons=reasons,
    )
