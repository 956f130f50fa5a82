"""The point-in-time tables: their columns, the meaning of each time in a row, and the reasons to reject a row.

`valid_at` is the END of the interval that a value measures (or its instant). `available_at` is the earliest time at
which the value could be known, `basis` is the evidence for that time, and `first_seen_at` is the time at which this
system stored the value.
"""

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from power_nowcast.contracts.times import UTC


class Basis(StrEnum):
    """The evidence for `available_at`."""

    SEEN = "seen"  # the time at which this system received the row
    WRITTEN = "written"  # the publisher's own time of the file
    SCHEDULE = "schedule"  # the publisher's fixed hour of publication
    DELAY = "delay"  # an archive: valid_at plus the source's usual delay; a backtest may add a delay of its own


class Table(StrEnum):
    """The point-in-time tables; all share `VALUES`."""

    POWER = "power"
    WEATHER = "weather"  # as observed
    FORECAST = "forecast"  # the operator's own, of power
    WEATHER_FORECAST = "weather_forecast"

    @property
    def is_forecast(self) -> bool:
        """Whether a time has several vintages, each published at its own time, and none of them replaces another."""
        return self in (Table.FORECAST, Table.WEATHER_FORECAST)

    @property
    def is_weather(self) -> bool:
        """Whether its series are variables, `STATION.variable`, and not zones."""
        return self in (Table.WEATHER, Table.WEATHER_FORECAST)


VALUES = pl.Schema(
    {
        "region": pl.String(),
        "series": pl.String(),  # a zone or the total; "STATION.variable" for weather and its forecasts
        "valid_at": UTC,
        "value": pl.Float64(),  # MW; weather in the unit that the variable's name ends with
        "available_at": UTC,
        "basis": pl.String(),
        "first_seen_at": UTC,
        "source": pl.String(),
    }
)
"""One row for each version of a value. A correction, or another vintage of a forecast, is a further row of the same
key."""

QUARANTINE = pl.Schema(
    {
        "region": pl.String(),
        "table": pl.String(),
        "series": pl.String(),
        "at": UTC,  # the time of its stamp, as the publisher labels it; null if it cannot be read
        "stamp": pl.String(),  # as received
        "value": pl.String(),  # as received
        "reason": pl.String(),  # a Reason
        "detail": pl.String(),
        "origin": pl.String(),  # file or address
        "first_seen_at": UTC,
    }
)


class Reason(StrEnum):
    """Why a row is in quarantine."""

    NEGATIVE = "negative"
    IMPLAUSIBLE = "implausible"
    SPIKE = "spike"
    FLAT = "flat line"
    DUPLICATE = "duplicate"
    UNKNOWN_SERIES = "unknown zone"
    UNREADABLE_STAMP = "unreadable stamp"
    AMBIGUOUS_STAMP = "ambiguous stamp"
    NOT_A_NUMBER = "not a number"
    FUTURE = "future"  # the interval was not over when the value was received: not a measurement
    MISSING_CODE = "code of a missing value"  # -9999 and the like
    ZERO = "zero in place of a value"  # for a load that is never near zero, or for solar power while the sun is high
    UNIT = "another unit"  # a thousand times smaller or larger than the usual values of the series
    INCOMPLETE = "incomplete interval"  # other parts of the same interval are missing


class Flag(StrEnum):
    """A quality flag of a value, or of a slot without a value."""

    SPIKE = "spike"  # the value jumped away and returned: kept out of the tables
    STUCK = "stuck"  # stuck telemetry repeated the value: kept out of the tables
    INTERPOLATED = "interpolated"  # the value lies on a straight line between others: filled in, not measured
    ESTIMATED = "estimated"  # the operator's own forecast in place of a measurement
    LATE = "late"  # the value was known later than is usual for its source, or it is a correction


@dataclass(frozen=True)
class Manifest:
    """The content of a table in one version: enough to check that two runs read the same data, and to read it again.

    `sha256` is computed over the sorted logical rows without ingest times, so it does not depend on how the rows were
    appended.
    """

    table: str
    version: int
    rows: int
    first: str | None
    last: str | None
    sha256: str
