"""The register of record tables: the tables of a store other than values. A new table is one declaration."""

from dataclasses import replace

import polars as pl

from power_nowcast import contracts
from power_nowcast.contracts import UTC
from power_nowcast.regions import calendar
from power_nowcast.store.looks import COVERED
from power_nowcast.store.records import RecordTable

QUARANTINE = RecordTable(
    "quarantine", contracts.QUARANTINE, order=("first_seen_at", "table", "series", "stamp"), in_order=False
)
"""Rows of deliveries that failed a check, each once."""

DELIVERIES = RecordTable(
    "deliveries",
    pl.Schema(
        {
            "region": pl.String(),
            "table": pl.String(),
            "key": pl.String(),  # identifies the bytes and how they are read
            "origin": pl.String(),
            "rows": pl.Int64(),
            "quarantined": pl.Int64(),
            "superseded": pl.Int64(),
            "raw": pl.String(),  # path of its bytes below the root; null if they are part of the package
            "source": pl.String(),  # from here to `usual`: the fields of Reading
            "sha256": pl.String(),
            "published_at": UTC,
            "received_at": UTC,
            "start": UTC,
            "end": UTC,
            "after": pl.String(),
            "is_last": pl.Boolean(),
            "read_at": UTC,
            "usual": pl.String(),
            "first_seen_at": UTC,
            **COVERED,  # null if the delivery was noted before these columns existed
        }
    ),
    key=("region", "table", "key"),
    order=("first_seen_at", "table", "origin"),
)
"""The deliveries that are completely in the tables: origin, coverage, and the data needed to read each again."""

CALENDAR = RecordTable(
    "calendar",
    pl.Schema({"region": pl.String(), **calendar.CALENDAR, "first_seen_at": UTC}),
    order=("date", "first_seen_at"),
)
"""The days of each region. The row of a day that was stored last counts."""

CALIBRATIONS = RecordTable(
    "calibrations",
    pl.Schema(
        {
            "region": pl.String(),
            "model_digest": pl.String(),
            "calibration_id": pl.String(),
            "as_of": UTC,  # the state includes outcomes up to this time
            "state": pl.String(),  # JSON
            "first_seen_at": UTC,
        }
    ),
    key=("region", "model_digest", "calibration_id", "as_of"),
    order=("as_of", "first_seen_at"),
    time="as_of",
    is_cached=False,
)
"""The states of online calibration of each model version."""

MANIFESTS = RecordTable(
    "manifests",
    pl.Schema(
        {
            "region": pl.String(),
            "table": pl.String(),
            "version": pl.Int64(),
            "rows": pl.Int64(),
            "first": pl.String(),
            "last": pl.String(),
            "sha256": pl.String(),
            "first_seen_at": UTC,
        }
    ),
    key=("region", "table", "version", "sha256"),
    order=("first_seen_at", "table", "version"),
)
"""The manifests that must stay valid: their versions of the tables are kept."""

NOWCASTS = RecordTable(
    "nowcasts",
    pl.Schema(
        {
            "region": pl.String(),
            "issue_time": UTC,  # on the region's grid: the steps count from here
            "series": pl.String(),
            "revision": pl.Int64(),  # 0 for the first publication of an issue time; a later one supersedes it
            "published_at": UTC,
            "expires_at": UTC,  # when the next nowcast is due
            "known_at": UTC,  # data that were available later are not in it
            "is_live": pl.Boolean(),  # false if it was caught up after its interval
            "steps_minutes": pl.List(pl.Int64()),
            "quantiles": pl.List(pl.Float64()),
            "values_mw": pl.List(pl.Float64()),  # by step, then by quantile; NaN if the series is refused
            "origin_mw": pl.Float64(),
            "age_minutes": pl.Float64(),
            "quality": pl.String(),
            "flags": pl.List(pl.String()),
            "rung": pl.String(),  # a contracts.rungs.Rung; null if the row was published before there were rungs
            "reasons": pl.List(pl.String()),  # why it is this rung; null as for `rung`
            "adjusted_mw": pl.List(pl.Float64()),  # as `values_mw`, by a person's adjustment; null without one
            "adjustment_mw": pl.Float64(),
            "adjustment_why": pl.String(),
            "model_kind": pl.String(),
            "model_version": pl.String(),
            "model_digest": pl.String(),
            "calibration_id": pl.String(),
            "data_version": pl.String(),  # versions of the tables that it was made from
            "sources": pl.String(),  # JSON: by table, the time of its newest value
            "first_seen_at": UTC,
        }
    ),
    key=("region", "issue_time", "series", "revision"),
    order=("issue_time", "revision"),
    time="issue_time",
    in_order=False,
)
"""The nowcasts that were published: one row for each issue time, series and revision. A row never changes."""

SHADOWS = replace(NOWCASTS, name="shadows", key=("region", "issue_time", "series", "model_digest"))
"""Nowcasts that were made beside the published ones, by a version that does not answer: each from the same data."""

EVENTS = RecordTable(
    "events",
    pl.Schema(
        {
            "region": pl.String(),
            "at": UTC,
            "kind": pl.String(),
            "about": pl.String(),  # a series, a table, a model version or an alarm; empty for the region
            "what": pl.String(),  # a sentence
            "person": pl.String(),  # who did it; empty, or null in a row of before this column existed
            "until": UTC,  # the end of what was decided; null without one
            "first_seen_at": UTC,
        }
    ),
    key=("region", "at", "kind", "about"),
    order=("at", "kind", "about"),
    time="at",
    in_order=False,
)
"""Everything notable that happened while a region was followed."""

INTERVENTIONS = RecordTable(
    "interventions",
    pl.Schema(
        {
            "region": pl.String(),
            "kind": pl.String(),  # mark: the telemetry does not count; adjust: an adjusted series is published
            "series": pl.String(),
            "at": UTC,  # when it was decided
            "since": UTC,
            "until": UTC,
            "mw": pl.Float64(),  # what is added; 0 for a mark
            "reason": pl.String(),
            "person": pl.String(),
            "first_seen_at": UTC,
        }
    ),
    key=("region", "kind", "series", "at"),
    order=("at", "first_seen_at"),
    time="at",
    in_order=False,
)
"""What people decided while a region was followed."""

KEYS = RecordTable(
    "keys",
    pl.Schema(
        {
            "region": pl.String(),  # `keys.EVERYWHERE`: a key is for the whole service
            "id": pl.String(),
            "name": pl.String(),
            "scope": pl.String(),
            "sha256": pl.String(),  # of the key, in hex; the key itself is stored nowhere
            "is_revoked": pl.Boolean(),  # a key is made by one row, and revoked by a second one
            "first_seen_at": UTC,
        }
    ),
    key=("region", "id", "is_revoked"),
)
"""The keys of the API, made and revoked."""

RECORDS = (QUARANTINE, DELIVERIES, CALENDAR, CALIBRATIONS, MANIFESTS, NOWCASTS, SHADOWS, EVENTS, INTERVENTIONS, KEYS)
"""All declarations."""
