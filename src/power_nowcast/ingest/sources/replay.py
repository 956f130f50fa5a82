"""Replay: stored or archived rows, handed over again in the order in which they became known, by a given clock."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from power_nowcast.contracts import ROWS, VALUES, Batch, Received, Table
from power_nowcast.errors import ConfigurationError, MissingDataError, SourceFormatError
from power_nowcast.ingest.published import Delivery, Request, published
from power_nowcast.regions import Region, SourceSpec

REPLAY = "replay"
ARCHIVES = ("sample", "nyiso", "files")
"""Sources that can be played without a store: their rows say by themselves when they were known."""
_VERSION = ["region", "series", "valid_at", "available_at"]
_KEY = _VERSION[:-1]


def _now() -> datetime:
    return datetime.now(UTC)


class ReplayClock:
    """A clock that begins at `start` when it is made and runs `speed` times as fast as the real one.

    `Follower`, `write_all` and `serve.Service` take it as their `clock`. A service needs nothing else to answer as it
    would have answered then, because it reads what was known at the clock's time.

    Args:
        start: the first replayed time, aware.
        speed: replayed seconds in a real second.
        clock: real time, aware.
        sleeper: waits real seconds.

    Raises:
        ConfigurationError: `start` has no time zone, or `speed` is not above 0.
    """

    def __init__(
        self,
        start: datetime,
        speed: float = 1.0,
        clock: Callable[[], datetime] = _now,
        sleeper: Callable[[float], None] = time.sleep,
    ) -> None:
        if not 0 < speed < float("inf"):
            raise ConfigurationError(
                f"A replay cannot run at {speed} times the speed of real time.",
                remedy="Give a speed above 0: 1 is that of real time, 60 an hour in a minute.",
                option="speed",
                value=speed,
            )
        if start.tzinfo is None:
            raise ConfigurationError(
                f"The start of the replay, {start}, has no time zone.",
                remedy="Give it in UTC.",
                option="start",
                value=start,
            )
        self.start, self.speed = start.astimezone(UTC), speed
        self._clock, self._sleeper = clock, sleeper
        self._began = clock()

    def __call__(self) -> datetime:
        """The replayed time, UTC."""
        return self.start + (self._clock() - self._began) * self.speed

    def sleep(self, seconds: float) -> None:
        """Wait this many replayed seconds."""
        self._sleeper(seconds / self.speed)


def replayed(region: Region, folder: str | Path | None = None) -> Region:
    """The region with all of its tables played again, for `fetch`, `write_all` or a `Follower` with a `ReplayClock`.

    Args:
        region: the region of the tables; one that is a replay already stays as it is, unless `folder` is given.
        folder: folder or s3:// address of the tables to play (`Store.root`), in which the region has the same name;
            without it the region's own sources are played, which have to be archives.
    """
    return region.model_copy(update={table.value: _replayed(spec, folder) for table, spec in region.specs.items()})


class Replay:
    """The source of versions that are known at the time of the request's clock and were not at the last play.

    Option `folder`: folder or s3:// address of the tables to play (or the request's `place`). Or option `of`: the
    archive to play, of `ARCHIVES`, with that source's own options beside it. A delivery holds versions of rows with the
    times when they were known. Each request that finds any gives one delivery. Its rows are not checked, aligned or
    left out.

    `start` counts for a table that was never played, `end` is the latest time of knowledge.
    """

    reads_files: ClassVar[bool] = True

    def __init__(self) -> None:
        # An archive is read once, for all moments.
        self._archive = lru_cache(maxsize=len(Table))(self._read_archive)

    def check(self, request: Request) -> None:
        """Check the region's options.

        Raises:
            ConfigurationError: the options do not say what to play, or it cannot be played.
        """
        options, region = request.spec.options, request.region
        of = options.get("of")
        if of is None and (unknown := [name for name in options if name != "folder"]):
            problem, remedy = f"has no option {unknown[0]!r}", "Use folder or of."
        elif of is None and not options.get("folder") and request.place is None:
            problem = "does not say what to play"
            remedy = "Name the folder of the tables: --data FOLDER, or the option folder in the region file."
        elif of is not None and of not in ARCHIVES:
            problem = f"cannot play the source {of}, which has no archive"
            remedy = "Play the tables of a store that followed it: --data FOLDER."
        else:
            return
        raise ConfigurationError(
            f"{region.name}: the source replay {problem}.", remedy=remedy, region=region.name, source=REPLAY
        )

    def deliveries(self, request: Request) -> Iterator[Delivery]:
        """One delivery of the rows that have become known; none if there are no such rows.

        Raises:
            ConfigurationError: an option is wrong, or there are no tables to play.
            MissingDataError: no power was known yet.
            SourceFormatError: the tables cannot be read.
        """
        self.check(request)
        now = request.clock().astimezone(UTC)
        now = now if request.end is None else min(now, request.end.astimezone(UTC))
        rows = self._known(request, now)
        if rows.is_empty():
            return
        buffer = BytesIO()
        rows.write_parquet(buffer, compression="zstd")
        received = Received(buffer.getvalue(), received_at=now)
        yield Delivery(f"{request.table}_{now:%Y%m%dT%H%M%SZ}.parquet", lambda: received)

    def parse(self, received: Received, request: Request, origin: str) -> pl.DataFrame:  # noqa: ARG002
        """Rows of a delivery in the form in which a publisher would have written them."""
        rows = versions(received.data, origin)
        return published(rows.select("series", "value", "basis", at="valid_at", written="available_at"))

    def _known(self, request: Request, now: datetime) -> pl.DataFrame:
        """Versions of `ROWS` known by `now` and not when the table was played last, in the order of knowledge."""
        times = [pl.col("available_at") <= now]
        if request.since is not None:
            times.append(pl.col("available_at") > request.since)
        elif request.start is not None:
            times.append(pl.col("valid_at") >= request.start)
        rows = _collected(self._source(request).filter(times), request)
        if rows.is_empty() and request.since is None and request.table is Table.POWER:
            first = _collected(self._source(request).select(pl.col("available_at").min()), request).item()
            found = "nothing at all" if first is None else f"nothing before {first:%Y-%m-%dT%H:%M:%SZ}"
            raise MissingDataError(
                f"replay: of {request.region.name} there is {found} to play at {now:%Y-%m-%dT%H:%M:%SZ}.",
                remedy="Begin later, or play other tables.",
                region=request.region.name,
                time=now,
            )
        # A read of one time of knowledge gives the row that was stored last under it.
        rows = rows.sort("first_seen_at").unique(_VERSION, keep="last")
        return rows.sort("available_at", "series", "valid_at").select(ROWS.names())

    def _source(self, request: Request) -> pl.LazyFrame:
        if request.spec.options.get("of") is not None:
            return (
                self._archive(request.region, request.table, request.place, request.batches)
                .lazy()
                .with_columns(first_seen_at=None)
            )
        return _stored(str(request.place or request.spec.options["folder"]).rstrip("/"), request)

    def _read_archive(
        self,
        region: Region,
        table: Table,
        place: Path | None,
        batches: Callable[[Request], Iterator[Batch]] | None,
    ) -> pl.DataFrame:
        """The rows of an archive in a store, without corrections by later files: nobody knows when those were known."""
        spec = region.spec(table)
        if spec is None:
            return ROWS.to_frame()
        if batches is None:
            raise ConfigurationError(
                f"{region.name}: the request does not say how the archive is read.",
                remedy="Ask through ingest.fetch.",
                region=region.name,
                source=REPLAY,
            )
        own = {name: value for name, value in spec.options.items() if name != "of"}
        original = spec.model_copy(update={"source": spec.options["of"], "options": own})
        key = _VERSION if table.is_forecast else _KEY
        frames = [
            batch.rows.filter(pl.col("value").is_finite()).unique(key, keep="last", maintain_order=True)
            for batch in batches(Request(region, table, original, place=place))
        ]
        return pl.concat([ROWS.to_frame(), *frames]).unique(key, keep="first").sort("available_at")


def versions(data: bytes, origin: str) -> pl.DataFrame:
    """Rows of `contracts.ROWS` of a delivery.

    Raises:
        SourceFormatError: the bytes are no such delivery.
    """
    try:
        return pl.read_parquet(BytesIO(data)).select(ROWS.names()).cast(ROWS)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise SourceFormatError(
            f"{origin} holds no rows of a replay: {reason}.", remedy="Restore it from a copy.", file=origin
        ) from error


def _stored(folder: str, request: Request) -> pl.LazyFrame:
    """Versions of a region's rows in a table of a store, without files in which none is new."""
    uri = f"{folder}/interim/{request.table}"
    try:
        files = pl.DataFrame(DeltaTable(uri).get_add_actions(flatten=True))
    except TableNotFoundError as error:
        if request.table is not Table.POWER:
            return VALUES.to_frame().lazy()
        raise ConfigurationError(
            f"{request.region.name}: the source replay finds no tables in {folder}.",
            remedy="Name the folder that NOWCAST_DATA named when they were written.",
            region=request.region.name,
            source=REPLAY,
            folder=folder,
        ) from error
    except (DeltaError, OSError) as error:
        raise _unreadable(uri, error) from error
    files = files.filter(pl.col("partition.region") == request.region.name)
    if request.since is not None and "max.available_at" in files.columns:
        # Delta notes the last time of a file in whole milliseconds.
        after = pl.col("max.available_at") >= request.since - timedelta(milliseconds=1)
        files = files.filter(after.fill_null(True))
    if files.is_empty():
        return VALUES.to_frame().lazy()
    # The log escapes characters that a file's name has as they are, such as a space.
    paths = [f"{uri}/{unquote(path)}" for path in files["path"]]
    hive = {"region": pl.String(), "month": pl.String()}
    return pl.scan_parquet(paths, hive_schema=hive, hive_partitioning=True, glob=False).select(VALUES.names())


def _collected(rows: pl.LazyFrame, request: Request) -> pl.DataFrame:
    try:
        return rows.collect()
    except (DeltaError, OSError, pl.exceptions.PolarsError) as error:
        raise _unreadable(f"{request.table} of {request.region.name}", error) from error


def _unreadable(table: str, error: Exception) -> SourceFormatError:
    reason = str(error).splitlines()[0]
    return SourceFormatError(
        f"replay: the table {table} cannot be read: {reason}.", remedy="Restore it from a copy.", table=table
    )


def _replayed(spec: SourceSpec, folder: str | Path | None) -> SourceSpec:
    if folder is not None:
        options = {"folder": str(folder)}
    elif spec.source == REPLAY:
        return spec
    else:
        options = {"of": spec.source, **spec.options}
    return spec.model_copy(update={"source": REPLAY, "options": options})
