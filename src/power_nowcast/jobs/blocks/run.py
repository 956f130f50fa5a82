"""The main job of a region of many zones: collect, learn one booster, calibrate each zone, backtest, publish."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np

from power_nowcast import mlflow_client
from power_nowcast.bundle.train import VALID_LOSS
from power_nowcast.contracts.progress import Pace
from power_nowcast.errors import MissingDataError, PromotionRefusedError
from power_nowcast.jobs.blocks import tasks
from power_nowcast.jobs.blocks.plan import BLOCK_ZONES, Block, blocks_of, split_of
from power_nowcast.jobs.blocks.tasks import Collect, Collected, Interval, Learn, Made, Told
from power_nowcast.jobs.blocks.training import OPTIONS, Train, Trained, train
from power_nowcast.jobs.job import Job, Plan
from power_nowcast.live.loop import PATIENCE
from power_nowcast.models.examples import Split
from power_nowcast.workers import Engine, engine

SAMPLE_ROWS = 2_000_000
"""Rows of the sample that the booster learns from, however many zones there are."""
STOP_SHARE = 0.15
"""Last part of the training time on which boosters stop early and learn the spread."""
COVERAGE = (0.70, 0.90)
"""Least and greatest share of outcomes in the 80 % band with which a version may answer."""
PRODUCTION, FILES = "production", "files"
"""Documents of the region: the version that answers, and the files that are collected."""
LOOK_SECONDS = 2.0
"""Time between two looks at the clock while blocks are followed."""
GRACE = timedelta(seconds=30)
"""Time after an interval and the source's usual delay until its values are read."""


@dataclass(frozen=True)
class Outcome:
    """The result of the main job: digest of the version that answers, figures of the test part, the nowcasts of the
    newest interval, and the zones that no bundle has.
    """

    digest: str
    figures: Mapping[str, float]
    told: tuple[Told, ...]
    left_out: tuple[str, ...] = ()

    @property
    def zones(self) -> int:
        """Zones with an answer."""
        return sum(one.zones for one in self.told)


def run(
    job: Job, plan: Plan, *, zones: int = BLOCK_ZONES, rows: int = SAMPLE_ROWS, options: Mapping[str, Any] = OPTIONS
) -> Outcome:
    """Collect, learn, calibrate, backtest and publish the newest interval; results that are there are not made again.

    Args:
        job: the region.
        plan: features and parts.
        zones: zones of a new block.
        rows: rows of the sample that the booster learns from.
        options: of the booster.

    Raises:
        MissingDataError: no block has enough data.
        PromotionRefusedError: the new version is worse than persistence, or its bands do not fit.
        EngineError, ConfigurationError: as `workers.engine`.
    """
    blocks = blocks_of(job, zones)
    with engine(job.settings.engine, job.settings.workers) as workers:
        first, last = collect(job, workers, blocks)
        split = split_of(job.region, plan, first, last)
        spec = replace(plan.spec, neighbour_lags=())  # neighbours in a block are chance
        question = Learn(blocks[0], spec, plan.every_minutes, split, rows)
        with mlflow_client.run(job.region, "run by blocks") as tracked:
            begun = time.monotonic()
            sampled, trained = learn(job, workers, blocks, question, options)
            ready = [block for block in blocks if block.name in sampled]
            calibrated = _each(job, workers, "calibrate", tasks.calibrate, with_booster(ready, question, trained))
            version = _digest(calibrated.values())
            ready = [block for block in ready if block.name in calibrated]
            scored = _each(job, workers, "backtest", tasks.backtest, with_booster(ready, question, trained))
            figures = figures_of(calibrated.values(), scored.values())
            tracked.params({"spec": spec.to_json(), "zones": len(job.region.zones), "blocks": len(ready), **options})
            tracked.metrics({**figures, "seconds": time.monotonic() - begun})
            tracked.tags({mlflow_client.DIGEST: version})
        promote(job, version, {name: made.digest for name, made in calibrated.items()}, figures)
        # When the loop of a block waits no longer for zones that are silent.
        told = publish(job, workers, blocks, last + PATIENCE * job.region.interval)
    left_out = tuple(name for made in calibrated.values() for name in made.left_out)
    return Outcome(version, figures, told, left_out)


def collect(job: Job, workers: Engine, blocks: Sequence[Block]) -> tuple[datetime, datetime]:
    """Store what files that are new or have changed hold of each block; the first and the last time of all power.

    Raises:
        MissingDataError: there is no file, or no block has power.
    """
    files, note = new_files(job)
    found = list(
        _told(job, "collect", workers.each(tasks.collect, [Collect(block, files) for block in blocks]), len(blocks))
    )
    for block, one in ((task.block, one) for task, one in found):
        if one.trouble:
            job.progress(f"collect: {block.name}: {one.trouble}")
    results: list[Collected] = [one for _, one in found]
    spans = [(one.first, one.last) for one in results if one.first is not None and one.last is not None]
    if not spans:
        raise job.store.no_power(job.region.name)
    job.store.documents.write(job.document(FILES), note)
    stored, rejected = sum(one.stored for one in results), sum(one.rejected for one in results)
    job.progress(f"collect: {len(files)} files, {stored:,} rows stored, {rejected:,} in quarantine")
    return min(first for first, _ in spans), max(last for _, last in spans)


def new_files(job: Job) -> tuple[tuple[Path, ...], dict[str, list[object]]]:
    """The source's files that are new or have changed since all blocks had them, and the note of all files.

    Raises:
        MissingDataError: there is none.
    """
    options, place = job.region.power.options, job.data
    patterns = options.get("files", "*")
    several = patterns if isinstance(patterns, list | tuple) else [patterns]
    folder = place or Path(str(options.get("folder", "")))
    paths = [place] if place is not None and place.is_file() else [folder / str(pattern) for pattern in several]
    found = sorted({Path(name).absolute() for path in paths for name in glob(str(path))})
    if not found:
        raise MissingDataError(
            f"There is no file {', '.join(map(str, paths))}.",
            remedy="Check the path, or name the folder by --data.",
            region=job.region.name,
        )
    zones = hashlib.sha256(repr(job.region.series).encode()).hexdigest()
    note = {str(file): [zones, file.stat().st_mtime_ns, file.stat().st_size] for file in found}
    before = job.store.documents.read(job.document(FILES)) or {}
    return tuple(file for file in found if before.get(str(file)) != note[str(file)]), note


def learn(
    job: Job, workers: Engine, blocks: Sequence[Block], question: Learn, options: Mapping[str, Any] = OPTIONS
) -> tuple[dict[str, Made], dict[str, tuple[Path, Trained]]]:
    """The samples by block, and by kind of zone the folder and the result of the training on them.

    `question.rows` is the size of the sample of all blocks; each gives rows by its number of zones.
    """
    zones = sum(len(block.region.zones) for block in blocks)
    asked = [replace(question, block=one, rows=round(question.rows * len(one.region.zones) / zones)) for one in blocks]
    sampled = _each(job, workers, "features", tasks.sample, asked)
    trained: dict[str, tuple[Path, Trained]] = {}
    for kind in sorted({block.kind for block in blocks if block.name in sampled}):
        own = tuple(block for block in blocks if block.kind == kind and block.name in sampled)
        made_from = [[block.name, sampled[block.name].digest, sampled[block.name].rows] for block in own]
        recipe = hashlib.sha256(json.dumps([made_from, question.question, dict(options)]).encode()).hexdigest()
        folder = job.artifacts.absolute() / f"pooled-{kind}"
        task = Train(own, question.spec, folder, _border(question.split), recipe, options)
        job.progress(f"train: one booster for {sum(len(one.region.zones) for one in own):,} zones of {kind}")
        for _, one in workers.each(train, [task]):
            trained[kind] = folder, one
            job.progress(f"train: {one.rows:,} rows, digest {one.digest[:12]}")
    return sampled, trained


def promote(job: Job, version: str, bundles: Mapping[str, str], figures: Mapping[str, float]) -> None:
    """Let a version answer, if it may: the document `production` names it and the bundle of each block.

    Raises:
        PromotionRefusedError: its loss is not below that of persistence, or its bands are too wide or too narrow.
    """
    low, high = COVERAGE
    refused = [
        f"its MAE is {figures['MAE']:.2f} of persistence's" if figures["MAE"] >= 1 else "",
        "" if low <= figures["coverage_80"] <= high else f"its 80 % band covers {figures['coverage_80']:.0%}",
    ]
    if any(refused):
        raise PromotionRefusedError(
            f"The version {version[:12]} of {job.region.name} may not answer: {', '.join(filter(None, refused))}.",
            remedy="Train on more or newer data; the version before goes on to answer.",
            region=job.region.name,
            version=version,
        )
    note = {"digest": version, "bundles": dict(bundles), "figures": dict(figures)}
    job.store.documents.write(job.document(PRODUCTION), note)


def publish(
    job: Job, workers: Engine, blocks: Sequence[Block], now: datetime, *, new: bool = False
) -> tuple[Told, ...]:
    """Nowcast and publish the interval at `now` for each block of the version that answers.

    Args:
        job: the region.
        workers: the engine.
        blocks: its blocks.
        now: the issue time, or a moment after it.
        new: collect the new files in the same tasks.

    Raises:
        MissingDataError: no version answers yet.
    """
    version = job.store.documents.read(job.document(PRODUCTION))
    if version is None:
        raise MissingDataError(
            f"No version of {job.region.name} answers yet.",
            remedy="Make one: nowcast run --region FILE.",
            region=job.region.name,
        )
    files, note = new_files(job) if new else ((), {})
    asked, idle = list[Interval](), list[Collect]()
    for block in blocks:
        files_of = Collect(block, files)
        if block.name in version["bundles"]:
            asked.append(Interval(block, version["bundles"][block.name], now, files_of if files else None))
        elif files:  # it may have enough values at the next training
            idle.append(files_of)
    told = tuple(one for _, one in _told(job, "publish", workers.each(tasks.interval, asked), len(asked)))
    for one in told:
        if one.trouble:
            job.progress(f"publish: {one.block}: {one.trouble}")
    list(workers.each(tasks.collect, idle))
    if files and {block.name for block in blocks} >= version["bundles"].keys():
        job.store.documents.write(job.document(FILES), note)
    return told


def follow(
    job: Job,
    stopped: Callable[[], bool] = lambda: False,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Collect, nowcast and publish at every interval until `stopped`, by the version that answers.

    Blocks that lack a zone's newest value are asked once more when half of the interval is over; then the values that
    exist must do.

    Raises:
        MissingDataError: no version answers yet.
        EngineError, ConfigurationError: as `workers.engine`.
    """
    blocks, region = blocks_of(job), job.region
    wait = timedelta(minutes=region.power.delay_minutes) + GRACE
    done, late = None, list[Block]()
    with engine(job.settings.engine, job.settings.workers) as workers:
        while not stopped():
            now = clock()
            issue, is_late = region.slot(now - wait), now >= region.slot(now) + PATIENCE * region.interval
            asked = blocks if issue != done else late if is_late else []
            if asked:
                begun = time.monotonic()
                told = publish(job, workers, asked, now, new=True)
                has = {one.block for one in told if one.issue_time is not None and one.issue_time >= issue}
                zones = sum(one.zones for one in told if one.block in has)
                job.progress(f"{issue:%Y-%m-%d %H:%M} UTC: {zones:,} zones in {time.monotonic() - begun:.0f} s")
                late = [] if issue == done else [block for block in blocks if block.name not in has]
                done = issue
            sleep(LOOK_SECONDS)


def figures_of(calibrated: Iterable[Made], scored: Iterable[Made]) -> dict[str, float]:
    """Means over zones and horizons, in units of persistence's MAE: `loss` (pinball) and `MAE`; and `coverage_80`."""
    losses = [made.figures[VALID_LOSS] for made in calibrated]
    sums = (
        {name: sum(made.figures[name] for made in scored) for name in ("n", "loss", "coverage_80", "MAE")}
        if (scored := list(scored))
        else {}
    )
    if not sums or not sums["n"]:
        raise MissingDataError(
            "No block has an outcome in the test part.", remedy="Ingest a longer time: nowcast run --region FILE."
        )
    count = sums.pop("n")
    return {VALID_LOSS: float(np.mean(losses)), **{name: total / count for name, total in sums.items()}}


def with_booster(blocks: Sequence[Block], question: Learn, trained: Mapping[str, tuple[Path, Trained]]) -> list[Learn]:
    """The question for each block, with the booster of its kind."""
    return [
        replace(question, block=one, model=trained[one.kind][0], digest=trained[one.kind][1].digest) for one in blocks
    ]


def _border(split: Split) -> np.datetime64:
    hours = int((split.valid_start - split.train_start).astype("timedelta64[h]").astype(np.int64))
    return np.datetime64(split.valid_start - np.timedelta64(round(hours * STOP_SHARE), "h"), "m")


def _digest(made: Iterable[Made]) -> str:
    """The digest of a version: of its blocks' bundles."""
    told = sorted((one.block, one.digest) for one in made)
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _each(
    job: Job, workers: Engine, what: str, work: Callable[[Learn], Made], asked: Sequence[Learn]
) -> dict[str, Made]:
    """The results by block; a block without one is told and left out."""
    made = {}
    for task, one in _told(job, what, workers.each(work, asked), len(asked)):
        if one.trouble:
            job.progress(f"{what}: {task.block.name} is left out. {one.trouble}")
        else:
            made[task.block.name] = one
    return {task.block.name: made[task.block.name] for task in asked if task.block.name in made}


def _told[Task, Result](
    job: Job, what: str, results: Iterable[tuple[Task, Result]], count: int
) -> Iterable[tuple[Task, Result]]:
    """The results, with a line of progress at every tenth part."""
    pace = Pace(count)
    for n, one in enumerate(results, 1):
        left = pace.next()
        if n * 10 // count > (n - 1) * 10 // count:
            job.progress(f"{what}: {n} of {count} blocks{left}")
        yield one
