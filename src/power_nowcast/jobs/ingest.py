"""Ingest once or continuously, from the sources or from a replay of stored tables."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from power_nowcast import mlflow_client
from power_nowcast.collect import IngestReport, write_all
from power_nowcast.collect.follow import Follower
from power_nowcast.contracts import Batch
from power_nowcast.errors import RegistryError
from power_nowcast.ingest import ReplayClock, replayed, with_source
from power_nowcast.ingest.catalog import check_ready, reads_files
from power_nowcast.ingest.sources.replay import REPLAY
from power_nowcast.jobs import commands
from power_nowcast.jobs.job import Job
from power_nowcast.regions import Region
from power_nowcast.store import AppendReport


@dataclass(frozen=True)
class Feed:
    """A region with the sources to ask, and the folder of the publisher's files, if any."""

    region: Region
    place: Path | None


def feed_of(job: Job, source: str | None = None, *, is_replay: bool = False) -> Feed:
    """The job's region with its own sources, with another source, or as a replay.

    Raises:
        ConfigurationError: the source does not exist, or it cannot be replayed.
    """
    region, place = job.region, job.data
    if source not in (None, REPLAY):
        region = with_source(region, source)
    if source != REPLAY and not is_replay:
        return Feed(region, place)
    # If the region's own source reads a folder, this folder has the publisher's files; else it has the tables to play.
    folder = place if source == REPLAY or not reads_files(region) else None
    return Feed(replayed(region, folder), None if folder else place)


def ingest(
    job: Job,
    feed: Feed,
    start: datetime | None = None,
    end: datetime | None = None,
    days: int | None = None,
    stored: Callable[[int], None] = lambda _: None,
) -> IngestReport:
    """Write the feed's rows between two times, or of the last days; `stored` gets the number of new rows per delivery.

    An ingest that read a delivery is logged as a run. If MLflow does not answer, the rows are stored all the same, and
    the progress says that there is no run.

    Raises:
        DataError, StoreError, ConfigurationError: as `write_all` raises them.
    """

    def told(batch: Batch, rows: AppendReport) -> None:
        job.progress(f"ingest: {batch.origin}: {rows.stored:,} new rows")
        stored(rows.stored)

    begun = time.monotonic()
    report = write_all(job.store, feed.region, start=start, end=end, days=days, place=feed.place, progress=told)
    if report.deliveries:
        other = None if feed.region == job.region else feed.region.power.source
        options = {"start": start, "end": end, "days": days, "source": other, "data": job.data}
        try:
            _log(job, report, time.monotonic() - begun, commands.line(job, "ingest", options))
        except RegistryError as error:
            job.progress(f"ingest: the rows are stored, but MLflow has no run of it. {error.message}")
    return report


def _log(job: Job, report: IngestReport, seconds: float, again: str) -> None:
    """Log an ingest: counts, what was rejected, and what the tables hold now."""
    with mlflow_client.run(job.region, "ingest", tags={mlflow_client.RUN_AGAIN: again}) as run:
        rejected = sum(report.reasons.values())
        counts = {f"rows_{table.value}": rows.stored for table, rows in report.tables.items()}
        counts |= {"deliveries": report.deliveries, "rows": report.stored, "rejected": rejected}
        counts |= {"quarantined": report.quarantined, "superseded": report.superseded}
        run.metrics({**counts, "contradictions": report.contradictions, "seconds": seconds}, part="ingest")
        tables = [{"table": table.value, **asdict(rows)} for table, rows in report.tables.items()]
        run.table("ingest/tables.csv", pl.DataFrame(tables))
        reasons = {"reason": list(report.reasons), "rows": list(report.reasons.values())}
        run.table("ingest/rejected.csv", pl.DataFrame(reasons, schema={"reason": pl.String, "rows": pl.Int64}))
        run.manifests(job.manifests())
        run.note(f"{report}\n\nThe data sets above are what the tables hold since then.")


def follow(
    job: Job, feed: Feed, *, until: datetime | None = None, replay: datetime | None = None, speed: float = 1.0
) -> IngestReport:
    """Ingest every interval until a time, or forever; with `replay`, the clock begins at that time.

    Raises:
        ConfigurationError: a source does not match the region file or lacks a key or a contact, or the speed is not
            above 0.
    """
    if replay is None:
        check_ready(feed.region, feed.place)
        return Follower(job.store, feed.region, feed.place, progress=job.progress).run(until)
    clock = ReplayClock(replay, speed)
    follower = Follower(
        job.store,
        feed.region,
        feed.place,
        clock=clock,
        sleep=clock.sleep,
        progress=lambda text: job.progress(f"{clock():%Y-%m-%dT%H:%MZ} {text}"),
    )
    return follower.run(until)
