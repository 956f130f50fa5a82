"""What was published: immutable rows, appended once whichever process comes first."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl

from power_nowcast.contracts.rungs import Rung
from power_nowcast.contracts.times import aware
from power_nowcast.live.interventions import Adjusted
from power_nowcast.live.nowcaster import RUNG_OF, Nowcast, Quality
from power_nowcast.regions import Region
from power_nowcast.store import Store
from power_nowcast.store.tables import NOWCASTS, SHADOWS

NOT_LIVE = ("replay", "sample")
"""Sources whose data are of the past. They are flags of a nowcast, so that it cannot look live."""


def not_live(region: Region) -> tuple[str, ...]:
    """Flags of a region any of whose sources has data of the past."""
    used = {spec.source for spec in region.specs.values()}
    return tuple(name for name in NOT_LIVE if name in used)


@dataclass(frozen=True)
class Published:
    """A nowcast as it was published.

    Attributes:
        nowcast: the nowcast; its steps count from its issue time, which is on the region's grid.
        kind: kind of the model.
        version: label of the model version.
        revision: 0 for the first publication of this issue time; a later one supersedes it.
        published_at: when it was published.
        expires_at: when the next nowcast is due.
        known_at: data that were available later are not in it.
        is_live: false if it was caught up after its interval; such a nowcast is never scored as live.
        data_version: versions of the tables that it was made from.
        sources: by table, the time of its newest value; of a forecast, the time at which it became known.
        adjusted: by series, what a person has adjusted; it stands beside the model's answer.
    """

    nowcast: Nowcast
    kind: str
    version: str
    revision: int
    published_at: datetime
    expires_at: datetime
    known_at: datetime
    is_live: bool
    data_version: str
    sources: Mapping[str, datetime | None]
    adjusted: Mapping[str, Adjusted] = field(default_factory=dict)

    @property
    def region(self) -> str:
        return self.nowcast.region

    @property
    def issue_time(self) -> datetime:
        return aware(self.nowcast.issue_time)

    @property
    def id(self) -> str:
        """Identifies the publication, such as "2019-06-30T23:55.0": issue time and revision."""
        return f"{self.nowcast.issue_time}.{self.revision}"


def publish(store: Store, given: Published) -> Published:
    """Append a nowcast; returns what is published for its issue time and revision.

    Another process may have been first; then its nowcast stands.

    Raises:
        WriterBusyError: other writers kept the table busy.
        StoreError: the table cannot be written.
    """
    added = store.records[NOWCASTS].add(_rows(given), now=given.published_at)
    if added == len(given.nowcast.series):
        return given
    standing = [
        one
        for one in published(store, given.region, given.issue_time, given.issue_time)
        if one.revision == given.revision
    ]
    return standing[0]


def publish_shadow(store: Store, given: Published) -> None:
    """Append a nowcast of a version that does not answer; one that is there already stands.

    Raises:
        WriterBusyError: other writers kept the table busy.
        StoreError: the table cannot be written.
    """
    store.records[SHADOWS].add(_rows(given), now=given.published_at)


def published(
    store: Store, region: str, first: datetime, last: datetime, *, digest: str | None = None, is_shadow: bool = False
) -> list[Published]:
    """The nowcasts with an issue time from `first` to `last`, by issue time and revision.

    Args:
        store: the tables.
        region: the region's name.
        first: first issue time.
        last: last issue time.
        digest: only those of this model version.
        is_shadow: those that were made in the shadow, in place of those that were published; with a digest.

    Raises:
        StoreError: the table is damaged.
    """
    wanted = [pl.col("issue_time").is_between(first, last)]
    if digest is not None:
        wanted.append(pl.col("model_digest") == digest)
    rows = store.records[SHADOWS if is_shadow else NOWCASTS].read(region, *wanted, first=first, last=last)
    groups = rows.partition_by("issue_time", "revision", maintain_order=True)
    return [_of(group) for group in groups]


def issue_times(store: Store, region: str, first: datetime, last: datetime) -> list[datetime]:
    """The issue times from `first` to `last` that have a nowcast, in order; of the table only their column is read.

    Raises:
        StoreError: the table is damaged.
    """
    own, span = pl.col("region") == region, pl.col("issue_time").is_between(first, last)
    found = store.records[NOWCASTS].delta.read_lazily(
        lambda rows: rows.filter(own, span).select(pl.col("issue_time").unique().sort()), own, first=first, last=last
    )
    return found["issue_time"].to_list()


def heads(store: Store, region: str, first: datetime, last: datetime) -> pl.DataFrame:
    """What is told of each series of the publications with an issue time from `first` to `last`, without the values.

    Returns:
        Columns `issue_time`, `series`, `revision`, `published_at`, `known_at`, `is_live` and `rung`, by issue time; a
        row that was published before there were rungs has the one of its quality.

    Raises:
        StoreError: the table is damaged.
    """
    own, span = pl.col("region") == region, pl.col("issue_time").is_between(first, last)
    columns = ["issue_time", "series", "revision", "published_at", "known_at", "is_live", "rung", "quality"]
    rows = store.records[NOWCASTS].delta.read_lazily(
        lambda every: every.filter(own, span).select(columns), own, first=first, last=last
    )
    by_quality = pl.col("quality").replace_strict(
        {q.value: r.value for q, r in RUNG_OF.items()}, return_dtype=pl.String
    )
    told = rows.with_columns(rung=pl.coalesce("rung", by_quality)).drop("quality")
    return told.sort("issue_time", "revision", maintain_order=True)


def newest(store: Store, region: str, *, until: datetime | None = None) -> Published | None:
    """The newest nowcast with an issue time up to `until`, in its last revision; None if there is none.

    Raises:
        StoreError: the table is damaged.
    """
    found = store.records[NOWCASTS].newest(region, until=until)
    if found.is_empty():
        return None
    at = found["issue_time"][0]
    return published(store, region, at, at)[-1]


def _rows(given: Published) -> pl.DataFrame:
    nowcast = given.nowcast
    same = {
        "region": nowcast.region,
        "issue_time": given.issue_time,
        "revision": given.revision,
        "published_at": given.published_at,
        "expires_at": given.expires_at,
        "known_at": given.known_at,
        "is_live": given.is_live,
        "steps_minutes": list(nowcast.steps_minutes),
        "quantiles": list(nowcast.quantiles),
        "flags": list(nowcast.flags),
        "model_kind": given.kind,
        "model_version": given.version,
        "model_digest": nowcast.model_digest,
        "calibration_id": nowcast.calibration_id,
        "data_version": given.data_version,
        "sources": json.dumps({name: None if at is None else at.isoformat() for name, at in given.sources.items()}),
    }
    rows = [
        same
        | {
            "series": name,
            "values_mw": nowcast.values[s].ravel().tolist(),
            "origin_mw": float(nowcast.origin_mw[s]),
            "age_minutes": float(nowcast.age_minutes[s]),
            "quality": nowcast.quality[s].value,
            "rung": nowcast.rungs[s].value,
            "reasons": list(nowcast.reasons[s]),
        }
        | _adjustment(given.adjusted.get(name))
        for s, name in enumerate(nowcast.series)
    ]
    return pl.DataFrame(rows, NOWCASTS.given)


def _adjustment(one: Adjusted | None) -> dict[str, object]:
    return {
        "adjusted_mw": None if one is None else one.values.ravel().tolist(),
        "adjustment_mw": None if one is None else one.mw,
        "adjustment_why": None if one is None else one.why,
    }


def _of(rows: pl.DataFrame) -> Published:
    """The nowcast of the rows of one issue time and revision; series keep the order in which they were stored."""
    one = rows.row(0, named=True)
    shape = len(rows), len(one["steps_minutes"]), len(one["quantiles"])
    nowcast = Nowcast(
        region=one["region"],
        issue_time=np.datetime64(one["issue_time"].replace(tzinfo=None), "m"),
        series=tuple(rows["series"]),
        steps_minutes=tuple(one["steps_minutes"]),
        quantiles=tuple(one["quantiles"]),
        values=np.array(rows["values_mw"].to_list(), np.float64).reshape(shape),
        origin_mw=rows["origin_mw"].to_numpy().astype(np.float64),
        age_minutes=rows["age_minutes"].to_numpy().astype(np.float64),
        quality=tuple(Quality(quality) for quality in rows["quality"]),
        flags=tuple(one["flags"]),
        model_digest=one["model_digest"],
        calibration_id=one["calibration_id"],
        rungs=() if one["rung"] is None else tuple(Rung(rung) for rung in rows["rung"]),
        reasons=() if one["rung"] is None else tuple(tuple(told or ()) for told in rows["reasons"].to_list()),
    )
    return Published(
        nowcast=nowcast,
        kind=one["model_kind"],
        version=one["model_version"],
        revision=one["revision"],
        published_at=one["published_at"],
        expires_at=one["expires_at"],
        known_at=one["known_at"],
        is_live=one["is_live"],
        data_version=one["data_version"],
        adjusted={
            row["series"]: Adjusted(
                np.array(row["adjusted_mw"]).reshape(shape[1:]), row["adjustment_mw"], row["adjustment_why"]
            )
            for row in rows.filter(pl.col("adjusted_mw").is_not_null()).iter_rows(named=True)
        },
        sources={
            name: None if at is None else datetime.fromisoformat(at) for name, at in json.loads(one["sources"]).items()
        },
    )
