"""The point-in-time tables: their columns, the meaning of each time in a row, and what may be wrong with it.

`valid_at` is the END of the interval that a value measures (or its instant). `available_at` is when the value could
first have been known, `basis` says how that is known, `first_seen_at` is when this system stored it.
"""

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from power_nowcast.contracts.times import UTC


class Basis(StrEnum):
    """How `available_at` is known."""

    SEEN = "seen"  # this system received the row then
    WRITTEN = "written"  # the publisher's own time of the file
    SCHEDULE = "schedule"  # the publisher's fixed hour of publication
    DELAY = "delay"  # an archive: valid_at plus the source's usual delay; a backtest may add its own


class Table(StrEnum):
    """The point-in-time tables; all share `VALUES`."""

    POWER = "power"
    WEATHER = "weather"  # as observed
    FORECAST = "forecast"  # the operator's own, of power
    WEATHER_FORECAST = "weather_forecast"

    @property
    def is_forecast(self) -> bool:
        """Whether a time has several vintages, each told at a time of its own, and none of them replaces another."""
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
"""One row a value and version. A correction, or another vintage of a forecast, is a further row of the same key."""

QUARANTINE = pl.Schema(
    {
        "region": pl.String(),
        "table": pl.String(),
        "series": pl.String(),
        "at": UTC,  # what its stamp means, as the publisher labels it; null where it cannot be read
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
    FUTURE = "future"  # of an interval that was not over when it was received: no measurement
    MISSING_CODE = "code of a missing value"  # -9999 and the like
    ZERO = "zero in place of a value"  # of a load that is never near zero, of the sun while it stands high
    UNIT = "another unit"  # a thousand times smaller or larger than the series is
    INCOMPLETE = "incomplete interval"  # parts of an interval whose other parts are not there


class Flag(StrEnum):
    """What is to be known of a value, or of a slot without one, beyond the number."""

    SPIKE = "spike"  # jumped away and returned: kept out of the tables
    STUCK = "stuck"  # repeated what stuck telemetry said: kept out of the tables
    INTERPOLATED = "interpolated"  # lies on a straight line between others: filled in, not measured
    ESTIMATED = "estimated"  # the operator's own forecast in place of a measurement
    LATE = "late"  # known later than is usual of its source, or corrected


@dataclass(frozen=True)
class Manifest:
    """What a table held: enough to tell whether two runs read the same data, and to read it again.

    `sha256` is taken over the sorted logical rows without ingest times, so it does not depend on how they were
    appended.
    """

    table: str
    version: int
    rows: int
    first: str | None
    last: str | None
    sha256: str
