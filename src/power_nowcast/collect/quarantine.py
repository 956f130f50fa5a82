"""What fell out on the way into the tables, by reason, with examples."""

from dataclasses import dataclass
from datetime import datetime

from power_nowcast.regions import Region
from power_nowcast.store import Store

EXAMPLES = 3
"""Examples of each reason."""


@dataclass(frozen=True)
class FellOut:
    """The rows of a table that fell out for one reason: their number, their first and last time (None where none can be
    read), their series, and some of them as received.
    """

    table: str
    reason: str
    rows: int
    first: datetime | None
    last: datetime | None
    series: tuple[str, ...]
    examples: tuple[str, ...]


def fell_out(store: Store, region: Region, *, examples: int = EXAMPLES) -> list[FellOut]:
    """The region's quarantine by table and reason, the most frequent reason first.

    Examples are spread evenly over the rows of a reason, in the order in which they were received.

    Raises:
        StoreError: the quarantine cannot be read.
    """
    rows = store.read_quarantine(region.name)
    found = []
    for (table, reason), chosen in rows.group_by(["table", "reason"], maintain_order=True):
        step = max(1, len(chosen) // examples)
        shown = chosen.gather_every(step).head(examples)
        found.append(
            FellOut(
                table=str(table),
                reason=str(reason),
                rows=len(chosen),
                first=_time(chosen["at"].min()),
                last=_time(chosen["at"].max()),
                series=tuple(chosen["series"].drop_nulls().unique().sort()),
                examples=tuple(_told(row) for row in shown.iter_rows(named=True)),
            )
        )
    return sorted(found, key=lambda one: (-one.rows, one.table, one.reason))


def _time(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _told(row: dict[str, object]) -> str:
    """A row as it was received, why it fell out, and its file.

    >>> _told({"value": "n/a", "series": "N", "stamp": "01.05. 00:15", "detail": "", "origin": "a.csv"})
    "'n/a' of N at '01.05. 00:15' in a.csv"
    """
    value = "no value" if row["value"] in (None, "") else repr(row["value"])
    of = "" if row["series"] is None else f" of {row['series']}"
    detail = f" ({row['detail']})" if row["detail"] else ""
    return f"{value}{of} at {row['stamp']!r} in {row['origin']}{detail}"
